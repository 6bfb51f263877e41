"""The packaged weights `sidd-lite`: they load by name, and their noise is what it was when they were released.

After new weights: NMFLOWGAN_REGENERATE=1 pytest tests/test_sidd_lite.py
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import nmflowgan_cli
from nmflowgan_cli.imaging import read

GOLDEN = Path(__file__).parent / "data" / "sidd_lite.json"
PHOTO = Path(__file__).parents[1] / "photos" / "coffee.png"
CONDITIONS = [("IP", 800), ("S6", 3200)]


@pytest.fixture(scope="module")
def clean():
    return read(PHOTO).rgb[100:292, 150:406]


def statistics(clean, noisy):
    """Standard deviation, mean and lag-1 correlation of each channel, and red with green."""
    noise = noisy.astype(float) - clean
    pairs = [(noise[:, :-1, c].ravel(), noise[:, 1:, c].ravel()) for c in range(3)]
    return {
        "std": [noise[..., c].std() for c in range(3)],
        "mean": [noise[..., c].mean() for c in range(3)],
        "lag_1": [np.corrcoef(here, there)[0, 1] for here, there in pairs],
        "red_green": [np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]],
    }


def measured(clean, camera, iso):
    noisy = nmflowgan_cli.load("sidd-lite").synthesize(clean, camera=camera, iso=iso, seed=0)
    found = statistics(clean, noisy)
    return {name: [round(value, 4) for value in values] for name, values in found.items()}


def test_noise_is_what_it_was(clean):
    found = {f"{camera} {iso}": measured(clean, camera, iso) for camera, iso in CONDITIONS}
    if os.environ.get("NMFLOWGAN_REGENERATE"):
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    for condition, numbers in golden.items():
        for name, values in numbers.items():
            tolerance = {"rel": 0.005} if name == "std" else {"abs": 0.02 if name == "mean" else 0.003}
            assert found[condition][name] == pytest.approx(values, **tolerance), (condition, name)


def test_noise_is_that_of_the_phones():
    """Bounds from real SIDD pairs of many scenes; wide, for brightness and white balance differ."""
    clean = np.full((256, 256, 3), 70, np.uint8)
    low = statistics(clean, nmflowgan_cli.load("sidd-lite").synthesize(clean, camera="IP", iso=800, seed=1))
    high = statistics(clean, nmflowgan_cli.load("sidd-lite").synthesize(clean, camera="S6", iso=3200, seed=1))
    assert 4 < min(low["std"]) < max(low["std"]) < 18
    assert 20 < min(high["std"]) < max(high["std"]) < 50
    for found in (low, high):
        assert found["std"][1] == min(found["std"]), "green is the least noisy: it has twice the pixels"
        assert all(0.15 < value < 0.7 for value in found["lag_1"])
        assert found["lag_1"][1] == min(found["lag_1"]), "green is the least smooth"
