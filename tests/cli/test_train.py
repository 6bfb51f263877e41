"""`nmflowgan train` as a process: the files of a run, streams, exit codes, interruption."""

import json
import signal
import subprocess
import sys
import time
import tomllib

import numpy as np
import pytest
from PIL import Image

TINY = ["--flow-steps", "3", "--spatial-steps", "2", "--batch", "1"]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    values = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    Image.fromarray(values).save(folder / "a.png")
    return folder


def _command(*arguments):
    return [sys.executable, "-m", "nmflowgan_cli", "train", *map(str, arguments)]


def _train(*arguments):
    return subprocess.run(_command(*arguments), capture_output=True, text=True, timeout=120, check=False)


def test_a_run_ends_in_weights_that_the_other_commands_take(photos, tmp_path):
    run = tmp_path / "run"
    done = _train("--simulate", photos, "-o", run, "--terms", "CC0", *TINY)
    assert (done.returncode, done.stdout) == (0, f"{run / 'model.safetensors'}\n")
    assert "step 5/5" in done.stderr
    written = {"checkpoint.pt", "metrics.jsonl", "model.safetensors", "card.md", "best.safetensors", "grids"}
    assert {path.name for path in run.iterdir()} == written
    assert f"nmflowgan train --simulate {photos}" in (run / "card.md").read_text()
    info = [sys.executable, "-m", "nmflowgan_cli", "weights", "info", str(run / "model.safetensors"), "--json"]
    header = json.loads(subprocess.run(info, capture_output=True, text=True, check=True).stdout)
    assert (header["name"], header["terms"], header["architecture"]) == ("run", "CC0", "lite")

    again = _train("--simulate", photos, "-o", run, *TINY)
    assert again.returncode == 1
    assert again.stderr == f"error: {run} holds a training already (go on with --resume, or choose another --output)\n"


def test_dry_run_prints_the_recipe_and_writes_nothing(photos, tmp_path):
    done = _train("--simulate", photos, "-o", tmp_path / "run", "--dry-run", *TINY)
    recipe = tomllib.loads(done.stdout)
    assert (done.returncode, recipe["steps"], recipe["flow_until"]) == (0, 5, 3)
    assert not (tmp_path / "run").exists()
    paper = tomllib.loads(_train("--simulate", photos, "-o", tmp_path / "run", "--preset", "paper", "--dry-run").stdout)
    assert (paper["adversarial_loss"], paper["generator_every"], paper["patch"]) == ("wgan-gp", 5, 96)


def test_strategy_and_ablations_are_part_of_the_recipe(photos, tmp_path):
    flags = ["--strategy", "joint", "--ablate", "sdl", "--ablate", "sal", "--precision", "bfloat16", *TINY]
    values = tomllib.loads(_train("--simulate", photos, "-o", tmp_path / "run", "--dry-run", *flags).stdout)
    assert (values["strategy"], values["ablate"]) == ("joint", ["sdl", "sal"])
    assert values["precision"] == "bfloat16"
    assert (values["steps"], values["flow_until"], values["spatial_from"]) == (3, 3, 0)


def test_an_interruption_saves_and_the_rest_is_done_later(photos, tmp_path):
    run = tmp_path / "run"
    long = ["--simulate", photos, "-o", run, "--flow-steps", "100000", "--batch", "1"]
    process = subprocess.Popen(_command(*long), stderr=subprocess.PIPE, text=True)
    metrics = run / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert (run / "checkpoint.pt").exists()
    assert not (run / "model.safetensors").exists()
    resumed = _train(*long, "--resume", "--time-limit", "1s")
    assert (resumed.returncode, resumed.stdout) == (0, f"{run}\n")


def test_resume_where_nothing_was_saved_begins(photos, tmp_path):
    done = _train("--simulate", photos, "-o", tmp_path / "run", "--resume", *TINY)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'run' / 'model.safetensors'}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--simulate", "nowhere"], 2, "error: no pictures below nowhere (expected PNG"),
        (["--device", "cuda:99"], 2, "error: device 'cuda:99' is not there"),
        (["--time-limit", "soon"], 2, "error: --time-limit 'soon' is not a duration (for example 90s, 55m or 3h)"),
        (["--preset", "huge"], 2, "huge"),
        (["--batch", "0"], 2, "error: batch 0"),
        (["--ablate", "cl2"], 2, "cl2"),
        (["--validate-every", "0"], 2, "error: --validate-every 0"),
        (["--preset", "paper", "--flow-steps", "3"], 2, "--flow-steps"),
    ],
)
def test_mistakes_are_told_in_one_line(photos, tmp_path, arguments, code, message):
    done = _train("--simulate", photos, "-o", tmp_path / "run", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_that_cannot_be_written(photos, tmp_path):
    (tmp_path / "file").write_text("")
    done = _train("--simulate", photos, "-o", tmp_path / "file" / "run", *TINY)
    assert done.returncode == 1
    assert "error: cannot make the output folder" in done.stderr
    assert "Traceback" not in done.stderr
