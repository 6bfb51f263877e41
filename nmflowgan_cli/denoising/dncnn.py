"""DnCNN: the denoiser by which noise models are judged, always the same.

Zhang et al., "Beyond a Gaussian Denoiser", 2017, https://arxiv.org/abs/1608.03981; depth, width and batch norm as in
the denoising experiments of Han & Yu, https://arxiv.org/abs/2312.10112 (section IV). It is blind: it sees neither
camera nor ISO nor noise level.
"""

import torch
from torch import Tensor, nn

from nmflowgan_cli.denoising.network import Network
from nmflowgan_cli.models.flow import LEVELS
from nmflowgan_cli.tiling import Geometry

MOMENTUM, EPSILON = 0.9, 1e-4


class DnCNN(Network):
    """3x3 convolutions that predict the noise, which is then taken off the picture; 596,419 parameters by default."""

    def __init__(self, *, depth: int = 18, width: int = 64) -> None:
        """`depth`: convolutions, 2 or more, all but the first and the last with batch norm; `width`: their channels."""
        super().__init__()
        if depth < 2 or width < 1:
            raise ValueError(f"a DnCNN of depth {depth} and width {width}")
        self.geometry = Geometry(multiple=1, context=depth, border=0)
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            norm = nn.BatchNorm2d(width, eps=EPSILON, momentum=MOMENTUM)
            layers += [nn.Conv2d(width, width, 3, padding=1), norm, nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """torch's random weights, but each hidden channel also passes itself on, and nothing is taken off at first.

        So the last layer sees the picture from the first step on: 120 steps of 4 patches gained 0.95 dB, and nothing
        with random weights alone. The paper's 345,000 steps of 128 need no such help.
        """
        first, *hidden, last = (layer for layer in self.layers if isinstance(layer, nn.Conv2d))
        for convolution in hidden:
            convolution.weight[:, :, 1, 1] += torch.eye(first.out_channels)
        for parameter in last.parameters():
            parameter.zero_()

    def forward(self, noisy: Tensor) -> Tensor:
        """See Network."""
        return noisy - LEVELS * self.layers(noisy / LEVELS)

    @torch.no_grad()
    def start_average_statistics(self) -> None:
        """See Network.

        The paper's momentum of 0.9 leaves them those of the last batch, so that a denoiser of small batches does now
        better, now worse. Used for some batches after the last step.
        """
        for norm in self.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.reset_running_stats()
                norm.momentum = None
