"""The resampling oracle: real noise, drawn anew for each pixel.

Every pixel independently takes the noise of a real pixel of about the same clean level, of the same camera, ISO and
channel. So its noise has the right distribution at every level, and no correlation between neighbours or channels: its
scores are those of a perfect pixel-wise model.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.metrics.moments import CHANNELS, GREY_LEVELS, FloatArray, noise_of
from nmflowgan_cli.models.base import WHITE, Code, Fields, Geometry, NoiseModel
from nmflowgan_cli.models.gaussian import PIXELS_PER_PATCH, LoadedPair

RESIDUALS = 2 * WHITE + 1
"""Different values of noise: -255 .. 255 counts."""
POOL = 500
"""Real pixels that a level draws from, at the least; neighbouring levels join until there are as many."""


class ResidualOracle(nn.Module, NoiseModel):  # pyright: ignore[reportIncompatibleMethodOverride]  (`to` is torch's)
    """noisy = clean + the residual at the quantile `fields.uniform` of those of the condition, channel and level.

    `cumulative`: (cameras, ISOs, 3, 256, 511) float32, the share of residuals of at most -255 .. 255 counts. Between
    two known ISOs the residual comes from either, the nearer one more often.
    """

    geometry = Geometry(multiple=1, context=0, border=0)
    cumulative: Tensor

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        shape = (len(vocabulary.cameras), len(vocabulary.isos), CHANNELS, GREY_LEVELS, RESIDUALS)
        self.register_buffer("cumulative", torch.zeros(shape))

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Any = None) -> Tensor:
        """Noisy counts, integer where `clean` is, not clipped: see NoiseModel."""
        weights = code.camera[:, :, None] * code.iso[:, None, :]
        samples = zip(weights, clean, fields.uniform, strict=True)
        return clean + torch.stack([self._residuals(self._table(weight), *each) for weight, *each in samples])

    def _table(self, weight: Tensor) -> Tensor:
        """The shares (3, 256, 511) of one condition, from its weights (cameras, ISOs): one or two are not 0."""
        camera, iso = weight.nonzero(as_tuple=True)
        return torch.tensordot(weight[camera, iso], self.cumulative[camera, iso], 1)

    @staticmethod
    def _residuals(table: Tensor, clean: Tensor, uniform: Tensor) -> Tensor:
        """The residuals (3, H, W) at these quantiles, by bisection in the rows of a table (3, 256, 511)."""
        channel = torch.arange(CHANNELS, device=clean.device)[:, None, None]
        row = (channel * GREY_LEVELS + clean.long().clamp(0, GREY_LEVELS - 1)) * RESIDUALS
        shares, low = table.flatten(), torch.zeros_like(row)
        high = torch.full_like(row, RESIDUALS - 1)
        for _ in range(RESIDUALS.bit_length()):
            middle = (low + high) // 2
            above = shares[row + middle] > uniform
            low, high = torch.where(above, low, middle + 1).clamp_(max=RESIDUALS - 1), torch.where(above, middle, high)
        return (high - WHITE).to(clean.dtype)


def fit_oracle(pairs: Iterable[LoadedPair]) -> ResidualOracle:
    """The oracle that draws from the noise of these pictures, in one pass over them."""
    counts: dict[Condition, NDArray[np.int64]] = {}
    for condition, clean, noisy in pairs:
        sums = counts.setdefault(condition, np.zeros((CHANNELS, GREY_LEVELS, RESIDUALS), np.int64))
        noise = noise_of(noisy, clean).astype(np.int64) + WHITE
        for channel in range(CHANNELS):
            place = clean[..., channel].astype(np.int64) * RESIDUALS + noise[..., channel]
            pooled = np.bincount(place.ravel(), minlength=GREY_LEVELS * RESIDUALS)
            sums[channel] += pooled.reshape(GREY_LEVELS, RESIDUALS)
    return _tabulated(counts)


def _tabulated(counts: Mapping[Condition, NDArray[np.int64]]) -> ResidualOracle:
    cameras = tuple(dict.fromkeys(condition.camera for condition in counts))
    isos = tuple(sorted({condition.iso for condition in counts}))
    trained: dict[str, dict[int, int]] = {camera: {} for camera in cameras}
    for condition, sums in counts.items():
        trained[condition.camera][condition.iso] = max(1, int(sums.sum()) // CHANNELS // PIXELS_PER_PATCH)
    model = ResidualOracle(Vocabulary(cameras, isos, trained))
    for condition, sums in counts.items():
        place = cameras.index(condition.camera), isos.index(condition.iso)
        model.cumulative[place] = torch.from_numpy(np.stack([_shares(of_channel) for of_channel in sums]))
    return model


def _shares(counts: NDArray[np.int64]) -> FloatArray:
    """Cumulative shares of the residuals (256, 511) of each level and as many around it as POOL pixels need."""
    below = np.concatenate((np.zeros((1, RESIDUALS), np.int64), counts.cumsum(0)))
    pixels = below.sum(1)
    low, high = np.arange(GREY_LEVELS), np.arange(GREY_LEVELS) + 1
    while (few := (pixels[high] - pixels[low] < POOL) & (high - low < GREY_LEVELS)).any():
        low, high = np.where(few, (low - 1).clip(0), low), np.where(few, (high + 1).clip(max=GREY_LEVELS), high)
    pooled = below[high] - below[low]
    return pooled.cumsum(1) / pooled.sum(1, keepdims=True)
