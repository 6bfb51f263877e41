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
from nmflowgan_cli.profiles.blocks import LEAST_VARIANCE, Cells
from nmflowgan_cli.profiles.closed_form import BLOCK, Flat, Sensor, flat_noise

DIFFERENCE = 1e-4
STEPS, TRIES = 12, 6
TOLERANCE = 1e-4
"""Change of every parameter at which a fit ends."""
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
class Fit:
    """Parameters that describe some pictures, and how well they are known."""

    parameters: FloatArray
    """Camera first, then ln of the gains of red and blue of each picture."""
    covariance: FloatArray
    pictures: int
    sampled: bool = False
    """Noise of neighbouring pixels is independent."""

    @property
    def errors(self) -> FloatArray:
        """Standard errors of the parameters."""
        return np.sqrt(self.covariance.diagonal())

    @property
    def white_balance(self) -> FloatArray:
        """(pictures, 2) gains of red and blue relative to green."""
        return np.exp(self.parameters[FIXED:].reshape(-1, 2))

    def sensor(self) -> Sensor:
        """The parameters of the simulator, a row of gains for each picture."""
        return sensor_of(torch.from_numpy(self.parameters), torch.arange(self.pictures))


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


WEIGHTS = Weights()

TYPICAL = {
    "ln shot": (-5.5, 3.0),
    "ln read / shot²": (0.9, 0.6),
    "floor": (-0.01, 0.02),
    "black shift": (0.1, 0.05),
    "gain of green": (bayer.LAPLACIAN_GAINS[0], 0.1),
    "gain of red and blue at green": (bayer.LAPLACIAN_GAINS[1], 0.1),
    "gain of red at blue": (bayer.LAPLACIAN_GAINS[2], 0.1),
}
"""Means and standard deviations of the camera's parameters before a picture is seen: typical phones. Floor and black
shift: chosen on the train split of sidd/native, where dark noise is clipped more, and darker, than calibration says."""
TYPICAL_BALANCE = ((1.85, 1.9), 0.2)
"""Gains of red and blue, and the standard deviation of their natural logarithms."""
MATRIX_SPREAD = 0.15
TYPICAL_CAMERA = ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406))
"""From XYZ: the first of the matrices of Brooks et al. (CVPR 2019)."""
XYZ_OF_SRGB = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


def typical_matrix() -> Tensor:
    """Linear sRGB to the camera colours of a typical phone, (3, 3); rows add up to 1."""
    matrix = torch.tensor(TYPICAL_CAMERA, dtype=torch.float64) @ torch.tensor(XYZ_OF_SRGB, dtype=torch.float64)
    return matrix / matrix.sum(1, keepdim=True)


def prior(pictures: int) -> Prior:
    """What is held before `pictures` pictures of one camera are seen."""
    means, spreads = zip(*TYPICAL.values(), strict=True)
    (red, blue), balance_spread = TYPICAL_BALANCE
    mean = [*means, *typical_matrix()[OFF_DIAGONAL].tolist(), *pictures * (math.log(red), math.log(blue))]
    spread = [*spreads, *6 * (MATRIX_SPREAD,), *2 * pictures * (balance_spread,)]
    return Prior(torch.tensor(mean, dtype=torch.float64), torch.tensor(spread, dtype=torch.float64))


def sensor_of(parameters: Tensor, picture: Tensor, *, sampled: bool = False) -> Sensor:
    """The simulator's parameters for the pictures of cells (K,)."""
    shot = parameters[0].exp()
    matrix = torch.eye(3, dtype=parameters.dtype) + torch.einsum("k,kij->ij", parameters[7:13], _OFF_DIAGONALS)
    balance = parameters[FIXED:].view(-1, 2).exp()[picture]
    gains = torch.stack([balance[:, 0], torch.ones_like(balance[:, 0]), balance[:, 1]], 1)
    read = parameters[1].exp() * shot**2
    return Sensor(shot, read, gains, matrix, parameters[4:7], parameters[2], parameters[3], sampled)


class Problem:
    """Residuals of a fit: what was measured against the closed form, in tolerances, then priors."""

    def __init__(
        self, cells: Cells, weights: Weights = WEIGHTS, *, pictures: int | None = None, sampled: bool = False
    ) -> None:
        self.pictures = pictures or int(cells.picture.max()) + 1
        self.sampled = sampled
        self.prior = prior(self.pictures)
        self.picture = torch.from_numpy(cells.picture)
        self.alone = bool(np.isnan(cells.offset).any())
        self.level = torch.from_numpy(cells.level)
        self.clean = self.level.clamp(0, WHITE)
        covariance = torch.from_numpy(cells.covariance)
        self.variance = covariance[..., 0].diagonal(dim1=1, dim2=2).clamp_min(LEAST_VARIANCE)
        scale = self.variance.sqrt()
        self.correlation = covariance / (scale[:, :, None, None] * scale[:, None, :, None])
        self.offset = torch.from_numpy(cells.offset) / scale
        self.number = torch.from_numpy(cells.number)
        self._weigh(self.number, weights)

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
        return flat_noise(clean, to_linear(clean / WHITE), sensor_of(parameters, self.picture, sampled=self.sampled))

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


def solve(problem: Problem, start: FloatArray | None = None) -> Fit:
    """The least squares by Levenberg-Marquardt, from `start` or from a typical phone."""
    parameters = _start(problem) if start is None else torch.from_numpy(start)
    damping = 1e-3
    for _ in range(STEPS):
        problem.settle(parameters)
        residuals, slopes = problem.residuals(parameters), _slopes(problem, parameters)
        moved, damping = _step(problem, parameters, residuals, slopes, damping)
        if float((moved - parameters).abs().max()) < TOLERANCE:
            break
        parameters = moved
    slopes = _slopes(problem, parameters)
    return Fit(parameters.numpy(), torch.linalg.inv(slopes.T @ slopes).numpy(), problem.pictures, problem.sampled)


def _slopes(problem: Problem, parameters: Tensor) -> Tensor:
    """Derivatives of the residuals, by central differences: torch.func would take longer to load than this to run."""
    steps = DIFFERENCE * torch.eye(len(parameters), dtype=parameters.dtype)
    columns = [problem.residuals(parameters + step) - problem.residuals(parameters - step) for step in steps]
    return torch.stack(columns, 1) / (2 * DIFFERENCE)


def _step(
    problem: Problem, parameters: Tensor, residuals: Tensor, slopes: Tensor, damping: float
) -> tuple[Tensor, float]:
    """Better parameters, or the same ones, and the damping of the next step."""
    hessian, gradient = slopes.T @ slopes, slopes.T @ residuals
    for _ in range(TRIES):
        moved = parameters - torch.linalg.solve(hessian + damping * torch.diag(hessian.diagonal()), gradient)
        if float(problem.residuals(moved).square().sum()) < float(residuals.square().sum()):
            return moved, damping / 5
        damping *= 8
    return parameters, damping


def _start(problem: Problem) -> Tensor:
    """A typical phone, with the shot noise that gives green its variance."""
    grid = torch.linspace(-10, -2, 33, dtype=torch.float64)
    misfit = []
    for value in grid:
        parameters = problem.prior.mean.clone()
        parameters[0] = value
        ratio = (problem.predicted(parameters).variance / problem.variance).log()[:, 1]
        misfit.append((ratio * problem.by_curve).square().sum())
    parameters = problem.prior.mean.clone()
    parameters[0] = grid[torch.stack(misfit).argmin()]
    return parameters
