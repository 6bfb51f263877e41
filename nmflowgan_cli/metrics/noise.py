"""Distances between synthetic and real noise.

Everything is in 8-bit counts: real noise is noisy - clean, synthetic noise is fake - clean, with the
fake rounded and clipped to uint8 (`nmflowgan_cli.metrics.moments.noise_of`). 0 is perfect in every metric.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nmflowgan_cli.metrics.moments import CHANNELS, FloatArray, IntegerArray, LevelMoments, checked_noise

PATCH = 96
REACH = 8
"""Largest shift of the spatial correlation, pixels each way."""
LEVEL_BIN = 8
LEAST_PIXELS = 500
CORRELATION_ROWS = 512
"""Rows that the spatial correlation takes at once: bounds its memory."""

DEFINITIONS = {
    "kld": "KL(real || fake) of the noise histograms of a patch, 3 channels pooled, 130 bins of width 4 from -260, "
    "p = (count + 1) / (N + 130), natural logarithm, fake rounded to uint8; mean over patches",
    "kld_official": "kld with the fake neither rounded nor clipped (as the code of arXiv 2312.10112 does)",
    "kld_fine": "kld with 521 bins of width 1 from -260.5",
    "self_floor": "kld between two halves of the real noise, interleaved in blocks of 2x2, each as large as a patch",
    "akld": "0.5 mean(ln(1/r) + r - 1), r = fake / real local variance clamped to [0.1, 10]; 7x7 Gaussian window of "
    "sigma 1.4, reflected, on [0, 1], floored at 1e-10; one draw a picture, mean over pictures",
    "akld_draws": "akld averaged over several draws a picture (akld_draws of the protocol)",
    "nll": "bits per value of the real noisy counts, mean over patches; Gaussian models: -log2 of the probability of "
    "the count under the rounded, clipped Gaussian, whose std is at least 0.29 counts; flows: -log2 of the density of "
    "counts + u, u uniform in [0, 1), an upper bound of the same; of the likeliest Bayer phase where a flow has one",
    "std_curve": "mean absolute difference of the noise std versus clean level in counts, per channel, "
    "in bins of 8 counts with >= 500 pixels",
    "mean_curve": "the same of the noise mean",
    "std_ratio": "std of the fake noise / std of the real noise, pixels and channels pooled",
    "spatial": "mean absolute difference of the Pearson correlation of the noise with itself shifted by up to 8 pixels "
    "each way, per channel",
    "lags": "that correlation at 1, 2, 3 pixels: mean of horizontal and vertical and of the channels",
    "channels": "Pearson correlation of the noise of red-green, red-blue and green-blue",
}
"""The definition of each number in one sentence; part of every report."""


@dataclass(frozen=True)
class Bins:
    """`number` histogram bins of one `width` from `first` on; the last edge belongs to the last bin."""

    first: float
    width: float
    number: int

    def histograms(self, rows: NDArray[np.number]) -> FloatArray:
        """Histogram of each row of (P, N) values, (P, number); values outside of all bins are in none."""
        index = np.floor((rows - self.first) / self.width).astype(np.int64)
        index[rows == self.first + self.width * self.number] -= 1
        inside = (index >= 0) & (index < self.number)
        index += np.arange(len(rows))[:, None] * self.number
        return np.bincount(index[inside], minlength=len(rows) * self.number).reshape(len(rows), -1).astype(np.float64)

    def smoothed(self, rows: NDArray[np.number]) -> FloatArray:
        """Probabilities (count + 1) / (N + number) of each row of (P, N) values: never zero."""
        return (self.histograms(rows) + 1.0) / (rows.shape[1] + self.number)


COARSE = Bins(-260.0, 4.0, 130)
"""The bins of Table I: width 4, zero is an edge."""

FINE = Bins(-260.5, 1.0, 521)
"""One bin a count."""


def kl_divergence(real: NDArray[np.number], fake: NDArray[np.number], bins: Bins = COARSE) -> FloatArray:
    """KL(real || fake) in nats of each row of two (P, N) arrays of noise in counts; (P,) float64."""
    if real.ndim != 2 or real.shape[0] != fake.shape[0]:
        raise ValueError(f"expected rows of noise, as many real as fake, not {real.shape} and {fake.shape}")
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise ValueError("noise holds NaN or infinity")
    p, q = bins.smoothed(real), bins.smoothed(fake)
    return (p * np.log(p / q)).sum(1)


def patch_rows(
    noise: NDArray[np.number], size: int = PATCH, step: int = PATCH, *, border: bool = False
) -> Iterator[NDArray[np.number]]:
    """The patches of (H, W, 3) noise, one row of patches after the other: each (P, size * size * 3).

    Patches start every `step` pixels. `border`: where they leave a margin, more that end at the border cover it.
    """
    if noise.ndim != CHANNELS or noise.shape[2] != CHANNELS:
        raise ValueError(f"noise must have the shape (H, W, 3), not {noise.shape}")
    if min(noise.shape[:2]) < size:
        raise ValueError(f"a picture of {noise.shape[1]}x{noise.shape[0]} is smaller than a patch of {size}x{size}")
    windows = sliding_window_view(noise, (size, size), axis=(0, 1))  # type: ignore[call-overload]
    tops, lefts = (_starts(last, step, border=border) for last in windows.shape[:2])
    for top in tops:
        yield windows[top, lefts].transpose(0, 2, 3, 1).reshape(len(lefts), -1)


def _starts(positions: int, step: int, *, border: bool) -> list[int]:
    """First pixels of patches among so many possible ones."""
    starts = list(range(0, positions, step))
    return starts + [positions - 1] * (border and starts[-1] != positions - 1)


def patch_kld(
    real: NDArray[np.number],
    fake: NDArray[np.number],
    *,
    size: int = PATCH,
    step: int = PATCH,
    bins: Bins = COARSE,
    border: bool = False,
) -> FloatArray:
    """KLD of each patch of one picture, (P,) float64, from (H, W, 3) real and fake noise in counts.

    Table I of Han & Yu, https://arxiv.org/abs/2312.10112, after Kousha et al., "Modeling sRGB Camera
    Noise with Normalizing Flows", 2022. Integer fake noise gives `kld` (or `kld_fine` with FINE bins);
    un-rounded float noise gives `kld_official`, which charges up to 0.012 for the missing rounding alone.
    Patches as of `patch_rows`, in the same order.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real and fake noise must be of one shape, not {real.shape} and {fake.shape}")
    rows = (patch_rows(noise, size, step, border=border) for noise in (real, fake))
    return np.concatenate([kl_divergence(of_real, of_fake, bins) for of_real, of_fake in zip(*rows, strict=True)])


