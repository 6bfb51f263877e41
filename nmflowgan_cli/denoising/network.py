"""The contract of a denoiser's network."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from nmflowgan_cli.tiling import Geometry


class Network(nn.Module, ABC):
    """A blind denoiser: it sees neither camera nor ISO nor noise level."""

    geometry: Geometry
    """How it may be tiled."""

    @abstractmethod
    def forward(self, noisy: Tensor) -> Tensor:
        """Denoised counts of noisy counts, (N, 3, H, W) float32; neither rounded nor clipped.

        H and W are multiples of `geometry.multiple`.
        """

    def start_average_statistics(self) -> None:
        """Have layers with running statistics keep the mean of those of the batches from here on, if there are any."""
