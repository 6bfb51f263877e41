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
CALM, WHITE_NOISE = 0.3, 0.55
"""Share of blocks, the calmest, in which the finest details are looked at, and the difference of their correlations at
two and at one pixel from which noise is white."""
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


def planes(side: int) -> FloatArray:
    """Orthonormal planes on a square, (side * side, 3)."""
    rows, columns = np.mgrid[:side, :side].reshape(2, -1).astype(float)
    return np.linalg.qr(np.stack([np.ones_like(rows), rows, columns], 1))[0]


def _without_plane(blocks: FloatArray) -> FloatArray:
    """What planes leave of (N, side, side, 3)."""
    basis, flat = planes(blocks.shape[1]), blocks.reshape(len(blocks), -1, CHANNELS)
    return (flat - basis @ (basis.T @ flat)).reshape(blocks.shape)


def _covariances(rest: FloatArray) -> FloatArray:
    """(N, 3, 3, shifts) of (N, side, side, 3)."""
    found, side = [], rest.shape[1]
    for down, right in SHIFTS:
        first = rest[:, : side - down, max(0, -right) : side - max(0, right)]
        second = rest[:, down:, max(0, right) : side + min(0, right)]
        shape = len(rest), -1, CHANNELS
        first, second = first.reshape(shape), second.reshape(shape)
        found.append(np.matmul(first.transpose(0, 2, 1), second) / first.shape[1])
    return np.stack(found, -1)


def blocks_of(noisy: Picture, clean: Picture | None = None, *, sampled: bool = False) -> Blocks:
    """Blocks of a noisy picture (H, W, 3) in counts, or of the noise over its clean partner of the same shape.

    `sampled`: the noise of neighbours is independent, so its variance is that of the finest details alone, which hold
    the least texture.
    """
    seen = _cut(noisy)
    under = np.zeros_like(seen) if clean is None else _cut(clean)
    scene = seen if clean is None else under
    means = scene.reshape(len(scene), 4, BLOCK // 4, 4, BLOCK // 4, CHANNELS).mean((2, 4))
    offset = np.full((len(seen), CHANNELS), np.nan) if clean is None else (seen - under).mean((1, 2))
    texture = _without_plane(means)[..., 1].std((1, 2))
    covariance = _covariances(_finest(seen - under) if sampled else _without_plane(seen - under))
    if sampled:
        covariance[..., 1:] = 0
    return Blocks(means.mean((1, 2)), offset, covariance, texture)


def _finest(blocks: FloatArray) -> FloatArray:
    """Second differences down and across; white noise keeps its variance. (N, S, S, 3) -> (N, S - 2, S - 2, 3)."""
    down = blocks[:, 2:] - 2 * blocks[:, 1:-1] + blocks[:, :-2]
    return (down[:, :, 2:] - 2 * down[:, :, 1:-1] + down[:, :, :-2]) / 6


def are_sampled(pictures: Sequence[Picture]) -> bool:
    """Whether the noise of neighbouring pixels is independent, by the correlation of the finest details.

    At one and two pixels that is -2/3 and 1/6 for white noise, and near -0.45 and -0.2 for demosaiced pictures.
    """
    return float(np.mean([_whiteness(_finest(_cut(picture))) for picture in pictures])) > WHITE_NOISE


def _whiteness(finest: FloatArray) -> float:
    variance = finest.var((1, 2)).mean(1)
    calm = finest[variance <= np.quantile(variance, CALM)]
    products = [(calm * calm)[:, :, :-2], calm[:, :, 1:] * calm[:, :, :-1], calm[:, :, 2:] * calm[:, :, :-2]]
    power, one, two = (product.mean((0, 1, 2)) for product in products)
    return float(((two - one) / np.maximum(power, LEAST_VARIANCE)).mean())


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
