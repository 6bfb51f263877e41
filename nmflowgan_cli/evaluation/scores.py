"""Scores from the noise of pictures: per (camera, ISO) cell, per camera, and overall."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.metrics.moments import FloatArray, IntegerArray, LevelMoments
from nmflowgan_cli.metrics.noise import (
    FINE,
    ChannelMoments,
    SpatialCorrelation,
    level_curves,
    mean_difference,
)

Interval = tuple[float, float]
Triple = tuple[float, float, float]

UNKNOWN = float("nan")
OF_PATCHES = ("kld", "kld_official", "kld_fine", "self_floor", "nll")
OF_PICTURES = ("akld", "akld_draws")
OF_POOLED = ("std_ratio", "std_error", "std_curve", "mean_curve", "spatial", "lags_difference", "channels_difference")
JUDGED = (*OF_PATCHES, *OF_PICTURES, *OF_POOLED)
"""The numbers with intervals: those that are 0 or 1 at best."""


class NoiseStatistics:
    """The noise of all pictures of a cell, pooled; or a stack of such sums, if their arrays are (see `combined`)."""

    def __init__(self) -> None:
        self.levels, self.spatial, self.channels = LevelMoments(), SpatialCorrelation(), ChannelMoments()
        self.histogram = np.zeros(FINE.number)
        """(521,) numbers of pixels with a noise of -260, -259 .. 260 counts, channels pooled."""

    def add(self, clean: NDArray[np.uint8], noise: IntegerArray) -> None:
        """Take in one picture: clean (H, W, 3) uint8 and its noise in signed integer counts."""
        self.levels.add(clean, noise)
        self.spatial.add(noise)
        self.channels.add(noise)
        self.histogram += FINE.histograms(noise.reshape(1, -1))[0]

    def merge(self, other: "NoiseStatistics") -> None:
        """Take in everything that `other` has seen."""
        self.levels.merge(other.levels)
        self.spatial.merge(other.spatial)
        self.channels.merge(other.channels)
        self.histogram = self.histogram + other.histogram


@dataclass(frozen=True)
class PictureScore:
    """The divergences of one pair; each a mean over its patches (or pictures), NaN where it was not computed."""

    condition: Condition
    patches: int
    kld: float
    kld_official: float
    kld_fine: float
    self_floor: float
    akld: float
    akld_draws: float
    nll: float
    real: NoiseStatistics = field(compare=False, repr=False)
    fake: NoiseStatistics = field(compare=False, repr=False)
    pictures: int = 1
    """More than one for a stack of blocks."""


@dataclass(frozen=True)
class Scores:
    """The scores of one model on a cell, or on a mean of cells, see `metrics.noise.DEFINITIONS`; NaN is unknown."""

    pictures: int
    patches: int
    kld: float
    kld_official: float
    kld_fine: float
    self_floor: float
    akld: float
    akld_draws: float
    nll: float
    std_real: float
    std_fake: float
    std_ratio: float
    std_error: float
    """|std_ratio - 1|: where cells are averaged, too much here does not make up for too little there."""
    mean_real: float
    mean_fake: float
    std_curve: float
    mean_curve: float
    spatial: float
    lags_real: Triple
    lags_fake: Triple
    lags_difference: float
    channels_real: Triple
    channels_fake: Triple
    channels_difference: float
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """95 % of the bootstrap over pairs, of every number that is 0 (or 1) at best; empty for fewer than two pairs."""

    @property
    def kld_interval(self) -> Interval:
        """The interval of the KLD; unknown for fewer than two pairs."""
        return self.intervals.get("kld", (UNKNOWN, UNKNOWN))


def cell_scores(pictures: Sequence[PictureScore], real: NoiseStatistics, fake: NoiseStatistics) -> Scores:
    """The scores of one cell: divergences are means over patches, the rest comes from the pooled noise."""
    return Scores(
        pictures=sum(picture.pictures for picture in pictures),
        patches=sum(picture.patches for picture in pictures),
        **{name: _plain(values[0]) for name, values in divergences(pictures, np.ones((1, len(pictures)))).items()},
        **{name: _plain(value) for name, value in pooled(real, fake).items()},
        std_real=real.channels.std(),
        std_fake=fake.channels.std(),
        mean_real=real.channels.mean(),
        mean_fake=fake.channels.mean(),
        lags_real=_triple(real.spatial.lags()),
        lags_fake=_triple(fake.spatial.lags()),
        channels_real=_triple(real.channels.correlation()),
        channels_fake=_triple(fake.channels.correlation()),
    )


def divergences(pictures: Sequence[PictureScore], weights: FloatArray) -> dict[str, FloatArray]:
    """The means of what is measured a patch or a picture, (R,), with each row of `weights` (R, pairs)."""
    patches = weights * [picture.patches for picture in pictures]
    number = weights * [picture.pictures for picture in pictures]
    shares = {**dict.fromkeys(OF_PATCHES, patches), **dict.fromkeys(OF_PICTURES, number)}
    return {
        name: weighted_mean(np.array([getattr(picture, name) for picture in pictures]), share)
        for name, share in shares.items()
    }


def pooled(real: NoiseStatistics, fake: NoiseStatistics) -> dict[str, FloatArray]:
    """The numbers of pooled noise, by name: scalars, or one for each member of stacks."""
    (mean_real, std_real), (mean_fake, std_fake) = level_curves(real.levels), level_curves(fake.levels)
    deviation = real.channels.deviations()
    ratio = fake.channels.deviations() / np.where(deviation > 0, deviation, np.nan)
    values = (
        ratio,
        np.abs(ratio - 1),
        mean_difference(std_real, std_fake, 2),
        mean_difference(mean_real, mean_fake, 2),
        mean_difference(real.spatial.map(), fake.spatial.map(), 3),
        mean_difference(real.spatial.lags(), fake.spatial.lags(), 1),
        mean_difference(real.channels.correlation(), fake.channels.correlation(), 1),
    )
    return dict(zip(OF_POOLED, values, strict=True))


def weighted_mean(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean of the known of (P,) values with each row of weights (R, P), (R,); NaN where nothing is known or weighs.

    Infinite where an infinite value has weight.
    """
    known = ~np.isnan(values)
    total = weights[:, known].sum(1)
    terms = np.where(weights[:, known] > 0, values[known], 0.0) * weights[:, known]
    return terms.sum(1) / np.where(total > 0, total, np.nan)


def known_mean(values: NDArray[Any]) -> NDArray[Any]:
    """Mean over the first axis of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(0) / known.sum(0)


def average(scores: Sequence[Scores]) -> Scores:
    """The mean in which all of `scores` weigh the same, without intervals; pictures and patches are added up."""
    means: dict[str, Any] = {}
    for name in [each.name for each in fields(Scores) if each.name != "intervals"]:
        values = np.array([getattr(score, name) for score in scores], dtype=np.float64)
        means[name] = int(values.sum()) if name in ("pictures", "patches") else _plain(known_mean(values))
    return Scores(**means)


def _plain(value: Any) -> Any:
    """A float or a tuple of floats; NaN is always the same one, so that equal scores are equal."""
    if np.ndim(value):
        return tuple(_plain(item) for item in value)
    return UNKNOWN if math.isnan(value) else float(value)


def _triple(values: FloatArray) -> Triple:
    first, second, third = _plain(values)
    return first, second, third
