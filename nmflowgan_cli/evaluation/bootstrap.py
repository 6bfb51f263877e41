"""Bootstrap over pairs: 95 % intervals of the scores.

Pairs are drawn with replacement from all; a cell that is drawn no pair is left out of that draw. Blocks of one
photograph are drawn together. Efron, "Bootstrap Methods: Another Look at the Jackknife" (1979).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.scores import Interval, NoiseStatistics, PictureScore, divergences, known_mean, pooled
from nmflowgan_cli.metrics.moments import FloatArray

RESAMPLES = 1000
POOLED_RESAMPLES = 200
"""For the numbers of pooled noise, where each draw costs as much as the number itself."""
SUMS = (
    ("levels", "count"),
    ("levels", "total"),
    ("levels", "square"),
    ("spatial", "sums"),
    ("channels", "count"),
    ("channels", "total"),
    ("channels", "product"),
)
"""The sums behind the pooled numbers: part and attribute of NoiseStatistics."""

Resamples = Mapping[str, FloatArray]
"""A number's name and its value in each draw, (RESAMPLES,) or (POOLED_RESAMPLES,)."""


def resampled(
    pictures: Sequence[PictureScore], conditions: Sequence[Condition], seed: int
) -> dict[Condition, Resamples]:
    """Every number of every cell in every draw; NaN in a draw without the cell."""
    share = np.full(len(pictures), 1 / len(pictures))
    drawn = np.random.default_rng(seed).multinomial(len(pictures), share, RESAMPLES).astype(np.float64)
    found: dict[Condition, Resamples] = {}
    for condition in conditions:
        members = [index for index, picture in enumerate(pictures) if picture.condition == condition]
        mine, weights = [pictures[index] for index in members], drawn[:, members]
        real, fake = (
            combined([getattr(picture, side) for picture in mine], weights[:POOLED_RESAMPLES])
            for side in ("real", "fake")
        )
        found[condition] = {**divergences(mine, weights), **pooled(real, fake)}
    return found


def combined(statistics: Sequence[NoiseStatistics], weights: FloatArray) -> NoiseStatistics:
    """A stack of weighted sums, one for each row of `weights` (R, pairs); without histograms."""
    result = NoiseStatistics()
    for part, name in SUMS:
        sums = np.stack([getattr(getattr(member, part), name) for member in statistics])
        setattr(getattr(result, part), name, np.tensordot(weights, sums, 1))
    return result


def mean_resamples(groups: Sequence[Resamples]) -> Resamples:
    """The mean of groups in each draw, of those that are known."""
    return {name: known_mean(np.stack([group[name] for group in groups])) for name in groups[0]}


def intervals(resamples: Resamples, pairs: int) -> dict[str, Interval]:
    """95 % intervals of what is known; none for fewer than two pairs."""
    known = {name: values[~np.isnan(values)] for name, values in resamples.items()} if pairs > 1 else {}
    return {name: _percentiles(values) for name, values in known.items() if len(values)}


def _percentiles(values: FloatArray) -> Interval:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
