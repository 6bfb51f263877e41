"""Estimation of a `Rendering` from pictures that the camera rendered itself: from pairs, or from noisy ones alone.

The logarithmic variance is a polynomial in the level and linear in the texture. Its coefficients are those of the
largest Gaussian likelihood, with a prior from other cameras: a picture rarely shows all levels and textures. A noisy
picture alone shows its noise only where the scene is flat, beside a plane through each block; how noise grows with
texture is then what the prior says.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.rendered import Rendering, log_variance, terms
from nmflowgan_cli.models.texture import edges
from nmflowgan_cli.profiles.closed_form import BLOCK
from nmflowgan_cli.profiles.correlation_kernel import Unit, kernel_of
from nmflowgan_cli.profiles.flat_blocks import Blocks, blocks

FloatArray = NDArray[np.float64]
Bytes = NDArray[np.uint8]

TYPICAL = (2.79, 1.19, -0.89, -1.38, 1.06, 0.18, 0.05)
"""Coefficients of an average camera's channels, by benchmarks/camera_renderings.py from the train pictures of PolyU (Xu
et al. 2018, https://arxiv.org/abs/1804.02603); the first, the strength itself, has no prior."""
FLAT_TEXTURE = (-0.47, -0.42, -0.42)
"""Texture of the clean picture in the flattest blocks of an average noisy one (`models.texture`)."""
CERTAINTY = 0.1
"""Precision of the prior for each sample, so that it does not fade with the size of a picture: neighbours agree."""
CERTAINTY_ALONE = 0.3
"""The same where there is no clean partner."""
VARIATION = 0.3
"""Variation of strength from place to place."""
SCORING_STEPS = 12
WINDOW, WINDOWS = 256, 36
"""Side of the windows that stand for a pair, and their number at the most."""
STRIDE = 3
"""Of a window's rows and columns every third enters the likelihood."""


class Samples(NamedTuple):
    """Noise at some places of a picture, by channel."""

    terms: FloatArray
    """(3, places, 7), see `models.rendered.terms`."""
    squares: FloatArray
    """(3, places) squared counts."""


def rendering_of_pairs(
    clean: Sequence[Bytes],
    noisy: Sequence[Bytes],
    *,
    typical: Sequence[float] = TYPICAL,
    certainty: float = CERTAINTY,
) -> Rendering:
    """The rendering of a camera at one ISO, of pairs of (H, W, 3) uint8 pictures with sides from 64.

    `typical`, `certainty`: mean and precision of the prior.
    """
    parts = [part for pair in zip(clean, noisy, strict=True) for part in _windows(*pair)]
    strength = _strength([_pair_samples(*part) for part in parts], typical, certainty)
    return _rendering(strength, [_pair_unit(*part, strength) for part in parts])


def rendering_of_pictures(noisy: Sequence[Bytes], *, typical: Sequence[float] = TYPICAL) -> Rendering:
    """The rendering of a camera at one ISO, of noisy (H, W, 3) uint8 pictures alone, with sides from 64."""
    parts = [blocks(picture) for picture in noisy]
    strength = _strength([_block_samples(part) for part in parts], typical, CERTAINTY_ALONE)
    return _rendering(strength, [_block_unit(part) for part in parts])


def _rendering(strength: FloatArray, units: Sequence[Unit]) -> Rendering:
    return Rendering(tuple(map(tuple, strength.tolist())), kernel_of(units), VARIATION)


def _windows(clean: Bytes, noisy: Bytes) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows of a pair, spread evenly over it: float32 counts (1, 3, H, W) each."""
    rows, columns = (max(side // WINDOW, 1) for side in clean.shape[:2])
    places = [(row * WINDOW, column * WINDOW) for row in range(rows) for column in range(columns)]
    for index in np.linspace(0, len(places) - 1, min(len(places), WINDOWS)).round().astype(int):
        top, left = places[index]
        part = slice(top, top + WINDOW), slice(left, left + WINDOW)
        yield _counts(clean[part]), _counts(noisy[part])


def _counts(picture: Bytes) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()


def _pair_samples(clean: Tensor, noisy: Tensor) -> Samples:
    """Sharp edges included: a camera sharpens there, and the noise with it."""
    thinned = (..., slice(None, None, STRIDE), slice(None, None, STRIDE))
    squares = (noisy - clean).square()[thinned]
    return Samples(terms(clean)[0][thinned].flatten(2).mT.double().numpy(), squares[0].flatten(1).double().numpy())


def _block_samples(found: Blocks) -> Samples:
    level = found.level[found.flat].T / WHITE
    texture = [np.full_like(level, feature) for feature in FLAT_TEXTURE]
    columns = [np.ones_like(level), level, level**2, level**3, *texture]
    return Samples(np.stack(columns, 2).astype(np.float64), np.square(found.std[found.flat].T.astype(np.float64)))


def _strength(parts: Sequence[Samples], typical: Sequence[float], certainty: float) -> FloatArray:
    """The coefficients of the logarithmic variance, (3, 7)."""
    design = np.concatenate([part.terms for part in parts], 1)
    squares = np.concatenate([part.squares for part in parts], 1)
    return np.stack([_scored(*channel, typical, certainty) for channel in zip(design, squares, strict=True)])


def _scored(design: FloatArray, squares: FloatArray, typical: Sequence[float], certainty: float) -> FloatArray:
    """Coefficients (7,) by Fisher scoring of the Gaussian likelihood of `squares` with its prior."""
    mean = np.array((0.0, *typical[1:]))
    prior = np.array([0.0] + [certainty * len(squares)] * (len(mean) - 1))
    found = mean.copy()
    found[0] = np.log(max(squares.mean(), 1e-3) / np.exp(design @ mean).mean())
    information = design.T @ design / 2 + np.diag(prior)
    for _ in range(SCORING_STEPS):
        ratio = squares / np.exp(np.clip(design @ found, -6, 9))
        found = found + np.linalg.solve(information, design.T @ (ratio - 1) / 2 - prior * (found - mean))
    return np.asarray(found, np.float64)


def _pair_unit(clean: Tensor, noisy: Tensor, strength: FloatArray) -> Unit:
    """The pair's noise over its strength; edges are not trusted, where shots may not quite cover each other."""
    std = (log_variance(clean, torch.from_numpy(strength).float()) / 2).exp()
    return Unit(((noisy - clean) / std)[0], ~edges(clean)[0, 0])


def _block_unit(found: Blocks) -> Unit:
    std = np.maximum(found.std, 0.3).repeat(BLOCK, 0).repeat(BLOCK, 1)
    trusted = found.flat.repeat(BLOCK, 0).repeat(BLOCK, 1)
    return Unit(torch.from_numpy(found.residual / std).permute(2, 0, 1), torch.from_numpy(trusted))
