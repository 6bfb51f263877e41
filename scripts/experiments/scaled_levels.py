"""Noise level of models against real frames that were scaled down, by camera and ISO.

The frames' noise is `SCALED` times as strong as at native resolution, and has no spatial correlation left to compare.
Prints a Markdown table of made over real standard deviation (bins of the clean level, geometric mean of the pictures).

    python scripts/experiments/scaled_levels.py FRAMES.csv sidd-lite isp --split val
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from calibrate_levels import SCALED, log_ratio

from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.data.manifest import Split, read_pairs
from nmflowgan_cli.evaluation.candidates import candidates, open_weights
from nmflowgan_cli.evaluation.pair_scores import Candidate
from nmflowgan_cli.metrics.moments import noise_of
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.weights import find_weights


def ratios(model: Candidate, known: Vocabulary, frames: Path, split: Split) -> tuple[dict[Condition, list[float]], int]:
    """Made over real standard deviation of each picture of a known condition, and the number of the others."""
    found: dict[Condition, list[float]] = defaultdict(list)
    unknown = 0
    for pair in read_pairs(frames, split):
        if not known.knows(pair.condition):
            unknown += 1
            continue
        clean, noisy = pair.load()
        fake = noise_of(model.synthesize(clean, pair.condition, picture_key(0, pair.name, 0)).noisy, clean)
        found[pair.condition].append(float(np.exp(-log_ratio(clean, noise_of(noisy, clean), fake)) * SCALED))
    return found, unknown


def typical(values: list[float]) -> str:
    return f"{np.exp(np.nanmean(np.log(values))):.3f}" if values else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frames", type=Path)
    parser.add_argument("weights", nargs="+")
    parser.add_argument("--split", default="val", choices=("train", "val", "all"))
    arguments = parser.parse_args()
    found = [find_weights(name) for name in arguments.weights]
    models = candidates(arguments.weights, [], fit_note="", load=open_weights(None))
    columns = [
        ratios(model, weights.vocabulary, arguments.frames, arguments.split)
        for model, weights in zip(models, found, strict=True)
    ]
    conditions = sorted({condition for found, _ in columns for condition in found}, key=lambda c: (c.camera, c.iso))
    print(f"| condition | pictures | {' | '.join(arguments.weights)} |")
    print(f"|---|---|{'---|' * len(columns)}")
    for condition in conditions:
        pictures = max(len(found.get(condition, [])) for found, _ in columns)
        print(f"| {condition} | {pictures} | {' | '.join(typical(found.get(condition, [])) for found, _ in columns)} |")
    everything = [[value for values in found.values() for value in values] for found, _ in columns]
    print(f"| all | {max(map(len, everything))} | {' | '.join(map(typical, everything))} |")
    errors = [f"{np.nanmean(np.abs(np.log(values))):.3f}" for values in everything]
    print(f"| mean of abs(ln) | | {' | '.join(errors)} |")
    print(f"\nPictures of a camera and ISO that the weights do not know: {[unknown for _, unknown in columns]}")


if __name__ == "__main__":
    main()
