"""Noise of flat regions in closed form: mean, variance and correlations that the camera simulator gives them.

Between the sensor's clipping and the transfer curve everything is linear, so the covariance of a flat region follows
from the variances of its three colours on the sensor and the filters of the demosaicing, averaged over the Bayer cell.
Transfer curve and display clipping act on a Gaussian: its Hermite coefficients give mean, variance and correlations
(Price's theorem). Differentiable in all parameters, float64.
"""

import math
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.srgb import from_linear

BLOCK = 16
"""Side of a block, pixels."""
SHIFTS = ((0, 0), (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
"""Shifts (rows, columns) at which correlations are measured."""
REACH = 4
"""Longest shift at which the linear demosaicing correlates pixels."""
NODES = 41
"""Points of the quadrature over a normal variable."""
ROUNDING = 1 / 12
"""Variance that rounding to counts adds."""


class Flat(NamedTuple):
    """Noise of flat regions as it is displayed: counts, after clipping to [0, 255] and rounding."""

    mean: Tensor
    """(N, 3) mean noise."""
    variance: Tensor
    """(N, 3) variance within a block whose plane was taken away."""
    correlation: Tensor
    """(N, 3, 3, shifts) correlation of colour i with colour j at `SHIFTS` further on."""


class Sensor(NamedTuple):
    """Parameters of the simulator for N regions: as `models.isp.Capture`, but for `gains` shared by all."""

    shot: Tensor
    read: Tensor
    gains: Tensor
    """(N, 3)"""
    matrix: Tensor
    """(3, 3)"""
    laplacian_gains: Tensor
    floor: Tensor
    black_shift: Tensor
    sampled: bool = False
    """Pixels were picked from a larger picture: neighbours are independent."""


@cache
def detrended() -> Tensor:
    """Covariance at `SHIFTS` in blocks without their plane, as a linear function of the true one: (shifts, 9, 9)."""
    rows, columns = torch.meshgrid(*2 * [torch.arange(BLOCK, dtype=torch.float64)], indexing="ij")
    planes = torch.stack([torch.ones_like(rows), rows, columns]).flatten(1).T
    basis = torch.linalg.qr(planes).Q
    kept = torch.eye(BLOCK * BLOCK, dtype=torch.float64) - basis @ basis.T
    place = torch.arange(BLOCK * BLOCK)
    down, right = (place[None] // BLOCK - place[:, None] // BLOCK, place[None] % BLOCK - place[:, None] % BLOCK)
    near = (down.abs() <= REACH) & (right.abs() <= REACH)
    index = ((down + REACH) * (2 * REACH + 1) + right + REACH)[near]
    maps = []
    for shift in SHIFTS:
        partners = ((down == shift[0]) & (right == shift[1])).double()
        weights = kept @ (partners / partners.sum()) @ kept
        maps.append(torch.zeros((2 * REACH + 1) ** 2, dtype=torch.float64).index_add_(0, index, weights[near]))
    return torch.stack(maps).view(len(SHIFTS), 2 * REACH + 1, 2 * REACH + 1)


@cache
def picked() -> Tensor:
    """As `detrended`, where only a pixel's own variance is measured."""
    maps = torch.zeros(len(SHIFTS), 2 * REACH + 1, 2 * REACH + 1, dtype=torch.float64)
    maps[0, REACH, REACH] = 1
    return maps


@cache
def _responses() -> Tensor:
    """Demosaicing's covariance from unit variance of one colour: (colour, 4, 4, 3, 3, 9, 9).

    The two fours: parts of the filter, means of neighbours and what each of `laplacian_gains` adds.
    """
    size, middle = 20, 10
    impulses = torch.zeros(bayer.SITES, 1, size, size)
    for site in range(bayer.SITES):
        impulses[site, 0, middle + site // 2, middle + site % 2] = 1
    phase = torch.zeros(bayer.SITES, dtype=torch.long)
    plain = bayer.demosaic(impulses, phase, torch.zeros(bayer.SITES, 3))
    added = [bayer.demosaic(impulses, phase, torch.eye(3)[k].expand(bayer.SITES, 3)) - plain for k in range(3)]
    parts = torch.stack([plain, *added], 1).double()
    spectra = torch.fft.fft2(parts, (2 * size, 2 * size))
    products = torch.einsum("skihw,sljhw->sklijhw", spectra.conj(), spectra)
    shifts = torch.arange(-REACH, REACH + 1)
    covariance = torch.fft.ifft2(products).real[..., shifts, :][..., shifts] / bayer.SITES
    return torch.stack([covariance[0], covariance[1] + covariance[2], covariance[3]])


@cache
def _measured(*, sampled: bool) -> Tensor:
    """`_responses` as blocks show them, (colour, 4, 4, 3, 3, shifts)."""
    return torch.einsum("cklijhw,dhw->cklijd", _responses(), picked() if sampled else detrended())


def rendered(responses: Tensor, sensor: Sensor) -> Tensor:
    """Covariance of the rendered colours from unit variance of each colour of the sensor, (colour, 3, 3, ...)."""
    inverse = torch.linalg.inv(sensor.matrix)
    parts = torch.cat([torch.ones_like(sensor.laplacian_gains[:1]), sensor.laplacian_gains])
    camera = torch.einsum("cklab...,k,l->cab...", responses, parts, parts)
    return torch.einsum("ia,jb,cab...->cij...", inverse, inverse, camera)


def own(sensor: Sensor) -> Tensor:
    """`rendered` of a pixel with itself, (colour, 3, 3)."""
    return rendered(_responses()[..., REACH, REACH], sensor)


@cache
def _normal() -> tuple[Tensor, Tensor]:
    """Nodes of a standard normal variable and their weights, which add up to 1."""
    nodes = torch.linspace(-4.5, 4.5, NODES, dtype=torch.float64)
    weights = torch.exp(-nodes.square() / 2)
    return nodes, weights / weights.sum()


def _clipped(level: Tensor, deviation: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of a Gaussian clipped to [low, high]."""
    a, b = (low - level) / deviation, (high - level) / deviation
    below, above = torch.special.ndtr(a), torch.special.ndtr(-b)
    density_a, density_b = (torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi) for x in (a, b))
    inside = 1 - below - above
    mean = a * below + b * above + density_a - density_b
    square = a.square() * below + b.square() * above + inside + a * density_a - b * density_b
    return level + deviation * mean, deviation.square() * (square - mean.square())


def on_sensor(linear: Tensor, sensor: Sensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the noise of the three colours after white balance, each (N, 3); see `isp.expose`."""
    balanced = (linear @ sensor.matrix.T).clamp(0, 1)
    raw = balanced / sensor.gains
    deviation = (sensor.shot * raw + sensor.read).sqrt()
    level = raw - sensor.black_shift * sensor.read.sqrt()
    mean, variance = _clipped(level, deviation, sensor.floor.expand_as(level), 1 / sensor.gains)
    return mean * sensor.gains - balanced, variance * sensor.gains.square()


def flat_noise(clean: Tensor, linear: Tensor, sensor: Sensor) -> Flat:
    """Noise of flat regions. `clean`: (N, 3) counts. `linear`: (N, 3) their linear light."""
    mean, variance = on_sensor(linear, sensor)
    measured = rendered(_measured(sampled=sensor.sampled), sensor)
    covariance = torch.einsum("nc,cijd->nijd", variance, measured)
    spread = covariance[..., 0].diagonal(dim1=1, dim2=2).clamp_min(1e-12).sqrt()
    correlation = covariance / (spread[:, :, None, None] * spread[:, None, :, None])
    return _displayed(clean, linear + mean @ torch.linalg.inv(sensor.matrix).T, spread, correlation)


def _displayed(clean: Tensor, level: Tensor, spread: Tensor, correlation: Tensor) -> Flat:
    nodes, weights = _normal()
    shown = (WHITE * from_linear(level[..., None] + spread[..., None] * nodes)).clamp(0, WHITE)
    moments = torch.stack(
        [torch.ones_like(nodes), nodes, (nodes.square() - 1) / math.sqrt(2), (nodes**3 - 3 * nodes) / math.sqrt(6)]
    )
    zeroth, *orders = (shown @ (moments * weights).T).unbind(-1)
    inner = (shown.square() @ weights - zeroth.square()).clamp_min(1e-6)
    variance = inner + ROUNDING
    covariance = torch.zeros_like(correlation)
    for order, coefficient in enumerate(orders, 1):
        covariance = covariance + coefficient[:, :, None, None] * coefficient[:, None, :, None] * correlation**order
    scale = variance.sqrt()
    shown_correlation = covariance / (scale[:, :, None, None] * scale[:, None, :, None])
    return Flat(zeroth - clean, variance, shown_correlation)
