"""PSNR and SSIM of 8-bit RGB pictures, as scikit-image defines them; in bounded memory.

SSIM: Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004;
a square window of 7 pixels and sample covariances are the defaults of `skimage.metrics.structural_similarity`
(https://scikit-image.org/docs/stable/api/skimage.metrics.html), which the papers of the field use.
"""

import math

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.errors import PictureError

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

PEAK = 255.0
WINDOW = 7
STRIP = 128
"""Rows of windows at a time: what SSIM keeps in memory does not grow with the picture's height."""
STABILISERS = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2

DEFINITIONS = {
    "psnr": "10 log10(255^2 / mean squared error) in dB, over all pixels and channels of a picture",
    "ssim": "structural similarity, 7x7 windows, sample covariance, range 255, mean of the channels "
    "(scikit-image's defaults)",
    "pgap": "PSNR of the denoiser trained on real noise minus that of this one, in dB; mean over the same pictures",
}


def psnr(clean: Bytes, other: Bytes) -> float:
    """Peak signal-to-noise ratio in dB of (H, W, 3) uint8 pictures; infinite for equal ones."""
    _refuse_difference(clean, other)
    squares = sum(
        int(np.square(clean[top : top + STRIP].astype(np.int64) - other[top : top + STRIP]).sum())
        for top in range(0, len(clean), STRIP)
    )
    return 10 * math.log10(PEAK**2 * clean.size / squares) if squares else math.inf


def ssim(clean: Bytes, other: Bytes) -> float:
    """Structural similarity of (H, W, 3) uint8 pictures, at most 1; PictureError where a side is below 7 pixels."""
    _refuse_difference(clean, other)
    height, width, channels = clean.shape
    if min(height, width) < WINDOW:
        raise PictureError(f"SSIM of {width}x{height} pixels", f"a picture has at least {WINDOW}x{WINDOW}")
    windows = height - WINDOW + 1
    total = 0.0
    for top in range(0, windows, STRIP):
        rows = slice(top, min(top + STRIP, windows) + WINDOW - 1)
        total += sum(_similarity(clean[rows, :, c], other[rows, :, c]) for c in range(channels))
    return total / (windows * (width - WINDOW + 1) * channels)


def _similarity(clean: Bytes, other: Bytes) -> float:
    """The sum over all whole windows of (H, W) uint8. Sums of integers are exact, so strips change nothing."""
    x, y = clean.astype(np.int64), other.astype(np.int64)
    number = WINDOW**2
    mean_x, mean_y = _window_sums(x) / number, _window_sums(y) / number
    sample = number / (number - 1)
    variance_x = sample * (_window_sums(x * x) / number - mean_x**2)
    variance_y = sample * (_window_sums(y * y) / number - mean_y**2)
    covariance = sample * (_window_sums(x * y) / number - mean_x * mean_y)
    small, large = STABILISERS
    luminance = (2 * mean_x * mean_y + small) / (mean_x**2 + mean_y**2 + small)
    return float((luminance * (2 * covariance + large) / (variance_x + variance_y + large)).sum())


def _window_sums(values: Integers) -> Integers:
    """The sum in every whole window of (H, W), (H - 6, W - 6)."""
    for axis in (0, 1):
        running = np.cumsum(values, axis)
        before = np.concatenate([np.zeros_like(running.take([0], axis)), running], axis)
        last = before.shape[axis]
        values = before.take(range(WINDOW, last), axis) - before.take(range(last - WINDOW), axis)
    return values


def _refuse_difference(clean: Bytes, other: Bytes) -> None:
    if clean.shape != other.shape:
        raise PictureError(f"pictures of {clean.shape} and {other.shape} cannot be compared", "of one size they can")
