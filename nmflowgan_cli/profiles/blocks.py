"""Noise in blocks: levels, variances and correlations of 16x16 blocks, of pictures with or without a clean partner."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.metrics.moments import CHANNELS, FloatArray
from nmflowgan_cli.profiles.closed_form import BLOCK, SHIFTS

MOST_BLOCKS = 12_000
"""Blocks of one picture, evenly spread, that are looked at."""
CELL = 12.0
"""Side of a cell of colours, counts: blocks of one cell are taken together."""

Picture = NDArray[np.uint8] | FloatArray
BLACK, SATURATED = 1.0, 250.0
"""Mean counts at which a block no longer shows the noise of all channels."""
LEAST_BLOCKS = 12
"""Blocks that an estimate needs."""
LEAST_VARIANCE = 0.1
"""Counts squared; rounding alone gives 1/12."""


@dataclass
class Blocks:
    """Statistics of N blocks of one picture."""

    level: FloatArray
    """(N, 3) mean counts, of the clean picture where there is one."""
    offset: FloatArray
    """(N, 3) mean noise; NaN without a clean picture."""
    covariance: FloatArray
    """(N, 3, 3, shifts) covariance of the noise after its plane was taken away."""
    texture: FloatArray
    """(N,) standard deviation of the 4x4 means of green about their plane, of the clean picture if there is one."""

    def variance(self) -> FloatArray:
        """(N, 3) variance of the noise, at least `LEAST_VARIANCE`."""
        return self.covariance[..., 0].diagonal(axis1=1, axis2=2).clip(LEAST_VARIANCE)

    def __len__(self) -> int:
        return len(self.level)

    def chosen(self, index: NDArray[np.bool_]) -> "Blocks":
        """The blocks at `index`."""
        return Blocks(*(values[index] for values in vars(self).values()))


@dataclass
class Cells:
    """Blocks of like colours taken together."""

    picture: NDArray[np.int64]
    number: FloatArray
    """(K,) blocks."""
    level: FloatArray
    offset: FloatArray
    covariance: FloatArray


def _cut(picture: Picture) -> FloatArray:
    """(N, 16, 16, 3): an even choice of the blocks of (H, W, 3)."""
    rows, columns = (side // BLOCK for side in picture.shape[:2])
    blocks = picture[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, CHANNELS)
    index = np.unique(np.linspace(0, rows * columns - 1, min(rows * columns, MOST_BLOCKS)).astype(int))
    return blocks[index // columns, :, index % columns].astype(np.float64)


def _planes(side: int) -> FloatArray:
    """Orthonormal planes on a square, (side * side, 3)."""
    rows, columns = np.mgrid[:side, :side].reshape(2, -1).astype(float)
    return np.linalg.qr(np.stack([np.ones_like(rows), rows, columns], 1))[0]


def _without_plane(blocks: FloatArray) -> FloatArray:
    """What planes leave of (N, side, side, 3)."""
    basis, flat = _planes(blocks.shape[1]), blocks.reshape(len(blocks), -1, CHANNELS)
    return (flat - basis @ (basis.T @ flat)).reshape(blocks.shape)


def _covariances(rest: FloatArray) -> FloatArray:
    """(N, 3, 3, shifts) of (N, 16, 16, 3)."""
    found = []
    for down, right in SHIFTS:
        first = rest[:, : BLOCK - down, max(0, -right) : BLOCK - max(0, right)]
        second = rest[:, down:, max(0, right) : BLOCK + min(0, right)]
        shape = len(rest), -1, CHANNELS
        first, second = first.reshape(shape), second.reshape(shape)
        found.append(np.matmul(first.transpose(0, 2, 1), second) / first.shape[1])
    return np.stack(found, -1)


def blocks_of(noisy: Picture, clean: Picture | None = None) -> Blocks:
    """Blocks of a noisy picture (H, W, 3) in counts, or of the noise over its clean partner of the same shape."""
    seen = _cut(noisy)
    under = np.zeros_like(seen) if clean is None else _cut(clean)
    scene = seen if clean is None else under
    means = scene.reshape(len(scene), 4, BLOCK // 4, 4, BLOCK // 4, CHANNELS).mean((2, 4))
    offset = np.full((len(seen), CHANNELS), np.nan) if clean is None else (seen - under).mean((1, 2))
    texture = _without_plane(means)[..., 1].std((1, 2))
    return Blocks(means.mean((1, 2)), offset, _covariances(_without_plane(seen - under)), texture)


def cells_of(pictures: Sequence[Blocks]) -> Cells:
    """Blocks of each picture by cells of their mean colours."""
    parts: list[tuple[NDArray[Any], ...]] = []
    for number, blocks in enumerate(pictures):
        key, index = np.unique((blocks.level // CELL).astype(int), axis=0, return_inverse=True)
        count = np.bincount(index.ravel(), minlength=len(key)).astype(float)
        means = [_grouped(values, index.ravel(), count) for values in (blocks.level, blocks.offset, blocks.covariance)]
        parts.append((np.full(len(key), number), count, *means))
    return Cells(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def singly(blocks: Blocks, picture: int) -> Cells:
    """Each block as a cell of its own."""
    each = np.full(len(blocks), picture)
    return Cells(each, np.ones(len(blocks)), blocks.level, blocks.offset, blocks.covariance)


def _grouped(values: FloatArray, index: NDArray[np.int64], count: FloatArray) -> FloatArray:
    flat = values.reshape(len(values), -1)
    sums = np.zeros((len(count), flat.shape[1]))
    np.add.at(sums, index, flat)
    return (sums / count[:, None]).reshape(-1, *values.shape[1:])