def self_floor(real: IntegerArray, *, size: int = PATCH, bins: Bins = COARSE) -> FloatArray:
    """KLD between two halves of the same real noise, (P,) float64: no model can mean less.

    Areas of 2 patches side by side; 2x2 blocks (a Bayer cell) go to either half like the squares of a
    chessboard. So both halves have the content of the area and the number of pixels of one patch.
    Empty where the picture holds no such area.
    """
    noise = checked_noise(real)
    wide = noise if noise.shape[1] >= 2 * size else noise.transpose(1, 0, 2)
    if wide.shape[0] < size or wide.shape[1] < 2 * size:
        return np.empty(0)
    windows = sliding_window_view(wide, (size, 2 * size), axis=(0, 1))[::size, :: 2 * size]  # type: ignore[call-overload]
    areas = windows.transpose(0, 1, 3, 4, 2).reshape(-1, size, 2 * size, CHANNELS)
    black = (np.add.outer(np.arange(size) // 2, np.arange(2 * size) // 2) % 2).astype(bool)
    return kl_divergence(areas[:, black].reshape(len(areas), -1), areas[:, ~black].reshape(len(areas), -1), bins)


def _gaussian_blur(values: FloatArray) -> FloatArray:
    """7x7 Gaussian window of sigma 1.4 over the first two axes, reflected without repeating the edge."""
    taps = np.exp(-0.5 * (np.arange(-3, 4) / 1.4) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        margin = [(3, 3) if axis == other else (0, 0) for other in range(values.ndim)]
        values = sliding_window_view(np.pad(values, margin, mode="reflect"), 7, axis=axis) @ taps  # type: ignore[call-overload]
    return values


def local_variance(noise: IntegerArray) -> FloatArray:
    """The local mean square of (H, W, 3) noise in counts, on the scale of [0, 1], at least 1e-10; of that shape."""
    return _gaussian_blur((checked_noise(noise) / 255.0) ** 2).clip(1e-10)


def akld(real: FloatArray, fake: FloatArray) -> float:
    """Average KL divergence of local variances (of `local_variance`), one draw: mean over draws and pictures yourself.

    Yue et al., "Dual Adversarial Network", 2020, https://arxiv.org/abs/2007.05946. Both (H, W, 3).
    """
    ratio = (fake / real).clip(0.1, 10.0)
    return float(0.5 * np.mean(ratio - 1.0 - np.log(ratio)))


def level_curves(moments: LevelMoments) -> tuple[FloatArray, FloatArray]:
    """Mean and std of the noise versus clean level, each (..., 3, 32); NaN in bins of fewer than 500 pixels.

    The curves of Fig. 8 of Han & Yu, https://arxiv.org/abs/2312.10112.
    """
    count, mean, variance = moments.binned(LEVEL_BIN)
    few = count < LEAST_PIXELS
    mean[few], variance[few] = np.nan, np.nan
    return mean, np.sqrt(variance)


def mean_difference(real: FloatArray, fake: FloatArray, axes: int | None = None) -> FloatArray:
    """Mean absolute difference over the last `axes` axes (all of them), of what is known (not NaN); NaN for nothing."""
    difference = np.abs(real - fake)
    known = ~np.isnan(difference)
    over = None if axes is None else tuple(range(-axes, 0))
    number = np.asarray(known.sum(over))
    with np.errstate(invalid="ignore"):
        return np.where(known, difference, 0.0).sum(over) / np.where(number > 0, number, np.nan)


def _pearson(
    count: FloatArray, a: FloatArray, b: FloatArray, aa: FloatArray, bb: FloatArray, ab: FloatArray
) -> FloatArray:
    """Correlation from a count and the sums of a, b, a^2, b^2, ab; NaN where there is no variance."""
    spread = (count * aa - a * a) * (count * bb - b * b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (count * ab - a * b) / np.sqrt(spread), np.nan)


def _with_partner(values: FloatArray, reach: int, axis: int) -> FloatArray:
    """Sums along an axis over what has a partner -reach .. reach further on, which then index the axis."""
    size, shifts = values.shape[axis], np.arange(-reach, reach + 1)
    first = (-shifts).clip(0, size)
    last = np.maximum((size - shifts).clip(0, size), first)
    running = np.insert(values.cumsum(axis), 0, 0.0, axis)
    return running.take(last, axis) - running.take(first, axis)


class SpatialCorrelation:
    """Pearson correlation of noise with itself shifted by (dy, dx), |dy|, |dx| <= `reach`, pictures pooled.

    Fig. 3 of Han & Yu, https://arxiv.org/abs/2312.10112. The sums of products come from the fast Fourier
    transform and are rounded to the integers that they are, so pooling is exact.
    """

    def __init__(self, reach: int = REACH) -> None:
        self.reach = reach
        side = 2 * reach + 1
        self.sums = np.zeros((4, CHANNELS, side, side))
        """Over all pairs of pixels: count, first, first squared, product. Or a stack of them, (..., 4, 3, dy, dx)."""

    def add(self, noise: IntegerArray) -> None:
        """Take in one picture of (H, W, 3) signed integer noise in counts."""
        values = checked_noise(noise).astype(np.float64).transpose(2, 0, 1)
        for sums, field in zip(self.sums, (np.ones_like(values), values, values * values), strict=False):
            sums += _with_partner(_with_partner(field, self.reach, 1), self.reach, 2)
        for top in range(0, values.shape[1], CORRELATION_ROWS):
            self.sums[3] += self._products(values, top, min(top + CORRELATION_ROWS, values.shape[1]))

    def _products(self, values: FloatArray, top: int, bottom: int) -> FloatArray:
        """Sums of the products of two pixels, the first one in these rows, (3, dy, dx)."""
        start = max(top - self.reach, 0)
        around = values[:, start : bottom + self.reach]
        first = np.zeros_like(around)
        first[:, top - start : bottom - start] = values[:, top:bottom]
        shape = (around.shape[1] + self.reach, around.shape[2] + self.reach)
        product = np.fft.irfft2(np.fft.rfft2(first, shape).conj() * np.fft.rfft2(around, shape), shape)
        shifts = np.arange(-self.reach, self.reach + 1)
        return np.rint(product[:, shifts % shape[0]][:, :, shifts % shape[1]])

    def merge(self, other: "SpatialCorrelation") -> None:
        """Take in everything that `other` has seen."""
        self.sums += other.sums

    def map(self) -> FloatArray:
        """The correlation, (..., 3, 2 reach + 1, 2 reach + 1), channel, dy, dx; 1 in the middle."""
        count, first, square, product = np.moveaxis(self.sums, -4, 0)
        second, second_square = first[..., ::-1, ::-1], square[..., ::-1, ::-1]
        return _pearson(count, first, second, square, second_square, product)

    def lags(self, number: int = 3) -> FloatArray:
        """At 1, 2 .. `number` pixels: mean of horizontal and vertical and of the channels, (..., number)."""
        centre, steps = self.reach, np.arange(1, number + 1)
        correlation = self.map()
        return (correlation[..., centre, centre + steps] + correlation[..., centre + steps, centre]).mean(-2) / 2


class ChannelMoments:
    """Sums over pixels, pictures pooled: `count` (), `total` (3,) and `product` (3, 3); or stacks of such sums."""

    def __init__(self) -> None:
        self.count = np.zeros(())
        self.total = np.zeros(CHANNELS)
        self.product = np.zeros((CHANNELS, CHANNELS))

    def add(self, noise: IntegerArray) -> None:
        """Take in one picture of (H, W, 3) signed integer noise in counts."""
        rows = checked_noise(noise).reshape(-1, CHANNELS).astype(np.float64)
        self.count = self.count + len(rows)
        self.total += rows.sum(0)
        self.product += rows.T @ rows

    def merge(self, other: "ChannelMoments") -> None:
        """Take in everything that `other` has seen."""
        self.count = self.count + other.count
        self.total += other.total
        self.product += other.product

    def mean(self) -> float:
        """Mean of the noise, all channels pooled, in counts."""
        return float(self.total.sum() / (CHANNELS * self.count))

    def std(self) -> float:
        """Standard deviation of the noise, all channels pooled, in counts."""
        return float(self.deviations())

    def deviations(self) -> FloatArray:
        """`std` of every member of a stack."""
        values = CHANNELS * self.count
        squares = np.trace(self.product, axis1=-2, axis2=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(np.maximum(squares / values - (self.total.sum(-1) / values) ** 2, 0.0))

    def correlation(self) -> FloatArray:
        """Pearson correlation of red-green, red-blue and green-blue, (..., 3)."""
        i, j, square = np.array([0, 0, 1]), np.array([1, 2, 2]), np.diagonal(self.product, axis1=-2, axis2=-1)
        first, second, product = self.total[..., i], self.total[..., j], self.product[..., i, j]
        return _pearson(self.count[..., None], first, second, square[..., i], square[..., j], product)
