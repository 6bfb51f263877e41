"""Streaming moments of integer noise: exact sums, so that order and batches change nothing."""

import numpy as np
from numpy.typing import NDArray

GREY_LEVELS = 256
"""Number of counts of a channel, 0 to 255."""
CHANNELS = 3

IntegerArray = NDArray[np.integer]
FloatArray = NDArray[np.float64]


def checked_noise(noise: IntegerArray) -> IntegerArray:
    """`noise` itself; ValueError unless it is (H, W, 3), integer, within [-255, 255] counts."""
    if noise.ndim != CHANNELS or noise.shape[2] != CHANNELS or noise.size == 0:
        raise ValueError(f"noise must have the shape (H, W, 3), not {noise.shape}")
    if not np.issubdtype(noise.dtype, np.signedinteger):
        raise ValueError(f"noise must be signed integer counts, not {noise.dtype}")
    if int(noise.min()) < -255 or int(noise.max()) > 255:
        raise ValueError(f"noise must lie within -255 and 255 counts, not {noise.min()} to {noise.max()}")
    return noise


def noise_of(noisy: NDArray[np.uint8], clean: NDArray[np.uint8]) -> NDArray[np.int16]:
    """noisy - clean, (H, W, 3) int16 counts; ValueError unless both are uint8 pictures of one shape."""
    if noisy.dtype != np.uint8 or clean.dtype != np.uint8:
        raise ValueError(f"pictures must be uint8, not {noisy.dtype} and {clean.dtype}")
    if noisy.shape != clean.shape:
        raise ValueError(f"pictures must be of one shape, not {noisy.shape} and {clean.shape}")
    noise = noisy.astype(np.int16) - clean
    checked_noise(noise)
    return noise


class LevelMoments:
    """Count, sum and sum of squares of noise for each channel and each level of the clean picture.

    `count`, `total`, `square` are (3, 256) float64, exact up to 2**53; or stacks of such sums, (..., 3, 256).
    """

    def __init__(self) -> None:
        self.count, self.total, self.square = np.zeros((3, CHANNELS, GREY_LEVELS))

    def add(self, clean: NDArray[np.uint8], noise: IntegerArray) -> None:
        """Take in one picture: `clean` (H, W, 3) uint8, `noise` (H, W, 3) signed integer counts."""
        values = checked_noise(noise).astype(np.float64)
        if clean.dtype != np.uint8 or clean.shape != noise.shape:
            raise ValueError(f"the clean picture must be uint8 of {noise.shape}, not {clean.dtype} of {clean.shape}")
        for channel in range(CHANNELS):
            level, value = clean[..., channel].ravel(), values[..., channel].ravel()
            self.count[channel] += np.bincount(level, minlength=GREY_LEVELS)
            self.total[channel] += np.bincount(level, value, GREY_LEVELS)
            self.square[channel] += np.bincount(level, value * value, GREY_LEVELS)

    def merge(self, other: "LevelMoments") -> None:
        """Take in everything that `other` has seen."""
        self.count += other.count
        self.total += other.total
        self.square += other.square

    def binned(self, width: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Count, mean and variance (population, about the bin's own mean) in bins of `width` levels.

        Each (..., 3, 256 / width) float64; mean and variance are NaN where the count is 0.
        """
        count, total, square = (
            sums.reshape(*sums.shape[:-1], -1, width).sum(-1) for sums in (self.count, self.total, self.square)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / count
            return count, mean, np.maximum(square / count - mean * mean, 0.0)
