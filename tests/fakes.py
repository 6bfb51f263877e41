"""Small noise models with random weights: the laws of synthesis hold for any model."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nmflowgan_cli.checkpoints.build import build
from nmflowgan_cli.checkpoints.format import Header, save_weights
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.models.base import Code, Fields, Geometry, NoiseModel, Window

VOCABULARY = Vocabulary(
    ("GP", "IP", "S6"), (100, 400, 800, 3200), {"GP": {100: 5, 800: 2}, "IP": {100: 1, 400: 3, 3200: 1}, "S6": {}}
)


class ConvolutionNoise(nn.Module, NoiseModel):
    """Three 3x3 convolutions on clean picture and fields, so each pixel depends on 3 pixels around it."""

    vocabulary = VOCABULARY

    def __init__(self, *, context: int = 4, border: int = 4, multiple: int = 4) -> None:
        super().__init__()
        self.geometry = Geometry(multiple, context, border)
        with torch.random.fork_rng([]):
            torch.manual_seed(3)
            self.net = nn.Sequential(
                nn.Conv2d(9, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()
            )
            self.last = nn.Conv2d(16, 3, 3, padding=1)
        self.requires_grad_(False)

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Tensor | None = None) -> Tensor:
        assert clean.shape == fields.latent.shape == fields.uniform.shape
        mixed = self.last(self.net(torch.cat([clean / 255, fields.latent, fields.uniform], 1)))
        strength = 6 + 4 * code.log_iso[:, None, None, None] + 9 * code.camera[:, 1, None, None, None]
        return clean + strength * (mixed + fields.latent) + (0 if statistics is None else statistics)


class StatisticalNoise(ConvolutionNoise):
    """Needs the mean of the whole picture before it can do a window of it."""

    def statistics(self, windows: Callable[[], Iterable[Window]], code: Code) -> Tensor:
        passes = [
            sum(((clean.double() + fields.latent).sum((2, 3), keepdim=True) for clean, fields in windows()), 0)
            for _ in range(2)
        ]
        assert torch.equal(*passes)
        pixels = sum(clean[0, 0].numel() for clean, _ in windows())
        return (passes[0] / pixels).float() / 10


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth colourful picture, (height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [np.sin(x / (9 + 5 * c) + y / (17 - 3 * c) + phase[c]) for c in range(3)]
    return (127 + 120 * np.stack(waves, 2)).astype(np.uint8)


def save_untrained(path: Path, header: Header) -> Path:
    """A weights file of the model that `header` describes, as it starts; always the same."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        save_weights(path, build(header).state_dict(), header)  # type: ignore[attr-defined]
    return path
