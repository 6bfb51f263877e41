"""The spatial network of `lite`: a U-Net that treats the four sites of a Bayer cell as channels.

What demosaicing does to noise is a linear filter, another one for each site. Seen pixel by pixel, a network would
have to switch between the four; with the sites folded into channels an ordinary convolution is all of them at
once, at a quarter of the pixels. Beside the U-Net one such convolution carries the linear part by itself.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.convolution import convolve
from nmflowgan_cli.models.nmflowgan.unet import UNet, reflect_to_multiple

FOLDED = 3 * bayer.SITES
"""Channels of a folded picture."""


class SpatialNetwork(nn.Module):
    """x + filter(x) + U-Net([x, context]) on folded pictures; starts as the identity.

    `widths`: channels of the U-Net's levels, the first of which has half the picture's sides. `context`: channels of
    what it sees beside the noise.
    """

    def __init__(self, widths: Sequence[int], *, context: int = FOLDED) -> None:
        super().__init__()
        self.filter = nn.Conv2d(FOLDED, FOLDED, 3, padding=1, bias=False)
        nn.init.zeros_(self.filter.weight)
        self.unet = UNet(widths, channels=FOLDED, extra_channels=context, zero_init=True)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(N, 3, H, W), H and W from 1, with a red site at the upper left; `context`: (N, channels, H / 2, W / 2)."""
        height, width = x.shape[-2:]
        folded = bayer.fold(reflect_to_multiple(x, bayer.CELL))
        return bayer.unfold(self.unet(folded, context) + convolve(self.filter, folded))[..., :height, :width]


class Unchanged(nn.Module):
    """In place of the spatial network, where a model is built without it: latents stay white."""

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return x


def reach(levels: int) -> int:
    """The receptive field in pixels each way: each level has two convolutions down and two up."""
    cells = sum(2 * 2**level * (2 if level < levels - 1 else 1) for level in range(levels)) + 2 ** (levels - 1)
    return bayer.CELL * cells
