"""Least squares of the camera simulator's closed form to the noise of blocks, with priors of a typical phone."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.srgb import to_linear
from nmflowgan_cli.profiles.blocks import Cells
from nmflowgan_cli.profiles.closed_form import BLOCK, Flat, Sensor, flat_noise

STEPS = 12
OFF_DIAGONAL = ~torch.eye(3, dtype=torch.bool)
_OFF_DIAGONALS = torch.stack(
    [
        torch.eye(3, dtype=torch.float64)[i][:, None]
        * (torch.eye(3, dtype=torch.float64)[j] - torch.eye(3, dtype=torch.float64)[i])
        for i in range(3)
        for j in range(3)
        if i != j
    ]
)
"""What each entry off the diagonal changes: its own place and, since rows add up to 1, the diagonal; (6, 3, 3)."""
FIXED = 13
"""Parameters of the camera; two of white balance for each picture follow."""


@dataclass(frozen=True)
class Prior:
    """Means and standard deviations of all parameters of a fit of some pictures."""

    mean: Tensor
    spread: Tensor


@dataclass(frozen=True)
class Weights:
    """How well the simulator can describe a real camera: tolerances, which weigh data against priors."""

    curve: float = 0.06
    """ln of the variance, all levels of a channel together."""
    cell: float = 0.1
    """ln of the variance in a cell."""
    correlation: float = 0.1
    """Correlation at one shift of a pair of channels, all levels together."""
    offset: float = 0.2
    """Mean noise, in standard deviations of the noise, all levels of a channel together."""


def prior(pictures: int, matrix: Tensor) -> Prior:
    """Typical phones; spreads by eye from published cameras."""
    camera = [-5.5, 0.9, -0.04, 0.05, *bayer.LAPLACIAN_GAINS, *matrix[OFF_DIAGONAL].tolist()]
    spread = [3.0, 0.6, 0.02, 0.05, 0.1, 0.1, 0.1, *6 * [0.15]]
    balance = [math.log(1.85), math.log(1.9)]
    mean = torch.tensor(camera + pictures * balance, dtype=torch.float64)
    return Prior(mean, torch.tensor(spread + 2 * pictures * [0.2], dtype=torch.float64))


def sensor_of(parameters: Tensor, picture: Tensor) -> Sensor:
    """The simulator's parameters for the pictures of cells (K,)."""
    shot = parameters[0].exp()
    matrix = torch.eye(3, dtype=parameters.dtype) + torch.einsum("k,kij->ij", parameters[7:13], _OFF_DIAGONALS)
    balance = parameters[FIXED:].view(-1, 2).exp()[picture]
    gains = torch.stack([balance[:, 0], torch.ones_like(balance[:, 0]), balance[:, 1]], 1)
    read = parameters[1].exp() * shot**2
    return Sensor(shot, read, gains, matrix, parameters[4:7], parameters[2], parameters[3])


class Problem:
    """Residuals of a fit: what was measured against the closed form, in tolerances, then priors."""

    def __init__(self, cells: Cells, start: Prior, weights: Weights) -> None:
        self.cells, self.prior = cells, start
        self.picture = torch.from_numpy(cells.picture)
        self.alone = bool(np.isnan(cells.offset).any())
        self.level = torch.from_numpy(cells.level)
        self.clean = self.level.clamp(0, WHITE)
        covariance = torch.from_numpy(cells.covariance)
        self.variance = covariance[..., 0].diagonal(dim1=1, dim2=2).clamp_min(0.1)
        scale = self.variance.sqrt()
        self.correlation = covariance / (scale[:, :, None, None] * scale[:, None, :, None])
        self.offset = torch.from_numpy(cells.offset) / scale
        self._weigh(torch.from_numpy(cells.number), weights)

    def _weigh(self, number: Tensor, weights: Weights) -> None:
        sampling = 4 / (BLOCK**2 * number)
        precision = 1 / (sampling + weights.cell**2)
        share = precision / precision.sum()
        statistical = 1 / precision.sum()
        self.by_curve = (share / (weights.curve**2 + statistical)).sqrt()
        self.by_correlation = (share / (weights.correlation**2 + statistical / 4)).sqrt()
        self.by_offset = (share / (weights.offset**2 + statistical)).sqrt()

    def predicted(self, parameters: Tensor) -> Flat:
        clean = self.clean
        return flat_noise(clean, to_linear(clean / WHITE), sensor_of(parameters, self.picture))

    def settle(self, parameters: Tensor) -> None:
        """The clean levels under the noisy ones, given the parameters."""
        if self.alone:
            for _ in range(6):
                mean = self.predicted(parameters).mean
                self.clean = (self.clean + 0.7 * (self.level - self.clean - mean)).clamp(0, WHITE)

    def residuals(self, parameters: Tensor) -> Tensor:
        seen = self.predicted(parameters)
        parts = [
            (seen.variance / self.variance).log() * self.by_curve[:, None],
            self._correlations(seen.correlation - self.correlation),
            (parameters - self.prior.mean) / self.prior.spread,
        ]
        if not self.alone:
            parts.append((seen.mean / self.variance.sqrt() - self.offset) * self.by_offset[:, None])
        return torch.cat([part.flatten() for part in parts])

    def _correlations(self, difference: Tensor) -> Tensor:
        pairs = difference[..., 0][:, [0, 0, 1], [1, 2, 2]]
        return torch.cat([pairs, difference[..., 1:].flatten(1)], 1) * self.by_correlation[:, None]


def solve(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Parameters and their covariance by Levenberg-Marquardt."""
    parameters, damping = problem.prior.mean.clone(), 1e-3
    parameters[0] = start_of(problem)
    jacobian = torch.func.jacfwd(problem.residuals)
    for _ in range(STEPS):
        problem.settle(parameters)
        residuals, slopes = problem.residuals(parameters), jacobian(parameters)
        hessian, gradient = slopes.T @ slopes, slopes.T @ residuals
        for _ in range(6):
            step = torch.linalg.solve(hessian + damping * torch.diag(hessian.diagonal()), gradient)
            trial = parameters - step
            if float(problem.residuals(trial).square().sum()) < float(residuals.square().sum()):
                parameters, damping = trial, damping / 5
                break
            damping *= 8
    slopes = jacobian(parameters)
    return parameters.numpy(), torch.linalg.inv(slopes.T @ slopes).numpy()


def start_of(problem: Problem) -> Tensor:
    """ln of shot noise that gives green its variance, other parameters being typical."""
    grid = torch.linspace(-10, -2, 33, dtype=torch.float64)
    misfit = []
    for value in grid:
        parameters = problem.prior.mean.clone()
        parameters[0] = value
        ratio = (problem.predicted(parameters).variance / problem.variance).log()[:, 1]
        misfit.append((ratio * problem.by_curve).square().sum())
    return grid[torch.stack(misfit).argmin()]
