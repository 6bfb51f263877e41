"""From the noise of pictures to numbers: per (camera, ISO) cell, per camera, and over all."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.metrics import (
    FINE,
    ChannelMoments,
    SpatialCorrelation,
    level_curves,
    mean_difference,
)
from nmflowgan_cli.moments import FloatArray, IntegerArray, LevelMoments

Interval = tuple[float, float]
Triple = tuple[float, float, float]

RESAMPLES = 1000
UNKNOWN = float("nan")


@dataclass(frozen=True)
class PictureScore:
    """The divergences of one picture; each a mean over its patches, NaN where it was not computed."""

    condition: Condition
    patches: int
    kld: float
    kld_official: float
    kld_fine: float
    self_floor: float
    akld: float


class NoiseStatistics:
    """The noise of all pictures of a cell, pooled."""

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


@dataclass(frozen=True)
class Scores:
    """How one model does on a cell, or on a mean of cells. See `metrics.DEFINITIONS`; NaN is unknown."""

    pictures: int
    patches: int
    kld: float
    kld_official: float
    kld_fine: float
    self_floor: float
    akld: float
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
    kld_interval: Interval = (UNKNOWN, UNKNOWN)
    """95 % of the bootstrap over pictures; unknown for fewer than two pictures."""


def cell_scores(pictures: Sequence[PictureScore], real: NoiseStatistics, fake: NoiseStatistics) -> Scores:
    """The scores of one cell: divergences are means over patches, the rest comes from the pooled noise."""
    patches = np.array([picture.patches for picture in pictures])
    (mean_real, std_real), (mean_fake, std_fake) = level_curves(real.levels), level_curves(fake.levels)
    lags_real, lags_fake = real.spatial.lags(), fake.spatial.lags()
    channels_real, channels_fake = real.channels.correlation(), fake.channels.correlation()
    ratio = fake.channels.std() / real.channels.std() if real.channels.std() else UNKNOWN
    return Scores(
        pictures=len(pictures),
        patches=int(patches.sum()),
        kld=_weighted([picture.kld for picture in pictures], patches),
        kld_official=_weighted([picture.kld_official for picture in pictures], patches),
        kld_fine=_weighted([picture.kld_fine for picture in pictures], patches),
        self_floor=_weighted([picture.self_floor for picture in pictures], patches),
        akld=_weighted([picture.akld for picture in pictures], np.ones(len(pictures))),
        std_real=real.channels.std(),
        std_fake=fake.channels.std(),
        std_ratio=ratio,
        std_error=abs(ratio - 1),
        mean_real=real.channels.mean(),
        mean_fake=fake.channels.mean(),
        std_curve=mean_difference(std_real, std_fake),
        mean_curve=mean_difference(mean_real, mean_fake),
        spatial=mean_difference(real.spatial.map(), fake.spatial.map()),
        lags_real=_triple(lags_real),
        lags_fake=_triple(lags_fake),
        lags_difference=mean_difference(lags_real, lags_fake),
        channels_real=_triple(channels_real),
        channels_fake=_triple(channels_fake),
        channels_difference=mean_difference(channels_real, channels_fake),
    )


def _triple(values: FloatArray) -> Triple:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _weighted(values: Sequence[float], weights: NDArray[Any]) -> float:
    """Weighted mean of the known values."""
    known = ~np.isnan(values)
    return float(np.average(np.asarray(values)[known], weights=weights[known])) if known.any() else UNKNOWN


def _known_mean(values: NDArray[Any]) -> NDArray[Any]:
    """Mean over the first axis of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(0) / known.sum(0)


def average(scores: Sequence[Scores]) -> Scores:
    """The mean in which all of `scores` weigh the same; pictures and patches are added up."""
    means: dict[str, Any] = {}
    for field in fields(Scores):
        values = np.array([getattr(score, field.name) for score in scores], dtype=np.float64)
        mean = values.sum() if field.name in ("pictures", "patches") else _known_mean(values)
        means[field.name] = int(mean) if field.name in ("pictures", "patches") else _plain(mean)
    return replace(Scores(**means), kld_interval=(UNKNOWN, UNKNOWN))


def _plain(value: Any) -> float | tuple[float, ...]:
    return float(value) if np.ndim(value) == 0 else tuple(float(item) for item in value)


def kld_intervals(pictures: Sequence[PictureScore], groups: Sequence[Sequence[Condition]], seed: int) -> list[Interval]:
    """Bootstrap 95 % interval over pictures of the mean KLD of each group of cells, and of the mean of groups (last).

    Pictures are drawn with replacement from all; a cell that is drawn no picture is left out of that draw.
    """
    drawn = np.random.default_rng(seed).multinomial(len(pictures), np.full(len(pictures), 1 / len(pictures)), RESAMPLES)
    patches = drawn * np.array([picture.patches for picture in pictures])
    klds = np.array([picture.kld for picture in pictures])
    means = []
    for group in groups:
        cells = np.array([[picture.condition == condition for condition in group] for picture in pictures], np.float64)
        with np.errstate(invalid="ignore"):
            means.append(_known_mean(((patches * klds) @ cells / (patches @ cells)).T))
    means.append(_known_mean(np.array(means)))
    counts = [sum(picture.condition in group for picture in pictures) for group in groups] + [len(pictures)]
    return [_percentiles(mean) if count > 1 else (UNKNOWN, UNKNOWN) for mean, count in zip(means, counts, strict=True)]


def _percentiles(values: FloatArray) -> Interval:
    low, high = np.percentile(values[~np.isnan(values)], (2.5, 97.5))
    return float(low), float(high)
