"""Choice of flat blocks in noisy pictures: those whose strength is what the fitted noise alone would give them.

The flattest blocks of a picture are the ones whose noise came out small, too, so their strength is biased low.
Here the lower tail of all blocks, whose place is known for pure noise, tells the strength of noise without texture;
the blocks around it, above as well as below, are kept. Fit and choice alternate.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.profiles.blocks import Blocks, cells_of, singly
from nmflowgan_cli.profiles.closed_form import BLOCK
from nmflowgan_cli.profiles.fitting import Fit, Problem, solve

PARTS, BLOCKS_PER_PART = 12, 20
FIRST = 0.2
"""Share of the blocks of like brightness, the flattest, that the first fit takes."""
ROUNDS = 4
TAIL, TAIL_DEVIATIONS = 0.1, 1.2816
"""Quantile of the strength of all blocks, and how far below the mean it lies for pure noise."""
SPREAD, SPREAD_SAMPLED = 0.11, 0.16
"""Standard deviation of ln of the variance, mean of three channels, of a block of a camera's pure noise, and of its
finest details."""
KEPT = 2.0
"""Standard deviations on either side that are kept."""

LEAST_FLAT = 5
ADVICE = "too textured to tell noise from structure: give a picture with smooth areas"


def fit_flat(pictures: Sequence[Blocks], names: Sequence[str], *, sampled: bool) -> tuple[Fit, list[Blocks]]:
    """The fit to pictures, and their blocks that it rests on; ProfileError for a picture without flat areas."""
    chosen = [blocks.chosen(flattest(blocks)) for blocks in pictures]
    fit = solve(Problem(cells_of(chosen), sampled=sampled))
    for _ in range(ROUNDS):
        chosen = [blocks.chosen(_like_noise(blocks, number, fit)) for number, blocks in enumerate(pictures)]
        for blocks, name in zip(chosen, names, strict=False):
            if len(blocks) < LEAST_FLAT:
                raise ProfileError(f"{name}: {len(blocks)} flat blocks of {BLOCK}x{BLOCK} pixels", ADVICE)
        fit = solve(Problem(cells_of(chosen), sampled=sampled), fit.parameters)
    return fit, chosen


def flattest(blocks: Blocks) -> NDArray[np.bool_]:
    """The flattest blocks among those of like brightness."""
    strength, keep = np.log(blocks.variance()).mean(1), np.zeros(len(blocks), bool)
    parts = max(1, min(PARTS, len(blocks) // BLOCKS_PER_PART))
    for part in np.array_split(np.argsort(blocks.level[:, 1], kind="stable"), parts):
        keep[part] = strength[part] <= np.quantile(strength[part], FIRST)
    return keep


def _like_noise(blocks: Blocks, picture: int, fit: Fit) -> NDArray[np.bool_]:
    excess = excess_of(blocks, picture, fit)
    spread = SPREAD_SAMPLED if fit.sampled else SPREAD
    middle = np.quantile(excess, TAIL) + TAIL_DEVIATIONS * spread
    return np.abs(excess - middle) < KEPT * spread


def excess_of(blocks: Blocks, picture: int, fit: Fit) -> FloatArray:
    """ln of each block's variance over that of the fitted noise, mean of channels, (N,)."""
    problem = Problem(singly(blocks, picture), pictures=fit.pictures, sampled=fit.sampled)
    parameters = torch.from_numpy(fit.parameters)
    problem.settle(parameters)
    return (problem.variance / problem.predicted(parameters).variance).log().mean(1).numpy()
