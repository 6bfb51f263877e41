"""Kernel that gives white noise the correlation of given noise, between pixels and between colours.

The covariances at short shifts are measured, tapered towards the longest, and made a spectrum; the kernel is its
symmetric square root at each frequency (the minimum-change colouring).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

REACH = 5
"""Longest shift, pixels."""
GRID = 32
"""Side of the grid of frequencies."""
DRIFT = 64
"""Side of the blocks whose means are taken away: light that drifts between the shots of a pair is no noise."""
DECIMALS = 5

Kernel = tuple[tuple[tuple[tuple[float, ...], ...], ...], ...]


class Unit(NamedTuple):
    """Noise of about unit variance, and where it may be trusted."""

    noise: Tensor
    """(3, H, W) float32."""
    trusted: Tensor
    """(H, W) bool."""


def kernel_of(parts: Sequence[Unit]) -> Kernel:
    """[channel][source][row][column]: 11x11 taps from each of three white sources to each channel of unit variance."""
    shifts, counts = (torch.stack(each).sum(0) for each in zip(*map(_products, parts), strict=True))
    covariance = shifts / counts.clamp_min(1)[..., None, None]
    scale = covariance[REACH, REACH].diagonal().clamp_min(1e-6).rsqrt()
    root = _square_root(covariance * scale[:, None] * scale * _taper()[..., None, None])
    root /= root.square().sum((0, 1, 3)).sqrt()[:, None]
    return tuple(tuple(map(_rows, sources)) for sources in root.permute(2, 3, 0, 1))


def _rows(taps: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(tap, DECIMALS) for tap in row) for row in taps.tolist())


def _products(part: Unit) -> tuple[Tensor, Tensor]:
    """Sums of products at all shifts, (11, 11, 3, 3), and how many, (11, 11)."""
    size = [side + REACH for side in part.trusted.shape]
    spectra = torch.fft.rfft2(_centred(part).double(), s=size)
    number = torch.fft.rfft2(part.trusted.double(), s=size)
    products = torch.fft.irfft2(spectra[:, None].conj() * spectra[None], s=size)
    counts = torch.fft.irfft2(number.conj() * number, s=size)
    return _short(products).permute(2, 3, 0, 1), _short(counts)


def _centred(part: Unit) -> Tensor:
    """The trusted noise without its means over blocks; 0 elsewhere."""
    height, width = part.trusted.shape
    both = torch.cat([part.noise * part.trusted, part.trusted[None].float()])
    sums = functional.avg_pool2d(both, DRIFT, ceil_mode=True)
    means = (sums[:3] / sums[3:].clamp_min(1e-3)).repeat_interleave(DRIFT, 1).repeat_interleave(DRIFT, 2)
    return (part.noise - means[:, :height, :width]) * part.trusted


def _short(shifts: Tensor) -> Tensor:
    """The shifts from -REACH to REACH in both directions, of all."""
    index = torch.arange(-REACH, REACH + 1)
    return shifts[..., index[:, None], index]


def _taper() -> Tensor:
    """A triangle with a flat top, so that the truncated covariances keep a spectrum above zero."""
    fade = ((1 - torch.arange(-REACH, REACH + 1).abs() / (REACH + 1)) * 1.6).clamp_max(1).double()
    return fade[:, None] * fade


def _square_root(covariance: Tensor) -> Tensor:
    """The kernel (11, 11, 3, 3) whose correlation with itself is `covariance`, as far as one exists."""
    index = torch.arange(-REACH, REACH + 1)
    grid = torch.zeros(GRID, GRID, 3, 3, dtype=torch.float64)
    grid[index[:, None], index] = covariance
    spectrum = torch.fft.fft2(grid, dim=(0, 1))
    values, vectors = torch.linalg.eigh((spectrum + spectrum.mH) / 2)
    root = vectors * values.clamp_min(0).sqrt()[..., None, :].to(vectors) @ vectors.mH
    return torch.fft.ifft2(root, dim=(0, 1)).real[index[:, None], index]
