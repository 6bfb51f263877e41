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

BLOCK = 128
CHANNELS = 3

FloatArray = NDArray[np.float32]
Draw = Callable[[np.random.Generator], FloatArray]


def picture_key(seed: int, relative_path: str, repeat: int) -> int:
    """128 bits that name a picture's random fields. `relative_path` has forward slashes."""
    text = f"{seed}\0{relative_path}\0{repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def _block_generator(key: int, stream: int, row: int, column: int) -> np.random.Generator:
    """The generator of one block; rows and columns may be negative (two's complement in the counter)."""
    counter = np.array([0, stream, row, column], np.int64).astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def _window(block: Callable[[int, int], FloatArray], top: int, left: int, height: int, width: int) -> FloatArray:
    """(3, height, width) of the plane, put together from its blocks."""
    out = np.empty((CHANNELS, height, width), np.float32)
    for row in range(top // BLOCK, (top + height - 1) // BLOCK + 1):
        for column in range(left // BLOCK, (left + width - 1) // BLOCK + 1):
            y, x = row * BLOCK, column * BLOCK
            y0, y1 = max(y, top), min(y + BLOCK, top + height)
            x0, x1 = max(x, left), min(x + BLOCK, left + width)
            out[:, y0 - top : y1 - top, x0 - left : x1 - left] = block(row, column)[:, y0 - y : y1 - y, x0 - x : x1 - x]
    return out


class PictureFields:
    """The two random planes of a picture: `latent` (standard normal) and `uniform` ([0, 1)).

    Windows may start at negative coordinates: the planes go on beyond the picture.
    """

    def __init__(self, key: int, cached_blocks: int = 64) -> None:
        shape = (CHANNELS, BLOCK, BLOCK)
        self._normal_block = lru_cache(cached_blocks)(
            lambda row, column: _block_generator(key, 0, row, column).standard_normal(shape, np.float32)
        )
        self._uniform_block = lru_cache(cached_blocks)(
            lambda row, column: _block_generator(key, 1, row, column).random(shape, np.float32)
        )

    def latent(self, top: int, left: int, height: int, width: int) -> FloatArray:
        """Standard normal values, (3, height, width) float32."""
        return _window(self._normal_block, top, left, height, width)

    def uniform(self, top: int, left: int, height: int, width: int) -> FloatArray:
        """Uniform values in [0, 1), (3, height, width) float32."""
        return _window(self._uniform_block, top, left, height, width)
