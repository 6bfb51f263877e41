"""U-Net: the denoiser that learns most in a minute of a CPU.

Residual blocks at a half, a quarter and an eighth of the resolution, below a shuffle of 2x2 pixels into channels; no
normalisation, no statistics of the whole picture. A step costs a fourteenth of DnCNN's per pixel, and it sees ten
times as far. The shape is that of Ronneberger et al., https://arxiv.org/abs/1505.04597, with sums in place of
concatenations as in NAFNet, Chen et al., https://arxiv.org/abs/2204.04676.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, relu

from nmflowgan_cli.denoising.network import Network
from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.tiling import Geometry

SHUFFLE = 2
"""Side of the squares of pixels that become channels."""
MUTED = 0.1
"""Factor on the last weights of a block at the start, so that it changes little."""


class Block(nn.Module):
    """Two 3x3 convolutions, added to what comes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        with torch.no_grad():
            self.second.weight.mul_(MUTED)
            self.second.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(relu(self.first(x)))


class UNet(Network):
    """Predicts the noise, which is then taken off the picture; 697,128 parameters by default."""

    def __init__(self, *, widths: Sequence[int] = (32, 64, 96), blocks: int = 2) -> None:
        """`widths`: channels of the levels, from half the resolution down; `blocks`: of each level and side."""
        super().__init__()
        if not widths or min(*widths, blocks, 1) < 1:
            raise ValueError(f"a U-Net of widths {list(widths)} and {blocks} blocks")
        self.head = nn.Conv2d(3 * SHUFFLE**2, widths[0], 3, padding=1)
        self.encoder = nn.ModuleList(_blocks(width, blocks) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(widths))
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairwise(widths))
        self.decoder = nn.ModuleList(_blocks(width, blocks) for width in widths[:-1])
        self.tail = nn.Conv2d(widths[0], 3 * SHUFFLE**2, 3, padding=1)
        for parameter in self.tail.parameters():
            nn.init.zeros_(parameter)  # nothing is taken off at first
        self.geometry = _geometry(len(widths), blocks)

    def forward(self, noisy: Tensor) -> Tensor:
        """See Network."""
        features, skipped = self.head(pixel_unshuffle(noisy / WHITE, SHUFFLE)), []
        for encode, down in zip(self.encoder, self.down, strict=False):
            skipped.append(encode(features))
            features = down(skipped[-1])
        features = self.encoder[-1](features)
        for up, decode, skip in reversed(list(zip(self.up, self.decoder, skipped, strict=True))):
            features = decode(pixel_shuffle(up(features), 2) + skip)
        return noisy - WHITE * pixel_shuffle(self.tail(features), SHUFFLE)


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))


def _geometry(levels: int, blocks: int) -> Geometry:
    """A 3x3 convolution reaches a position of its level further; below the coarsest level squares are aligned."""
    sides = [SHUFFLE * 2**level for level in range(levels)]
    convolutions = 2 * SHUFFLE + sum(2 * blocks * side * (1 if side == sides[-1] else 2) for side in sides)
    multiple = sides[-1]
    return Geometry(multiple=multiple, context=-(-(convolutions + multiple) // multiple) * multiple, border=0)
