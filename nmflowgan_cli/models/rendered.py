"""Noise of pictures that the camera rendered itself: denoised, sharpened and compressed.

No physics is left in such noise that could be inverted, but three statistics describe it: its strength by level and
texture (a camera that denoises leaves more noise in textured areas), its correlation between pixels and colours, and
the variation of its strength from place to place. A `Rendering` holds them, for one camera and ISO.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.models import texture
from nmflowgan_cli.models.base import WHITE, Code, Fields, Geometry, NoiseModel
from nmflowgan_cli.models.flow import LEVELS

TERMS = 4 + texture.FEATURES
"""Terms of the logarithmic variance: 1, level, its square and its cube, then the texture."""
LOG_VARIANCE = (-3.0, 7.0)
"""The range of the logarithmic variance: standard deviations of 0.2 to 33 counts."""
PATCH = 3.0
"""The extent in pixels of places where the strength varies: the standard deviation of a Gaussian window."""


@dataclass(frozen=True)
class Rendering:
    """The statistics of one camera's noise at one ISO.

    `strength`: for each channel the coefficients of ln(variance in squared counts) in the terms of `terms`.
    `kernel`: [channel][source][row][column], odd sides: white noise of three sources through it has the correlation of
    the noise, and unit variance in each channel.
    `variation`: the standard deviation of ln(strength) from place to place.
    """

    strength: tuple[tuple[float, ...], ...]
    kernel: tuple[tuple[tuple[tuple[float, ...], ...], ...], ...]
    variation: float


def terms(clean: Tensor) -> Tensor:
    """The terms of the logarithmic variance at clean counts (N, 3, H, W): float32 (N, 3, 7, H, W)."""
    level = clean / WHITE
    powers = torch.stack([torch.ones_like(level), level, level.square(), level**3], 2)
    features = texture.texture(clean / LEVELS)[:, None].expand(-1, level.shape[1], -1, -1, -1)
    return torch.cat([powers, features], 2)


def log_variance(clean: Tensor, strength: Tensor) -> Tensor:
    """ln(variance in squared counts) at clean counts (N, 3, H, W), with coefficients (3, 7); shaped as `clean`."""
    return torch.einsum("nckhw,ck->nchw", terms(clean), strength).clamp(*LOG_VARIANCE)


class RenderedNoise(NoiseModel):
    """noisy = clean + strength(level, texture) * variation * coloured noise."""

    geometry = Geometry(multiple=1, context=texture.REACH, border=texture.REACH)

    def __init__(self, rendering: Rendering, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.variation = rendering.variation
        self.strength = torch.tensor(rendering.strength)
        self.kernel = torch.tensor(rendering.kernel)
        self.window = _gaussian(PATCH, texture.REACH)

    def to(self, device: torch.device | str) -> "RenderedNoise":
        for name in ("strength", "kernel", "window"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Any = None) -> Tensor:
        """See `NoiseModel.sample`."""
        coloured = functional.conv2d(fields.latent, self.kernel, padding=self.kernel.shape[2] // 2)
        # In float64: the last bits of these filters depend on the size of the window, and rounding would show them.
        log_strength = log_variance(clean.double(), self.strength.double()) / 2
        return clean + coloured * (log_strength + self._log_variation(fields.uniform.double())).float().exp()

    def _log_variation(self, uniform: Tensor) -> Tensor:
        """ln(strength) of each place, (N, 1, H, W), of uniform fields; the mean variance stays."""
        normal = torch.special.ndtri(uniform[:, :1].clamp_min(1e-7))
        for window in (self.window[:, None], self.window[None]):
            normal = functional.conv2d(normal, window[None, None].to(normal), padding="same")
        return self.variation * normal - self.variation**2


def _gaussian(extent: float, reach: int) -> Tensor:
    """A window whose result on white noise has unit variance, 2 * reach + 1 taps."""
    taps = (-torch.arange(-reach, reach + 1.0).square() / (2 * extent**2)).exp()
    return taps / taps.square().sum().sqrt()
