"""Random fields that depend on the picture alone.

A field is an infinite plane of random numbers, cut into blocks; each block has its own counter-based
generator (Philox), keyed by (seed, relative path, repeat) and the block's place. So any window of the
plane can be drawn at any time, in any order, by any worker, and holds the same numbers.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RANDOM_BLOCK = 128
"""Side of a block, pixels."""

Plane = NDArray[np.float32]
"""A window of a plane, or a block: (3, H, W)."""


def picture_key(seed: int, relative_path: str, repeat: int) -> int:
    """128 bits that name a picture's random fields. `relative_path` has forward slashes."""
    text = f"{seed}\0{relative_path}\0{repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def _block_generator(key: int, stream: int, row: int, column: int) -> np.random.Generator:
    """The generator of one block; rows and columns may be negative (two's complement in the counter)."""
    counter = np.array([0, stream, row, column], np.int64).astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def _window(block: Callable[[int, int], Plane], top: int, left: int, height: int, width: int) -> Plane:
    """(3, height, width) of the plane, put together from its blocks."""
    out = np.empty((3, height, width), np.float32)
    for row in range(top // RANDOM_BLOCK, (top + height - 1) // RANDOM_BLOCK + 1):
        for column in range(left // RANDOM_BLOCK, (left + width - 1) // RANDOM_BLOCK + 1):
            y, x = row * RANDOM_BLOCK, column * RANDOM_BLOCK
            y0, y1 = max(y, top), min(y + RANDOM_BLOCK, top + height)
            x0, x1 = max(x, left), min(x + RANDOM_BLOCK, left + width)
            out[:, y0 - top : y1 - top, x0 - left : x1 - left] = block(row, column)[:, y0 - y : y1 - y, x0 - x : x1 - x]
    return out


class PictureFields:
    """The two random planes of a picture: `latent` (standard normal) and `uniform` ([0, 1)).

    Windows may start at negative coordinates: the planes go on beyond the picture.
    """

    def __init__(self, key: int, cached_blocks: int = 64) -> None:
        shape = (3, RANDOM_BLOCK, RANDOM_BLOCK)
        self._normal_block = lru_cache(cached_blocks)(
            lambda row, column: _block_generator(key, 0, row, column).standard_normal(shape, np.float32)
        )
        self._uniform_block = lru_cache(cached_blocks)(
            lambda row, column: _block_generator(key, 1, row, column).random(shape, np.float32)
        )

    def latent(self, top: int, left: int, height: int, width: int) -> Plane:
        """Standard normal values, (3, height, width) float32."""
        return _window(self._normal_block, top, left, height, width)

    def uniform(self, top: int, left: int, height: int, width: int) -> Plane:
        """Uniform values in [0, 1), (3, height, width) float32."""
        return _window(self._uniform_block, top, left, height, width)
