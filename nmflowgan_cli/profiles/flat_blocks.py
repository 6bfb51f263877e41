"""Noise of a picture without a clean partner: what a plane through each block leaves, in the flattest blocks."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.profiles.closed_form import BLOCK

FREEDOM = BLOCK * BLOCK - 3
"""What a plane leaves of a block's degrees of freedom."""
GROUPS = 12
"""Groups of blocks by level, each of which gives its flattest."""
SHARE = 0.3
"""Share of each group that is taken for flat."""
DARKEST, BRIGHTEST = 1.0, 250.0
"""Mean levels in counts outside of which clipping hides noise."""

FloatArray = NDArray[np.floating]


class Blocks(NamedTuple):
    """A picture in R x C blocks; sides are cut to multiples of a block."""

    level: FloatArray
    """(R, C, 3) mean counts."""
    std: FloatArray
    """(R, C, 3) standard deviation about the plane, counts."""
    residual: FloatArray
    """(16 R, 16 C, 3) counts above the plane."""
    flat: NDArray[np.bool_]
    """(R, C) the flattest of blocks of like level."""


def blocks(noisy: NDArray[np.uint8]) -> Blocks:
    """The blocks of a picture, (H, W, 3) uint8 with sides from 16."""
    rows, columns = (side // BLOCK for side in noisy.shape[:2])
    cut = noisy[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3).astype(np.float32)
    level = cut.mean((1, 3))
    ramp = np.arange(BLOCK, dtype=np.float32) - (BLOCK - 1) / 2
    steepness = BLOCK * np.square(ramp).sum()
    down = np.einsum("ribjc,i->rbc", cut, ramp) / steepness
    across = np.einsum("ribjc,j->rbc", cut, ramp) / steepness
    plane = level[:, None, :, None] + down[:, None, :, None] * ramp[:, None, None, None]
    residual = cut - plane - across[:, None, :, None] * ramp[:, None]
    std = np.sqrt(np.square(residual).sum((1, 3)) / FREEDOM)
    return Blocks(level, std, residual.reshape(rows * BLOCK, columns * BLOCK, 3), _flattest(level, std))


def _flattest(level: FloatArray, std: FloatArray) -> NDArray[np.bool_]:
    """The blocks (R, C) of the lowest standard deviation among those of like level, clipped ones left out."""
    brightness, busyness = level.mean(2).ravel(), std.mean(2).ravel()
    whole = np.flatnonzero((level.min(2).ravel() > DARKEST) & (level.max(2).ravel() < BRIGHTEST))
    flat = np.zeros(brightness.size, bool)
    for group in np.array_split(whole[np.argsort(brightness[whole])], GROUPS):
        if group.size:
            flat[group] = busyness[group] <= np.quantile(busyness[group], SHARE)
    return flat.reshape(level.shape[:2])
