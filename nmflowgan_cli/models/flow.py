"""The pixel-wise flow: the interface of its layers, and those that both architectures share.

Data -> latent is `forward`. Every layer is affine in its input once the clean picture and the
code are given, so the whole chain is a Gaussian for each pixel (`moments` of nmflowgan/paper.py).
Paper: Han & Yu, "NM-FlowGAN", sections III-B and III-C, https://arxiv.org/abs/2312.10112.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from nmflowgan_cli.models.base import Code

LEVELS = 256
"""Counts that make 1 in the flow domain."""


class Given(NamedTuple):
    """The conditions of a layer."""

    clean: Tensor
    """(N, 3, H, W) clean picture in the flow domain (counts / 256)."""
    code: Code
    features: Tensor
    """(N, F, H, W) features of each pixel, see `pixel_features` of nmflowgan/lite.py; F may be 0."""


class Bijection(nn.Module):
    """An invertible map of (N, 3, H, W) pictures, given the clean picture and the code."""

    @abstractmethod
    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        """z of the shape of `x`, and ln|det dz/dx| summed over each sample, of shape (N,)."""

    @abstractmethod
    def inverse(self, z: Tensor, given: Given) -> Tensor:
        """The x for which `forward(x, given)` gives `z`."""


class Chain(Bijection):
    """Bijections one after the other, data -> latent."""

    def __init__(self, *layers: Bijection) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    @property
    def bijections(self) -> list[Bijection]:
        return cast("list[Bijection]", list(self.layers))

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        log_det = x.new_zeros(len(x))
        for layer in self.bijections:
            x, layer_log_det = layer(x, given)
            log_det = log_det + layer_log_det
        return x, log_det

    def inverse(self, z: Tensor, given: Given) -> Tensor:
        for layer in reversed(self.bijections):
            z = layer.inverse(z, given)
        return z


class NoiseExtraction(Bijection):
    """The noise itself: noisy minus clean. Volume preserving. Paper section III-B."""

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        return x - given.clean, x.new_zeros(len(x))

    def inverse(self, z: Tensor, given: Given) -> Tensor:
        return z + given.clean


class ConditionalAffine(Bijection):
    """z = exp(log_scale) x + bias, with maps that depend on the clean picture and the code."""

    @abstractmethod
    def coefficients(self, given: Given) -> tuple[Tensor, Tensor]:
        """log_scale and bias, each of a shape that broadcasts to (N, 3, H, W)."""

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        log_scale, bias = self.coefficients(given)
        return log_scale.exp() * x + bias, log_scale.expand_as(x).flatten(1).sum(1)

    def inverse(self, z: Tensor, given: Given) -> Tensor:
        log_scale, bias = self.coefficients(given)
        return (z - bias) * (-log_scale).exp_()


def by_row(layer: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """`layer` of (N, features); without gradients row by row, as the last bit of a row depends on their number.

    On the CPU never in bfloat16: what holds for all pixels would be off by a percent.
    """
    with torch.autocast("cpu", enabled=False):
        if torch.is_grad_enabled() or len(rows) == 1:
            return layer(rows)
        return torch.cat([layer(row) for row in rows.split(1)])


def dequantise(counts: Tensor, uniform: Tensor) -> Tensor:
    """Integer counts as flow-domain values, (counts + u) / 256 with u in [0, 1). Paper section III-B."""
    return (counts + uniform) / LEVELS


def dequantisation_log_det(counts: Tensor) -> Tensor:
    """ln|det| of `dequantise` for each sample: -ln 256 a value, of shape (N,)."""
    return counts.new_full((len(counts),), -math.log(LEVELS) * counts[0].numel())


def quantise(x: Tensor) -> Tensor:
    """The inverse of `dequantise`: integer counts in [0, 255]."""
    return (x * LEVELS).floor().clamp(0, LEVELS - 1)


def standard_normal_log_density(z: Tensor) -> Tensor:
    """ln N(z; 0, 1) summed over each sample, of shape (N,)."""
    return (-0.5 * z.square() - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)


def likelihood(flow: Bijection, noisy: Tensor, given: Given, uniform: Tensor | float) -> tuple[Tensor, Tensor]:
    """-ln p(noisy | given) in nats, summed over each sample, of shape (N,), and the latents (N, 3, H, W).

    `noisy`: (N, 3, H, W) counts. Integer counts want `uniform` noise in [0, 1) to dequantise them; simulated
    counts that were never rounded are points already, and 0.5 maps them to themselves. Paper section III-B.
    """
    z, log_det = flow(dequantise(noisy, torch.as_tensor(uniform)), given)
    return -(standard_normal_log_density(z) + log_det + dequantisation_log_det(noisy)), z
