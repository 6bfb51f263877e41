"""Terms of weights: whoever loads weights that forbid some use is told once, and is told nothing of others."""

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import VOCABULARY, save_untrained

import nmflowgan_cli
from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.imaging import Picture, write
from nmflowgan_cli.notices import notice

HEADER = Header(architecture="paper", options={"widths": [4, 4, 4, 4, 4]}, vocabulary=VOCABULARY, name="small")
TERMS = "non-commercial use only"
CLEAN = np.full((2, 24, 24, 3), 90, np.uint8)


@pytest.fixture
def restricted(tmp_path: Path) -> Path:
    notice.cache_clear()
    return save_untrained(tmp_path / "restricted.safetensors", replace(HEADER, terms=TERMS))


def synthesize(folder: Path, file: Path, *more: str) -> str:
    """Stderr of a whole command on two pictures."""
    for name in ("a", "b"):
        write(folder / f"clean/{name}.png", Picture(CLEAN[0]))
    asked = ["clean", "-c", "IP", "-i", "400", "-o", "noisy", "--weights", str(file), "--on-exists", "overwrite"]
    command = [sys.executable, "-m", "nmflowgan_cli", "synthesize", *asked, "--device", "cpu", *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stderr


def test_the_command_tells_terms_in_one_line_and_quietly_none(tmp_path, restricted):
    (tmp_path / "clean").mkdir()
    told = synthesize(tmp_path, restricted)
    assert told.splitlines()[0] == f"terms of the weights small: {TERMS}"
    assert told.count(TERMS) == 1
    assert synthesize(tmp_path, restricted, "-q") == ""


def test_python_has_an_attribute_and_one_line_in_the_log(restricted, caplog):
    assert nmflowgan_cli.load(restricted, device="cpu").terms == TERMS
    noise = nmflowgan_cli.AddCameraNoise(restricted, camera="IP", iso=400)
    pickle.loads(pickle.dumps(noise))(CLEAN)
    assert noise.weights.terms == TERMS
    assert [record.getMessage() for record in caplog.records] == [f"terms of the weights small: {TERMS}"]


@pytest.mark.parametrize("terms", ["", "MIT", "mit", "CC0", "Apache-2.0"])
def test_terms_that_forbid_nothing_are_not_told(terms, tmp_path, caplog):
    notice.cache_clear()
    path = save_untrained(tmp_path / "free.safetensors", replace(HEADER, terms=terms))
    assert nmflowgan_cli.load(path, device="cpu").terms == terms
    assert not caplog.records


def test_weights_that_go_on_from_restricted_ones_stay_restricted():
    assert replace(HEADER, terms=f"MIT; {TERMS}").restricted


def test_the_simulator_is_as_free_as_the_code(caplog):
    assert nmflowgan_cli.load("isp", device="cpu").terms == "MIT"
    assert not caplog.records
