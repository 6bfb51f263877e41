"""`nmflowgan train` on SIDD as it is downloaded: its folders and names, to the last file of the run."""

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from places import SHARED

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.data.sidd import read_sidd
from nmflowgan_cli.models.base import encode
from nmflowgan_cli.models.flow import likelihood

NATIVE = SHARED / "data" / "sidd" / "native"
GENERATED = {"0004_001_S6_00100_00060_4400_L": 2.0, "0027_001_G4_00800_00350_5500_L": 9.0}
"""Scene instances that train, and the standard deviation of their generated noise in counts."""
HELD_OUT = "0079_004_G4_00800_00160_3200_N"
WRITTEN = {"checkpoint.pt", "metrics.jsonl", "model.safetensors", "card.md", "best.safetensors", "grids"}


def place(root, instance):
    """The folder of an instance, and the paths of its pair."""
    folder = root / "Data" / instance
    folder.mkdir(parents=True)
    return [folder / f"{instance[:4]}_{kind}_SRGB_010.PNG" for kind in ("GT", "NOISY")]


def generated(root):
    """Smooth pictures with Gaussian noise, 128 pixels wide."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(40, 200, 128)
    clean = np.stack([np.add.outer(ramp, ramp[::-1]) / 2] * 3, 2).round()
    for instance, deviation in {**GENERATED, HELD_OUT: 4.0}.items():
        noisy = rng.normal(clean, deviation).round().clip(0, 255)
        for path, picture in zip(place(root, instance), (clean, noisy), strict=True):
            Image.fromarray(picture.astype(np.uint8)).save(path)


def real(root):
    """A pair of each scene instance that there is, under its own name."""
    if not (NATIVE / "manifest.csv").is_file():
        pytest.skip(f"no SIDD pictures in {NATIVE}")
    with (NATIVE / "manifest.csv").open() as lines:
        pairs = {row["scene"]: row for row in csv.DictReader(lines)}
    for instance, row in pairs.items():
        for path, kind in zip(place(root, instance), ("clean", "noisy"), strict=True):
            shutil.copy(NATIVE / row[kind], path)


def train(data, run, flow_steps, held_out="004"):
    sizes = ["--flow-steps", flow_steps, "--spatial-steps", 1, "--batch", 4]
    command = ["train", data, "-o", run, "--split", held_out, *sizes]
    done = subprocess.run(
        [sys.executable, "-m", "nmflowgan_cli", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stdout) == (0, f"{run / 'model.safetensors'}\n"), done.stderr
    assert {path.name for path in run.iterdir()} == WRITTEN
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_sidd_folders_end_in_weights(tmp_path):
    generated(tmp_path / "SIDD")
    metrics = train(tmp_path / "SIDD", tmp_path / "run", 4)
    assert metrics[-1]["step"] == 5
    assert np.isfinite(metrics[-1]["val_kld"])
    card = (tmp_path / "run" / "card.md").read_text()
    assert "2 real pairs of SIDD" in card


def nll(weights, data):
    """-ln p in nats a value, the mean over the upper left corners of the pairs that the weights know."""
    model = load_model(weights)
    trained = model.vocabulary.trained
    known = [pair for pair in read_sidd(data) if pair.condition.iso in trained.get(pair.condition.camera, {})]
    clean, noisy = (
        torch.from_numpy(np.stack([picture[:64, :64] for picture in pictures])).permute(0, 3, 1, 2).float()
        for pictures in zip(*(pair.load() for pair in known), strict=True)
    )
    code = encode(model.vocabulary, [pair.condition for pair in known])
    given = model.given(clean, code, torch.zeros(len(known), dtype=torch.long))
    with torch.no_grad():
        return likelihood(model.flow, noisy, given, 0.5)[0].mean().item() / clean[0].numel()


@pytest.mark.slow
@pytest.mark.parametrize(("pictures", "held_out"), [(generated, "004"), (real, "002,006")])
def test_two_hundred_steps_lower_the_nll(tmp_path, pictures, held_out):
    pictures(tmp_path / "SIDD")
    losses = []
    for steps in (1, 200):
        metrics = train(tmp_path / "SIDD", tmp_path / str(steps), steps, held_out)
        assert all(np.isfinite(line["nll"]) for line in metrics if "nll" in line)
        losses.append(nll(tmp_path / str(steps) / "model.safetensors", tmp_path / "SIDD"))
    assert losses[1] < losses[0] - 0.1
