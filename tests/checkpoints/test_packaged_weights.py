"""The packaged weights: they load by name, and their noise is what it was when they were released.

After new weights: NMFLOWGAN_REGENERATE=1 pytest tests/test_packaged_weights.py
"""

import json
import os

import numpy as np
import pytest
from places import FIXTURES, ROOT

import nmflowgan_cli
from nmflowgan_cli.checkpoints import cards, hub
from nmflowgan_cli.checkpoints.format import read_header
from nmflowgan_cli.imaging import read

GOLDEN = FIXTURES / "packaged"
PHOTO = ROOT / "photos" / "coffee.png"
PACKAGED = {entry.name: entry for entry in hub.registry().entries if entry.url is None}
TOLERANCES = {"std": {"rel": 0.005}, "mean": {"abs": 0.02}, "lag_1": {"abs": 0.003}, "red_green": {"abs": 0.003}}


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


def measured(clean, name):
    """Rounded statistics of each camera at the middle one of its ISOs."""
    model, found = nmflowgan_cli.load(name, device="cpu"), {}
    for camera, isos in PACKAGED[name].cameras.items():
        iso = isos[len(isos) // 2]
        noisy = model.synthesize(clean, camera=camera, iso=iso, seed=0)
        told = statistics(clean, noisy)
        found[f"{camera} {iso}"] = {kind: [round(value, 4) for value in values] for kind, values in told.items()}
    return found


@pytest.mark.parametrize("name", PACKAGED)
def test_noise_is_what_it_was(name, clean):
    found, path = measured(clean, name), GOLDEN / f"{name}.json"
    if os.environ.get("NMFLOWGAN_REGENERATE"):
        path.write_text(json.dumps(found, indent=1) + "\n")
    golden = json.loads(path.read_text())
    assert found.keys() == golden.keys()
    for condition, numbers in golden.items():
        for kind, values in numbers.items():
            assert found[condition][kind] == pytest.approx(values, **TOLERANCES[kind]), (condition, kind)


@pytest.mark.parametrize("name", PACKAGED)
def test_registry_header_and_card_tell_the_same(name):
    entry = PACKAGED[name]
    file = hub.registry().folder / entry.file
    (listed,) = [
        each for each in json.loads((file.parent / "registry.json").read_text())["weights"] if each["name"] == name
    ]
    assert hub.entry_for(file) == listed
    text, header = hub.read_card(entry), read_header(file)
    assert all(f"`{camera}`" in text for camera in entry.cameras)
    assert header.terms
    assert ("license: other" in text) == header.restricted
    told = cards.sections(text)
    assert cards.paragraph(told[cards.SUMMARY])
    assert cards.command(told["Training"]).startswith("nmflowgan train ")
    assert cards.points(told["Data and terms"])
    assert cards.points(told["Limits"])
    figures = [line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert all((hub.registry().folder / "cards" / figure).is_file() for figure in figures)


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
