"""Limits of an estimate: pictures that show no noise, and remarks on what makes a profile doubtful."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.profiles.blocks import BLACK, LEAST_BLOCKS, SATURATED, Blocks, cells_of
from nmflowgan_cli.profiles.closed_form import BLOCK
from nmflowgan_cli.profiles.fitting import Fit, Problem
from nmflowgan_cli.profiles.profile import Reference

LEAST_SIDE = 64
LEAST_NOISE = 0.4
"""Standard deviation of the noise, counts; rounding alone gives 0.29."""
FEW_BLOCKS = 60
LITTLE_FLAT = 0.15
"""Share of flat blocks below which a picture is remarked on as textured."""
NARROW = 40
"""Span of levels, counts, below which the split of shot and read noise is remarked on."""
MISFIT = 0.06
"""Difference of correlations, root mean square, from which a picture is not plainly rendered: on train pictures, .074
and more for cameras' own JPEGs (PolyU), .052 and less for 25 of 26 plain ones (SIDD)."""


def checked(picture: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """The picture itself; ProfileError for one below 64x64 pixels."""
    if min(picture.shape[:2]) < LEAST_SIDE:
        size = f"{picture.shape[1]}x{picture.shape[0]}"
        raise ProfileError(f"{name}: {size} pixels are too few to measure noise", f"{LEAST_SIDE}x{LEAST_SIDE} at least")
    return picture


def measurable(blocks: Blocks, name: str) -> Blocks:
    """The blocks without black or saturated channels; ProfileError where they are too few, or show no noise."""
    dark, bright = blocks.level.min(1) <= BLACK, blocks.level.max(1) >= SATURATED
    kept = blocks.chosen(~dark & ~bright)
    if len(kept) < LEAST_BLOCKS:
        raise ProfileError(
            f"{name}: {100 * dark.mean():.0f} % of the picture is black, {100 * bright.mean():.0f} % saturated",
            "give a picture with more mid-tones",
        )
    noise = float(np.sqrt(np.quantile(kept.covariance[:, 1, 1, 0], 0.3)))
    if noise < LEAST_NOISE:
        raise ProfileError(f"{name}: noise of {noise:.2f} counts is no more than rounding", "give a noisier picture")
    return kept


def remarks_of(
    fit: Fit, found: Sequence[Blocks], flat: Sequence[Blocks], names: Sequence[Reference]
) -> tuple[str, ...]:
    """Warnings, each with its number."""
    remarks = []
    for all_blocks, chosen, of in zip(found, flat, names, strict=False):
        if len(chosen) < FEW_BLOCKS:
            remarks.append(f"{of.name}: only {len(chosen)} flat blocks of {BLOCK}x{BLOCK} pixels")
        if (share := len(chosen) / len(all_blocks)) < LITTLE_FLAT:
            remarks.append(f"{of.name}: only {100 * share:.0f} % is flat: texture may have been taken for noise")
    greens = np.concatenate([blocks.level[:, 1] for blocks in flat])
    if (span := float(np.ptp(greens))) < NARROW:
        remarks.append(f"levels of green span {span:.0f} counts: shot and read noise cannot be told apart well")
    if fit.sampled:
        remarks.append("noise of neighbouring pixels is independent: pictures that were sampled down without smoothing")
    if (misfit := _misfit(fit, flat)) > MISFIT:
        remarks.append(
            f"correlations differ by {misfit:.2f} from those of any plainly rendered camera: "
            "denoised, sharpened, scaled or compressed pictures"
        )
    return tuple(remarks)


def _misfit(fit: Fit, flat: Sequence[Blocks]) -> float:
    """Root mean square difference of correlations that the fit leaves."""
    problem, parameters = (
        Problem(cells_of(flat), pictures=fit.pictures, sampled=fit.sampled),
        torch.from_numpy(fit.parameters),
    )
    problem.settle(parameters)
    difference = problem.predicted(parameters).correlation - problem.correlation
    share = problem.number / problem.number.sum()
    mean = (difference * share[:, None, None, None]).sum(0)
    return float(mean.square().mean().sqrt())
