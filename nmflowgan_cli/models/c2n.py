"""C2N: noise from the clean picture and a random vector, learned without pairs; it knows no camera and no ISO.

Features of the clean picture and of the vector give mean and deviation of a normal field (noise that depends on the
signal); a uniform field is noise that does not. Residual blocks of 1x1 and of 3x3 kernels make pixels of both.
Jang, Lee, Son, Lee, "C2N: Practical Generative Noise Modeling for Real-World Denoising", ICCV 2021. Inside, channels
are blue, green, red, as in the authors' pictures.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.models.base import WHITE, Code, Draws, Fields, Geometry, NoiseModel

VECTOR = 32
"""Random numbers of a picture."""
BLOCKS = 5
INDEPENDENT_BLOCKS, DEPENDENT_BLOCKS = 3, 2
LEAST_DEVIATION = 1e-6
FIRST_NOISE = 0.05
"""Factor on the first weights of the last layer: a few counts of noise, where torch's own start has about 80."""
REACH = 3 + 2 * BLOCKS + 2 * INDEPENDENT_BLOCKS
"""Pixels from one that decides about another: each 3x3 kernel adds one."""


class ReflectedConvolution(nn.Conv2d):
    """A convolution that keeps the size: pictures are reflected at their borders, or repeated where a side is 1."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel, bias=bias)
        self.margin = kernel // 2

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        if self.margin:
            mode = "reflect" if min(input.shape[-2:]) > self.margin else "replicate"
            input = functional.pad(input, [self.margin] * 4, mode)  # noqa: A001
        return super().forward(input)


class ResidualBlock(nn.Module):
    """x + net(x): two convolutions with a PReLU between them."""

    def __init__(self, channels: int, convolution: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(convolution(channels, channels), nn.PReLU(), convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Pipes(nn.Module):
    """A feature field through residual blocks of 1x1 and of 3x3 kernels, side by side; the sum of both."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.merge = ReflectedConvolution(channels, channels, 1)
        self.pointwise, self.spatial = (
            nn.Sequential(*(ResidualBlock(channels, convolution_of(kernel, bias=False)) for _ in range(blocks)))
            for kernel in (1, 3)
        )

    def forward(self, field: Tensor) -> Tensor:
        merged = self.merge(field)
        return self.pointwise(merged) + self.spatial(merged)


class C2N(nn.Module, NoiseModel):  # pyright: ignore[reportIncompatibleMethodOverride]  (`to` is torch's)
    """C2N as published, 2 154 068 parameters at its `width` of 64; `code` means nothing to it."""

    geometry = Geometry(multiple=1, context=REACH, border=REACH)

    def __init__(self, vocabulary: Vocabulary, *, width: int = 64) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.draws = Draws(latent=width, uniform=width, whole=VECTOR)
        convolution = convolution_of(3)
        self.head = nn.Sequential(convolution(3, width), nn.PReLU(), convolution(width, 2 * width))
        self.merge = nn.Sequential(convolution(2 * width + VECTOR, 2 * width), nn.PReLU())
        self.body = nn.Sequential(*(ResidualBlock(2 * width, convolution) for _ in range(BLOCKS)))
        self.independent = Pipes(width, INDEPENDENT_BLOCKS)
        self.dependent = Pipes(width, DEPENDENT_BLOCKS)
        self.tail = ReflectedConvolution(width, 3, 1)
        with torch.no_grad():
            self.tail.weight.mul_(FIRST_NOISE)
            nn.init.zeros_(cast(Tensor, self.tail.bias))

    def moments(self, clean: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the dependent feature, each (N, width, H, W).

        `clean`: (N, 3, H, W) blue, green, red in [0, 1]; `vector`: (N, 32) standard normal.
        """
        tiled = vector[..., None, None].expand(-1, -1, *clean.shape[-2:])
        mean, raw = self.body(self.merge(torch.cat([self.head(clean), tiled], 1))).chunk(2, 1)
        return mean, functional.relu(raw) + LEAST_DEVIATION

    def noise(self, clean: Tensor, fields: Fields) -> Tensor:
        """(N, 3, H, W) in [0, 1] units; `clean` as in `moments`."""
        mean, deviation = self.moments(clean, fields.whole)
        return self.tail(self.independent(fields.uniform) + self.dependent(mean + deviation * fields.latent))

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: None = None) -> Tensor:
        return clean + WHITE * self.noise(clean.flip(1) / WHITE, fields).flip(1)

    def extended(self, vocabulary: Vocabulary) -> dict[str, Tensor]:
        """See NoiseModel: as it is, since nothing in it is of a camera or an ISO."""
        return dict(self.state_dict())


def convolution_of(kernel: int, *, bias: bool = True) -> Callable[[int, int], ReflectedConvolution]:
    """Makes convolutions of this kernel, from channels in and channels out."""
    return lambda in_channels, out_channels: ReflectedConvolution(in_channels, out_channels, kernel, bias=bias)
