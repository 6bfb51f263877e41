"""Linear regression of a camera's noise level on the clean picture's texture, over blocks of 16 pixels.

Explains ln(std) of the green noise of a block by (camera, ISO), by its level, and by the features of
`models/texture.py`; fitted on the train split of pairs that cameras rendered themselves. Prints a Markdown
table of the residual's root mean square, and of its mean and standard deviation on each validation picture.

    python scripts/experiments/texture_of_noise.py MANIFEST.csv
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.metrics.moments import noise_of
from nmflowgan_cli.models.flow import LEVELS
from nmflowgan_cli.models.texture import texture

BLOCK = 16
KINDS = ("camera and ISO", "level", "texture")
FAINTEST = 0.05
"""Squared counts."""

Matrix = NDArray[np.float64]


def of_blocks(picture: NDArray[Any]) -> Matrix:
    """(H, W) -> the mean of each whole block, in a row."""
    height, width = (side // BLOCK for side in picture.shape)
    whole = picture[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width, BLOCK)
    return whole.mean((1, 3)).ravel().astype(np.float64)


def features(pair: Pair, cameras: Sequence[str]) -> tuple[dict[str, Matrix], Matrix]:
    """The features of each kind, (blocks, number), and ln(std) of the noise, (blocks,)."""
    clean, noisy = pair.load()
    level = of_blocks(clean.mean(2)) / 255
    flow_domain = torch.from_numpy(clean.transpose(2, 0, 1).astype(np.float32))[None] / LEVELS
    textures = [of_blocks(feature.numpy()) for feature in texture(flow_domain)[0]]
    code = [np.full_like(level, pair.condition.camera == camera) for camera in cameras]
    kinds = {
        "camera and ISO": [*code, np.full_like(level, np.log2(pair.condition.iso / 100))],
        "level": [level, level**2, np.log(level + 1 / 32)],
        "texture": [*textures, *(feature**2 for feature in textures), textures[0] * level],
    }
    deviation = np.log(of_blocks(noise_of(noisy, clean)[..., 1].astype(np.float64) ** 2) + FAINTEST) / 2
    return {kind: np.stack(columns, 1) for kind, columns in kinds.items()}, deviation


def design(found: dict[str, Matrix], kinds: Sequence[str]) -> Matrix:
    columns = [found[kind] for kind in kinds]
    return np.concatenate([*columns, np.ones((len(columns[0]), 1))], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    arguments = parser.parse_args()
    train, val = (read_pairs(arguments.manifest, split) for split in ("train", "val"))
    cameras = sorted({pair.condition.camera for pair in train})
    known, unseen = ([features(pair, cameras) for pair in pairs] for pairs in (train, val))
    print(f"| explained by | train, rms | {' | '.join(f'{pair.scene}, mean and std' for pair in val)} |")
    print(f"|---|---|{'---|' * len(val)}")
    for number in range(1, len(KINDS) + 1):
        kinds = KINDS[:number]
        inputs = np.concatenate([design(found, kinds) for found, _ in known])
        target = np.concatenate([deviation for _, deviation in known])
        weights = np.linalg.lstsq(inputs, target, rcond=None)[0]
        rms = np.sqrt(np.mean((target - inputs @ weights) ** 2))
        errors = [deviation - design(found, kinds) @ weights for found, deviation in unseen]
        of_pictures = " | ".join(f"{error.mean():+.2f}, {error.std():.2f}" for error in errors)
        print(f"| {' + '.join(kinds)} | {rms:.3f} | {of_pictures} |")


if __name__ == "__main__":
    main()
