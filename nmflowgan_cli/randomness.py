"""Random fields that depend on the picture alone.

A field is an infinite plane of random numbers, cut into blocks; each block has its own counter-based
generator (Philox), keyed by (seed, relative path, repeat) and the block's place. So any window of the
plane can be drawn at any time, in any order, by any worker, and holds the same numbers.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RANDOM_BLOCK = 128
"""Side of a block, pixels."""

Plane = NDArray[np.float32]
"""A window of a plane, or a block: (C, H, W)."""

CACHED_CHANNELS = 3 * 64
"""Channels of blocks that are kept for a plane, 64 KiB each."""
LEAST_CACHED = 16
"""Blocks that are kept of planes of many channels: those of a window and of its neighbour."""


class Draws(NamedTuple):
    """The random numbers of a picture: channels of its two planes, and numbers that hold for all of it."""

    latent: int = 3
    uniform: int = 3
    whole: int = 0


USUAL = Draws()
"""What most models want."""


def picture_key(seed: int, relative_path: str, repeat: int) -> int:
    """128 bits that name a picture's random fields. `relative_path` has forward slashes."""
    text = f"{seed}\0{relative_path}\0{repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def _block_generator(key: int, stream: int, row: int, column: int) -> np.random.Generator:
    """The generator of one block; rows and columns may be negative (two's complement in the counter)."""
    counter = np.array([0, stream, row, column], np.int64).astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def _window(block: Callable[[int, int], Plane], channels: int, top: int, left: int, height: int, width: int) -> Plane:
    """(channels, height, width) of the plane, put together from its blocks."""
    out = np.empty((channels, height, width), np.float32)
    if not channels:
        return out
    for row in range(top // RANDOM_BLOCK, (top + height - 1) // RANDOM_BLOCK + 1):
        for column in range(left // RANDOM_BLOCK, (left + width - 1) // RANDOM_BLOCK + 1):
            y, x = row * RANDOM_BLOCK, column * RANDOM_BLOCK
            y0, y1 = max(y, top), min(y + RANDOM_BLOCK, top + height)
            x0, x1 = max(x, left), min(x + RANDOM_BLOCK, left + width)
            out[:, y0 - top : y1 - top, x0 - left : x1 - left] = block(row, column)[:, y0 - y : y1 - y, x0 - x : x1 - x]
    return out


class PictureFields:
    """The random numbers of a picture: two planes, `latent` (standard normal) and `uniform` ([0, 1)), and `whole`.

    Windows may start at negative coordinates: the planes go on beyond the picture.
    """

    def __init__(self, key: int, draws: Draws = USUAL, cached_blocks: int | None = None) -> None:
        self._key, self._draws = key, draws
        self._normal_block = _cache(draws.latent, cached_blocks)(
            lambda row, column: _block_generator(key, 0, row, column).standard_normal(_shape(draws.latent), np.float32)
        )
        self._uniform_block = _cache(draws.uniform, cached_blocks)(
            lambda row, column: _block_generator(key, 1, row, column).random(_shape(draws.uniform), np.float32)
        )

    def latent(self, top: int, left: int, height: int, width: int) -> Plane:
        """Standard normal values, (channels, height, width) float32."""
        return _window(self._normal_block, self._draws.latent, top, left, height, width)

    def uniform(self, top: int, left: int, height: int, width: int) -> Plane:
        """Uniform values in [0, 1), (channels, height, width) float32."""
        return _window(self._uniform_block, self._draws.uniform, top, left, height, width)

    def whole(self) -> NDArray[np.float32]:
        """Standard normal values that hold for all of the picture, (whole,) float32."""
        return _block_generator(self._key, 2, 0, 0).standard_normal(self._draws.whole, np.float32)


def _shape(channels: int) -> tuple[int, int, int]:
    return channels, RANDOM_BLOCK, RANDOM_BLOCK


def _cache(channels: int, blocks: int | None) -> Callable[[Callable[[int, int], Plane]], Callable[[int, int], Plane]]:
    """A cache of so many blocks of a plane."""
    return lru_cache(max(CACHED_CHANNELS // max(channels, 1), LEAST_CACHED) if blocks is None else blocks)
