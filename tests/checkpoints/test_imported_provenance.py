"""What the header of an imported checkpoint states: what is known of the file, and else what its maker says."""

import json
import subprocess
import sys

import pytest
import torch
from places import FIXTURES

from nmflowgan_cli.checkpoints import official
from nmflowgan_cli.checkpoints.build import described
from nmflowgan_cli.checkpoints.official import AUTHORS, UNKNOWN_DATA, VOCABULARY, import_official
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.files import sha256

OFFICIAL = FIXTURES / "official_small.pth"


def trained(header):
    return {camera: header.vocabulary.trained_isos(camera) for camera in header.vocabulary.cameras}


def test_a_file_that_nobody_knows_is_not_said_to_be_trained_on_sidd():
    _, header = import_official(OFFICIAL)
    assert header.data[0] == UNKNOWN_DATA
    assert sha256(OFFICIAL)[:16] in header.data[1]
    assert (header.terms, header.restricted) == ("not known", True)
    assert header.training["imported_sha256"] == sha256(OFFICIAL)
    assert {count for isos in header.vocabulary.trained.values() for count in isos.values()} == {1}
    assert "SIDD" not in json.dumps(header.to_json())


def test_the_authors_statement_is_for_files_on_record(monkeypatch):
    monkeypatch.setattr(official, "ON_RECORD", frozenset({sha256(OFFICIAL)}))
    _, header = import_official(OFFICIAL)
    assert (header.data, header.terms, header.vocabulary) == (AUTHORS["data"], AUTHORS["terms"], VOCABULARY)


def test_codes_whose_rows_are_still_zero_were_not_learnt(tmp_path):
    content = torch.load(OFFICIAL, weights_only=True)
    cameras, isos = VOCABULARY.cameras, VOCABULARY.isos
    untrained = [isos.index(iso) * len(cameras) + cameras.index(camera) for camera, iso in (("G4", 400), ("IP", 3200))]
    for tensor in content["model_weight"]["generator"].values():
        if tensor.shape == (len(isos) * len(cameras), 3):
            tensor[untrained] = 0
    torch.save(content, tmp_path / "some.pth")
    _, header = import_official(tmp_path / "some.pth")
    assert trained(header)["G4"] == [100, 800, 1600, 3200]
    assert trained(header)["IP"] == [100, 400, 800, 1600]
    assert trained(header)["S6"] == list(isos)


def test_what_the_maker_says_is_marked_as_such():
    _, header = import_official(OFFICIAL)
    told = described(header, name="mine", data="my pairs", terms="CC0", cameras="IP, pixel")
    assert told.name == "mine"
    assert told.data == ("as its maker says: my pairs", header.data[1])
    assert told.terms == "as its maker says: CC0"
    assert {camera for camera, known in trained(told).items() if known} == {"IP", "GP"}
    assert described(header) == header
    with pytest.raises(ConditionError, match="D800"):
        described(header, cameras="D800")


def test_the_command_and_its_information(tmp_path):
    weights = tmp_path / "x.safetensors"
    command = [sys.executable, "-m", "nmflowgan_cli", "weights"]
    said = ["--data", "my pairs", "--cameras", "IP", "--name", "mine"]
    done = subprocess.run(
        [*command, "import", str(OFFICIAL), "-o", str(weights), *said], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{weights}\n"
    shown = subprocess.run([*command, "info", str(weights)], capture_output=True, text=True, check=True).stdout
    assert "as its maker says: my pairs" in " ".join(shown.split())
    assert "imported from official_small.pth" in " ".join(shown.split())
    (line,) = [line for line in shown.splitlines() if "iPhone" in line]
    assert line.split() == ["IP", "Apple", "iPhone", "7", "100-3200", "100", "400", "800", "1600", "3200"]
    (other,) = [line for line in shown.splitlines() if "Google" in line]
    assert other.split() == ["GP", "Google", "Pixel", "-"]
