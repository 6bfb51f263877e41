"""`nmflowgan train DATA` as a process: real pairs alone and with simulated ones, and what is said of bad data."""

import json
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from PIL import Image

TINY = ["--flow-steps", "2", "--spatial-steps", "1", "--batch", "2"]


@pytest.fixture
def data(tmp_path):
    """A manifest of three pairs, 70 pixels wide."""
    values = np.random.default_rng(0).integers(0, 256, (70, 70, 3), dtype=np.uint8)
    (tmp_path / "pairs").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(values).save(tmp_path / "pairs" / name)
    rows = ["a.png,b.png,IP,800,desk,train", "a.png,b.png,X1,640,door,train", "a.png,b.png,IP,100,wall,val"]
    write(tmp_path, *rows)
    return tmp_path / "pairs"


def write(folder, *rows):
    (folder / "pairs" / "manifest.csv").write_text("\n".join(("clean,noisy,camera,iso,scene,split", *rows)))


def _train(*arguments):
    command = [sys.executable, "-m", "nmflowgan_cli", "train", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("simulated", [[], ["--simulate", "pairs", "--simulate-share", "0.5"]])
def test_real_pairs_end_in_weights_that_know_their_cameras(data, tmp_path, monkeypatch, simulated):
    monkeypatch.chdir(tmp_path)
    done = _train(data, *simulated, "-o", "run", *TINY)
    assert (done.returncode, done.stdout) == (0, "run/model.safetensors\n"), done.stderr
    info = [sys.executable, "-m", "nmflowgan_cli", "weights", "info", "run/model.safetensors", "--json"]
    header = json.loads(subprocess.run(info, capture_output=True, text=True, check=True).stdout)
    assert {"IP", "X1"} <= set(header["cameras"])
    assert (set(header["cameras"]) == {"IP", "X1"}) == (not simulated)


def test_a_new_camera_is_added_to_weights(data, tmp_path):
    """By its code or its full name, beside the cameras that the weights knew."""
    first = _train(data, "--camera", "IP", "-o", tmp_path / "first", "--terms", "MIT", *TINY)
    weights = first.stdout.strip()
    flags = ["--init", weights, "--rate", "0.3", "--camera", "X1", "--camera-name", "Fine X100", *TINY]
    done = _train(data, *flags, "-o", tmp_path / "second")
    assert done.returncode == 0, done.stderr
    info = [sys.executable, "-m", "nmflowgan_cli", "weights", "info", done.stdout.strip(), "--json"]
    header = json.loads(subprocess.run(info, capture_output=True, text=True, check=True).stdout)
    assert header["cameras"] == ["IP", "X1"]
    assert header["camera_names"] == {"IP": "Apple iPhone 7", "X1": "Fine X100"}
    assert (header["isos"], header["terms"], header["data"][0]) == ([800, 640], "MIT", "weights first")
    noisy = [sys.executable, "-m", "nmflowgan_cli", "synthesize", str(data / "a.png"), "--weights", done.stdout.strip()]
    made = [*noisy, "-c", "fine x100", "-i", "640", "-o", str(tmp_path / "noisy.png")]
    subprocess.run(made, capture_output=True, check=True)
    assert (tmp_path / "noisy.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--init", "nowhere.safetensors"], 4, "error: no such weights file: nowhere.safetensors"),
        (["--camera-name", "Fine X100"], 2, "names one camera, the data have IP, X1 (say which by --camera)"),
        (["--rate", "-1"], 2, "error: --rate -1.0 is no factor"),
    ],
)
def test_what_cannot_be_gone_on_from(data, tmp_path, arguments, code, message):
    done = _train(data, "-o", tmp_path / "run", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_dry_run_counts_the_patches(data, tmp_path):
    done = _train(data, "-o", tmp_path / "run", "--dry-run")
    printed = tomllib.loads(done.stdout)
    assert printed["patch"] == 64
    assert printed["patches"]["train"] == {"IP ISO 800": 4, "X1 ISO 640": 4, "all": 8}
    assert printed["patches"]["val"] == {"IP ISO 100": 4, "all": 4}
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("rows", "arguments", "message"),
    [
        (["a.png,c.png,IP,800,x,train"], [], "manifest.csv, line 2: "),
        (["a.png,b.png,IP,800,x,val"], [], "error: no train pairs of 1"),
        (["a.png,b.png,IP,800,x,val", "a.png,b.png,IP,800,x,train"], [], "error: scene x is in both splits"),
        (["a.png,b.png,IP,800,x,train"], ["--split", "nm-flowgan"], "error: b.png names no SIDD scene instance"),
        (["a.png,b.png,IP,800,x,train"], ["--preset", "paper"], "error: b.png is 70x70, smaller than a patch of 96"),
        (["a.png,b.png,IP,800,x,train"], ["--camera", "S6"], "error: camera 'S6' is unknown ("),
        (
            ["a.png,b.png,IP,800,x,train"],
            ["--simulate", "pairs", "--simulate-share", "1.5"],
            "error: --simulate-share 1.5",
        ),
    ],
)
def test_bad_data_are_told_in_one_line_before_anything_is_written(
    data, tmp_path, monkeypatch, rows, arguments, message
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, *rows)
    done = _train(data, "-o", "run", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_pictures_of_different_sizes_and_no_data_at_all(data, tmp_path):
    Image.new("RGB", (71, 70)).save(data / "b.png")
    done = _train(data, "-o", tmp_path / "run")
    assert (done.returncode, done.stdout) == (3, "")
    assert "differ in size: 70x70 and 71x70" in done.stderr
    done = _train("-o", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.startswith("error: nothing to train on (give paired data, or --simulate")
    assert not (tmp_path / "run").exists()
