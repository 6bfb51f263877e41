"""The Gaussian reference models: independent noise in every pixel and channel.

AWGN has one variance a (camera, ISO, channel); the heteroscedastic one a line in the clean level,
variance = slope * clean + offset (Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting",
2008). Both may carry a mean, since noise in sRGB is biased at high ISO. They are the baseline of any
learned model: Table I of Han & Yu, https://arxiv.org/abs/2312.10112.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.metrics.moments import CHANNELS, FloatArray, LevelMoments, noise_of
from nmflowgan_cli.models.base import WHITE, Code, Fields, Geometry, NoiseModel

PIXELS_PER_PATCH = 96 * 96
SCORING_STEPS = 8
"""Steps of Fisher scoring, see `_weighted_line`."""
LEAST_STD = math.sqrt(1 / 12)
"""What rounding alone makes, in counts; a level without any variance would hold all other counts for impossible."""

LoadedPair = tuple[Condition, NDArray[np.uint8], NDArray[np.uint8]]
"""A condition, a clean and a noisy picture, each (H, W, 3) uint8."""


class GaussianNoise(nn.Module, NoiseModel):  # pyright: ignore[reportIncompatibleMethodOverride]  (`to` is torch's)
    """noisy = clean + mean + sqrt(max(slope * clean + offset, 0)) * latent, in counts.

    The three tables are (cameras, ISOs, 3); between trained ISOs they are interpolated in log ISO.
    """

    geometry = Geometry(multiple=1, context=0, border=0)
    batches_keep_bits = True
    has_density = True
    mean: Tensor
    slope: Tensor
    offset: Tensor

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        for name in ("mean", "slope", "offset"):
            self.register_buffer(name, torch.zeros(len(vocabulary.cameras), len(vocabulary.isos), CHANNELS))

    def coefficients(self, code: Code) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, slope and offset of a batch, each (N, 3, 1, 1)."""
        tables = torch.stack((self.mean, self.slope, self.offset))
        mean, slope, offset = torch.einsum("nc,ni,tcik->tnk", code.camera, code.iso, tables)[..., None, None]
        return mean, slope, offset

    def moments(self, clean: Tensor, code: Code) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the noise in counts, each (N, 3, H, W), of clean counts."""
        mean, slope, offset = self.coefficients(code)
        return mean.expand_as(clean), (slope * clean + offset).clamp(min=0).sqrt()

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Any = None) -> Tensor:
        """Noisy counts, neither rounded nor clipped: see NoiseModel."""
        mean, std = self.moments(clean, code)
        return clean + mean + std * fields.latent

    def nll(self, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
        """See NoiseModel; the probability of the count itself: that of all values which round and clip to it."""
        mean, std = (moment.double() for moment in self.moments(clean, code))
        std = std.clamp(min=LEAST_STD)
        centre = noisy.double() - clean - mean
        low = torch.where(noisy > 0, (centre - 0.5) / std, -math.inf)
        high = torch.where(noisy < WHITE, (centre + 0.5) / std, math.inf)
        # In the lower tail small probabilities are exact; in the upper one they would be lost beside 1.
        low, high = torch.where(centre > 0, -high, low), torch.where(centre > 0, -low, high)
        log_high, log_low = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
        return -(log_high + torch.log1p(-(log_low - log_high).exp())).flatten(1).sum(1)


def level_moments(pairs: Iterable[LoadedPair]) -> dict[Condition, LevelMoments]:
    """The sums that both fits need, for each condition, in one pass over the pictures."""
    sums: dict[Condition, LevelMoments] = {}
    for condition, clean, noisy in pairs:
        sums.setdefault(condition, LevelMoments()).add(clean, noise_of(noisy, clean))
    return sums


def fit_awgn(sums: Mapping[Condition, LevelMoments], *, with_mean: bool = True) -> GaussianNoise:
    """Additive white Gaussian noise: the variance (and mean) of each camera, ISO and channel."""
    return _tabulated({condition: _flat(moments, with_mean=with_mean) for condition, moments in sums.items()}, sums)


def fit_heteroscedastic(sums: Mapping[Condition, LevelMoments], *, with_mean: bool = True) -> GaussianNoise:
    """Variance linear in the clean level, by weighted least squares on the variance of each level."""
    return _tabulated({condition: _line(moments, with_mean=with_mean) for condition, moments in sums.items()}, sums)


FITS = {"awgn": fit_awgn, "heteroscedastic": fit_heteroscedastic}
"""The models by the names that the command line knows them by."""


def _flat(moments: LevelMoments, *, with_mean: bool) -> FloatArray:
    """Mean, slope 0 and variance about the mean, (3 quantities, 3 channels)."""
    count, total, square = moments.count.sum(1), moments.total.sum(1), moments.square.sum(1)
    mean = total / count * with_mean
    return np.stack((mean, np.zeros(CHANNELS), square / count - 2 * mean * total / count + mean**2))


def _line(moments: LevelMoments, *, with_mean: bool) -> FloatArray:
    """Mean, slope and offset, (3 quantities, 3 channels)."""
    mean, _, variance = _flat(moments, with_mean=with_mean)
    fitted = np.stack((mean, np.zeros(CHANNELS), variance))
    for channel in range(CHANNELS):
        count, total, square = moments.count[channel], moments.total[channel], moments.square[channel]
        level = np.flatnonzero(count)
        about_mean = (square - 2 * mean[channel] * total + mean[channel] ** 2 * count)[level] / count[level]
        fitted[1:, channel] = _weighted_line(level, about_mean, count[level], variance[channel])
    return fitted


def _weighted_line(level: NDArray[np.intp], variance: FloatArray, count: FloatArray, overall: float) -> FloatArray:
    """Slope and offset of `variance` over `level`.

    A sample variance has itself a variance of 2 v^2 / n, so its weight is n / v^2 with v from the line;
    repeated, this is Fisher scoring of the Gaussian likelihood. v is kept from 0, where the line would be
    decided by a handful of clipped pixels.
    """
    design = np.stack((level, np.ones(len(level))), axis=1).astype(np.float64)
    line = np.array([0.0, overall])
    if overall == 0.0 or len(level) == 1:
        return line
    for _ in range(SCORING_STEPS):
        weight = np.sqrt(count) / np.maximum(design @ line, overall / 10)
        line = np.linalg.lstsq(design * weight[:, None], variance * weight, rcond=None)[0]
    return line.astype(np.float64)


def _tabulated(rows: Mapping[Condition, FloatArray], sums: Mapping[Condition, LevelMoments]) -> GaussianNoise:
    """A model of these (mean, slope, offset) rows, which knows just these conditions."""
    cameras = tuple(dict.fromkeys(condition.camera for condition in rows))
    isos = tuple(sorted({condition.iso for condition in rows}))
    trained: dict[str, dict[int, int]] = {camera: {} for camera in cameras}
    for condition, moments in sums.items():
        pixels = int(moments.count.sum()) // CHANNELS
        trained[condition.camera][condition.iso] = max(1, pixels // PIXELS_PER_PATCH)
    model = GaussianNoise(Vocabulary(cameras, isos, trained))
    for condition, (mean, slope, offset) in rows.items():
        place = cameras.index(condition.camera), isos.index(condition.iso)
        for table, row in ((model.mean, mean), (model.slope, slope), (model.offset, offset)):
            table[place] = torch.from_numpy(row)
    return model
