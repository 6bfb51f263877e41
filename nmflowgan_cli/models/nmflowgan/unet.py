"""The spatial network: a residual U-Net that gives pixel-wise noise its correlation between neighbours.

One class serves both architectures: `paper` (widths 64, 128, 256, 512, 1024; 31.03 M parameters) and
`lite` (see spatial.py; narrow, and with condition channels beside the noise).
Paper: Han & Yu, "NM-FlowGAN", section III-D, https://arxiv.org/abs/2312.10112, after
Ronneberger et al., "U-Net" (2015), https://arxiv.org/abs/1505.04597.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmflowgan_cli.models.convolution import convolve
from nmflowgan_cli.reflection import reflected

PAPER_WIDTHS = (64, 128, 256, 512, 1024)


def reflect_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """`x` (..., H, W), reflected at the bottom and the right until both sides are multiples of `multiple`."""
    for dim in (-2, -1):
        size = x.shape[dim]
        padded = -(-size // multiple) * multiple
        if padded != size:
            x = x.index_select(dim, reflected(torch.arange(padded, device=x.device), size))
    return x


class ConvolutionPair(nn.Module):
    """Twice a 3x3 convolution and ReLU, then channel dropout where `dropout` > 0."""

    def __init__(self, in_channels: int, out_channels: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.first, self.second):
            x = convolve(layer, x, relu=True)
        return self.dropout(x)


class UpBlock(nn.Module):
    """Twice the size by a transposed convolution, joined with the skip connection of that size."""

    def __init__(self, in_channels: int, out_channels: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.pair = ConvolutionPair(2 * out_channels, out_channels, dropout=dropout)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.pair(torch.cat([self.up(x), skip], 1))


class UNet(nn.Module):
    """x + net([x, extra]) on pictures of any size; no norm, no output activation.

    `widths`: channels of each level, fine to coarse. `channels`: of the noise, in and out.
    `extra_channels`: of the conditions that the net may see beside it. `dropout`: channel dropout
    after each pair of the up path (the official code has .15 there, whatever its configuration says).
    `zero_init`: the last convolution starts at zero, and so the whole network as the identity.
    """

    def __init__(
        self,
        widths: Sequence[int] = PAPER_WIDTHS,
        *,
        channels: int = 3,
        extra_channels: int = 0,
        dropout: float = 0.0,
        zero_init: bool = False,
    ) -> None:
        super().__init__()
        self.down = nn.ModuleList(ConvolutionPair(i, o) for i, o in pairwise([channels + extra_channels, *widths]))
        self.up = nn.ModuleList(UpBlock(i, o, dropout=dropout) for i, o in pairwise(reversed(widths)))
        self.last = nn.Conv2d(widths[0], channels, 1)
        self.multiple = 2 ** (len(widths) - 1)
        if zero_init:
            for parameter in self.last.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        """(N, channels, H, W), H and W from 1; `extra`: (N, extra_channels, H, W)."""
        height, width = x.shape[-2:]
        inputs = x if extra is None else torch.cat([x, extra], 1)
        return x + self.net(reflect_to_multiple(inputs, self.multiple))[..., :height, :width]

    def net(self, x: Tensor) -> Tensor:
        """The network without its global residual; sides must be multiples of `multiple`."""
        skips: list[Tensor] = []
        for level, pair in enumerate(self.down):
            x = pair(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = block(x, skip)
        return convolve(self.last, x)
