"""Reference models, denoisers and their table as processes: what a user types and reads."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from nmflowgan_cli.cli import app

ROWS = ("IP,400,desk,train", "GP,800,door,train", "IP,400,wall,val", "GP,800,yard,val")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pairs of two cameras, one of each held out."""
    folder, random = tmp_path_factory.mktemp("pairs"), np.random.default_rng(1)
    clean = np.rint(np.add.outer(np.linspace(40, 90, 48), np.linspace(0, 90, 56))[..., None] + [0, 9, 30])
    lines = ["clean,noisy,camera,iso,scene,split,noise"]
    for number, row in enumerate(ROWS):
        noisy = np.rint(clean + random.normal(0, 6, clean.shape)).clip(0, 255)
        for kind, picture in (("c", clean), ("n", noisy)):
            Image.fromarray(picture.astype(np.uint8)).save(folder / f"{kind}{number}.png")
        lines.append(f"c{number}.png,n{number}.png,{row},real")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


def nmflowgan(*arguments):
    command = [sys.executable, "-m", "nmflowgan_cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_reference_model_is_weights_like_any_other(data, tmp_path):
    run = tmp_path / "plain"
    done = nmflowgan("train", data, "--model", "heteroscedastic", "-o", run, "--terms", "MIT")
    assert (done.returncode, done.stderr) == (0, "")
    weights = Path(done.stdout.strip())
    assert {path.name for path in run.iterdir()} == {"model.safetensors", "card.md"}
    noisy = tmp_path / "noisy.png"
    made = nmflowgan("synthesize", data / "c0.png", "--weights", weights, "-c", "IP", "-i", 400, "-o", noisy)
    assert made.returncode == 0, made.stderr
    noise = np.asarray(Image.open(noisy)).astype(float) - np.asarray(Image.open(data / "c0.png"))
    assert noise.std() == pytest.approx(6, rel=0.1)


def test_a_denoiser_is_trained_and_judged_on_the_pairs_held_out(data, tmp_path):
    flags = ("--model", "dncnn", "--noise", "awgn", "--steps", 2, "--batch", 1)
    done = nmflowgan("train", data, *flags, "-o", tmp_path / "d")
    assert done.returncode == 0, done.stderr
    weights = done.stdout.strip()
    shots = tmp_path / "shots"
    page, table = tmp_path / "r.html", tmp_path / "t.csv"
    flags = ("--pictures", shots, "--report", page, "--csv", table, "--gallery", 1, "--json", "--quiet")
    judged = nmflowgan("evaluate", data, "--denoiser", weights, *flags)
    assert (judged.returncode, judged.stderr) == (0, "")
    found = json.loads(judged.stdout)
    assert found["data"] == {"pairs": str(data), "split": "val", "pictures": 2, "noise": "real noise (2 pairs)"}
    assert {"psnr", "ssim", "pgap"} == found["definitions"].keys()
    noisy, own = found["denoising"]
    assert (own["name"], own["noise"], own["steps"], own["pgap"]) == ("d", "awgn", 2, None)
    assert [picture["name"] for picture in own["pictures"]] == ["n2.png", "n3.png"]
    assert noisy["psnr"] == pytest.approx(20 * np.log10(255 / 6), abs=0.2)
    assert noisy["psnr"] == pytest.approx((noisy["cameras"]["IP"]["psnr"] + noisy["cameras"]["GP"]["psnr"]) / 2)
    assert sorted(path.name for path in shots.iterdir()) == ["n2.png", "n3.png"]
    text = page.read_text(encoding="utf-8")
    assert "Pictures are shown of 1 of 2 cameras and ISOs" in text
    assert text.count("<img") == 3 + 2
    assert [line.split(",")[5] for line in table.read_text().splitlines()[1:]] == ["n2.png", "n3.png", "", "", ""] * 2


@pytest.mark.slow
def test_a_table_trains_the_bound_and_the_models_and_goes_on_where_it_stopped(data, tmp_path):
    runs = tmp_path / "runs"
    flags = ("-m", "awgn", "--denoising-table", "--budget", "1s", "--runs", runs)
    done = nmflowgan("evaluate", data, *flags)
    assert done.returncode == 0, done.stderr
    assert "training the denoiser of real" in done.stderr
    assert {path.name for path in runs.iterdir()} == {"plan.json", "real", "awgn"}
    (runs / "awgn" / "model.safetensors").unlink()
    again = nmflowgan("evaluate", data, *flags)
    assert "training the denoiser of real" not in again.stderr
    assert "training the denoiser of awgn" in again.stderr
    assert again.stdout == done.stdout
    for row in ("noisy", "real", "awgn", "PGap"):
        assert row in done.stdout
    other = nmflowgan("evaluate", data, *flags, "--budget", "2s")
    assert (other.returncode, other.stdout) == (1, "")
    assert "holds a table of 1 seconds a training, not 2" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("train", "{data}", "-o", "x", "--model", "awgn", "--flow-steps", "3"), 2, "--arch awgn has no --flow-steps"),
        (("train", "{data}", "-o", "x", "--model", "dncnn", "--init", "a"), 2, "--arch dncnn has no --init"),
        (("train", "{data}", "-o", "x", "--noise", "awgn"), 2, "--arch nmflowgan has no --noise"),
        (("train", "{data}", "-o", "x", "--model", "dncnn", "--noise", "gone.safetensors"), 4, "gone.safetensors"),
        (("evaluate", "{data}"), 2, "no model to evaluate"),
        (
            ("evaluate", "{data}", "-m", "awgn", "--budget", "3m"),
            2,
            "without --denoiser and --denoising-table has no --budget",
        ),
        (("evaluate", "{data}", "--denoiser", "a", "--cells"), 2, "an evaluation of denoisers has no --cells"),
        (("evaluate", "{data}", "--denoiser", "gone.safetensors"), 4, "gone.safetensors"),
        (("evaluate", "{data}", "--denoiser", "a", "-m", "awgn"), 2, "-m names noise models"),
        (("evaluate", "{data}", "--denoising-table", "-m", "awgn"), 2, "give --output and a folder"),
        (
            ("evaluate", "{data}", "--denoising-table", "-m", "awgn", "--runs", "{data}/x", "--budget", "long"),
            2,
            "--budget 'long' is not a duration",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(data, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [argument.format(data=data) for argument in arguments])
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_several_processes_do_not_share_a_denoiser(data, tmp_path, monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "x"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["train", str(data), "--model", "dncnn", "-o", str(tmp_path / "x")])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "learns in one process" in done.stderr
