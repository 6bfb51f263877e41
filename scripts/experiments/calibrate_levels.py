"""Correct the noise level of the simulator's camera profiles at each ISO by all real pairs of it.

Runs after calibrate_isp.py, which needs crops at native resolution and has few at low ISOs. Here whole frames that were
scaled down serve, too: their noise is `SCALED` times as strong and has no spatial correlation, so they calibrate the
level alone. Per (camera, ISO): the noise of every picture is simulated, the ratio of standard deviations taken
over bins of the clean level, and shot and read variance are multiplied by the square of the pictures' geometric mean.
One picture's worth of doubt draws it to 1. Only the train split of each manifest is used.

    python scripts/experiments/calibrate_levels.py camera_profiles.json NATIVE.csv --frames FRAMES.csv
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.data.profiles import read_profiles
from nmflowgan_cli.metrics.moments import noise_of
from nmflowgan_cli.models.isp import ISPNoise
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.engine import synthesize

SCALED = 0.82
"""How strong noise still is in SIDD's frames of 256x256: each pixel is a bilinear sample of at most four."""
DOUBT = 1.0
"""Pictures that would have to disagree to leave a level as it is."""
BIN = 16
"""Counts of the clean level."""
SMALLEST_BIN = 600
DRAWS = 3
"""Of the noise of a picture: each has its own white balance."""
ADDED = {"GP": {50: 100}}
"""ISOs that the frames show and the profiles lack, and the ISO that they start from: shot noise grows as the ISO, read
noise as its square."""


def log_ratio(clean: NDArray[np.uint8], real: NDArray[np.int16], fake: NDArray[np.int16]) -> float:
    """ln of the standard deviation, real to fake, over bins of the clean level; NaN where none is full enough."""
    ratios, weights = [], []
    for channel in range(3):
        level = clean[..., channel] // BIN
        for index in np.flatnonzero(np.bincount(level.ravel()) >= SMALLEST_BIN):
            inside = level == index
            deviations = [noise[..., channel][inside].std() for noise in (real, fake)]
            if min(deviations) > 0:
                ratios.append(np.log(deviations[0] / deviations[1]))
                weights.append(inside.sum())
    return float(np.average(ratios, weights=weights)) if ratios else float("nan")


def of_pair(model: ISPNoise, pair: Pair, scaled: float) -> float:
    """The mean over draws."""
    clean, noisy = pair.load()
    real = noise_of(noisy, clean)
    fakes = [synthesize(model, clean, pair.condition, picture_key(0, pair.name, draw)) for draw in range(DRAWS)]
    return float(np.mean([log_ratio(clean, real, noise_of(fake, clean)) for fake in fakes])) - float(np.log(scaled))


def corrected(profiles: dict[str, Any], found: dict[Condition, list[float]]) -> None:
    """Multiply the noise of each cell in `profiles`, and print by how much."""
    for condition, ratios in sorted(found.items(), key=lambda item: str(item[0])):
        known = [ratio for ratio in ratios if np.isfinite(ratio)]
        factor = float(np.exp(sum(known) / (len(known) + DOUBT)))
        noise = profiles[condition.camera]["noise"]
        noise[str(condition.iso)] = [float(f"{value * factor**2:.4g}") for value in noise[str(condition.iso)]]
        print(
            f"{condition}: {len(known)} pictures, real / simulated {np.exp(np.mean(known)):.3f}, level x {factor:.3f}"
        )


def add_isos(profiles: dict[str, Any]) -> None:
    for camera, isos in ADDED.items():
        noise = profiles[camera]["noise"]
        for iso, start in isos.items():
            shot, read = noise[str(start)]
            noise.setdefault(str(iso), [shot * iso / start, read * (iso / start) ** 2])
        profiles[camera]["noise"] = dict(sorted(noise.items(), key=lambda item: int(item[0])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", type=Path)
    parser.add_argument("native", type=Path)
    parser.add_argument("--frames", type=Path, required=True)
    arguments = parser.parse_args()
    document = json.loads(arguments.profiles.read_text(encoding="utf-8"))
    add_isos(document["cameras"])
    model = ISPNoise(read_profiles(document))
    found: dict[Condition, list[float]] = defaultdict(list)
    for manifest, scaled in ((arguments.native, 1.0), (arguments.frames, SCALED)):
        for pair in read_pairs(manifest, "train"):
            if str(pair.condition.iso) in document["cameras"][pair.condition.camera]["noise"]:
                found[pair.condition].append(of_pair(model, pair, scaled))
    corrected(document["cameras"], found)
    pictures = sum(map(len, found.values()))
    document["source"] += (
        f" Levels corrected by scripts/experiments/calibrate_levels.py to {pictures} real pictures (train splits)."
    )
    arguments.profiles.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
