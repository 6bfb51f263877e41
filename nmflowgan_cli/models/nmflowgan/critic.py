"""Critics: networks that discriminate real from synthetic noise, given the clean picture.

`PaperCritic` is the paper's (Han & Yu, section III-D, https://arxiv.org/abs/2312.10112);
`PatchCritic` is a small one that judges every neighbourhood for itself.
"""

import torch
from torch import Tensor, nn

from nmflowgan_cli.models.flow import LEVELS

SLOPE = 0.2
PAPER_PATCH = 96


def _normalised_convolution(in_channels: int, out_channels: int, *, stride: int) -> nn.Sequential:
    """A convolution that keeps (3x3) or halves (4x4) the size, instance norm and LeakyReLU."""
    kernel = 3 if stride == 1 else 4
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, 1),
        nn.InstanceNorm2d(out_channels, affine=True),
        nn.LeakyReLU(SLOPE),
    )


class PaperCritic(nn.Module):
    """The critic of `paper`: ten convolutions and two linear layers, for 96x96 patches only."""

    def __init__(self) -> None:
        super().__init__()
        steps = [(64, 64, 2), (64, 128, 1), (128, 128, 2), (128, 256, 1), (256, 256, 2)]
        steps += [(256, 512, 1), (512, 512, 2), (512, 512, 1), (512, 512, 2)]
        self.first = nn.Conv2d(6, 64, 7, padding=3)
        self.blocks = nn.Sequential(*(_normalised_convolution(i, o, stride=stride) for i, o, stride in steps))
        side = PAPER_PATCH // 2**5
        self.head = nn.Sequential(nn.Linear(512 * side * side, 100), nn.LeakyReLU(SLOPE), nn.Linear(100, 1))

    def forward(self, noise: Tensor, clean: Tensor) -> Tensor:
        """Scores (N,); `noise` and `clean`: (N, 3, 96, 96), counts."""
        inputs = torch.cat([noise, clean], 1) / LEVELS
        return self.head(self.blocks(self.first(inputs)).flatten(1)).squeeze(1)


class PatchCritic(nn.Module):
    """The critic of `lite`: five convolutions without norm, and a logit for each neighbourhood.

    Each logit sees 12x12 places: noise has no long shapes, and a picture then counts as many samples.
    `lite` gives it folded pictures (see spatial.py), where a place is a Bayer cell.
    """

    def __init__(self, in_channels: int, *, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, H // 2, W // 2), positive for real; `x`: (N, in_channels, H, W), H and W from 2."""
        return self.layers(x)
