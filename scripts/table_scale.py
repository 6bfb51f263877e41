"""Measure how much smaller darktable's noise profiles are than the noise of raw values: the constant of the table.

Its tool takes demosaiced pictures in linear light, without white balance, and per level the variance of the diagonal
detail of one Haar level, (a - b - c + d) / 4, by the median of absolute values. The same is done here to simulated raw
noise of known shot and read variance, with three kinds of demosaicing. A grey wall has less red and blue than green in
raw values, and its interpolated reds and blues carry the noise of the stronger green: so a table's red and blue exceed
its green by the white balance of the light.

    python scripts/table_scale.py
"""

import itertools
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nmflowgan_cli.models import bayer

SHOT, READ = 1e-4, 1e-6
LEVELS = np.linspace(0.04, 0.6, 8)
SIDE = 512
BALANCES = ((1.0, 1.0), (1.6, 1.6), (2.0, 1.6), (2.4, 1.4), (1.6, 2.2))
Demosaic = Callable[[Tensor], Tensor]
PHASE = torch.zeros(1, dtype=torch.long)


def raw_noise(level: float, gains: tuple[float, float], generator: torch.Generator) -> Tensor:
    """The mosaic (1, 1, SIDE, SIDE) of a grey wall in light that needs these gains: green at `level`."""
    colours = torch.tensor([[1 / gains[0], 1.0, 1 / gains[1]]])[:, :, None, None].expand(1, 3, SIDE, SIDE)
    raw = level * bayer.mosaic(colours, PHASE)
    return raw + torch.randn(raw.shape, generator=generator) * (SHOT * raw + READ).sqrt()


def linear(mosaic: Tensor) -> Tensor:
    return bayer.demosaic(mosaic, PHASE)[0]


def bilinear(mosaic: Tensor) -> Tensor:
    return bayer.demosaic(mosaic, PHASE, torch.zeros(1, 3))[0]


def directed(mosaic: Tensor) -> Tensor:
    """Demosaicing by pattern recognition of edges: green along the direction that changes least, then hue (3, H, W)."""
    x = mosaic[0, 0]

    def shifted(dy: int, dx: int) -> Tensor:
        return torch.roll(x, (-dy, -dx), (0, 1))

    estimates, changes = [], []
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        near, far, back = shifted(dy, dx), shifted(2 * dy, 2 * dx), shifted(-dy, -dx)
        changes.append(2 * (x - far).abs() + (back - near).abs())
        estimates.append(near * 0.75 + back * 0.25 + (x - far) * 0.25)
    chosen = torch.stack(changes).argmin(0, keepdim=True)
    sites = bayer.site_map(PHASE, *x.shape)[0]
    green = torch.where((sites[1] + sites[2]) > 0, x, torch.stack(estimates).gather(0, chosen)[0])
    kernel = torch.tensor([[0.25, 0.5, 0.25], [0.5, 1.0, 0.5], [0.25, 0.5, 0.25]])[None, None]
    hues = [
        green + functional.conv2d((site * (x - green))[None, None], kernel, padding=1)[0, 0]
        for site in (sites[0], sites[3])
    ]
    return torch.stack([hues[0], green, hues[1]])


def table_variance(picture: Tensor) -> NDArray[np.float64]:
    """What the table would say of a flat picture (3, H, W): (3,)."""
    inner = picture[:, 8:-8, 8:-8].numpy()
    a, b, c, d = (inner[:, top::2, left::2] for top, left in itertools.product((0, 1), repeat=2))
    return (np.median(np.abs(a - b - c + d) / 4, axis=(1, 2)) / 0.6745) ** 2


def constants(demosaic: Demosaic, gains: tuple[float, float]) -> NDArray[np.float64]:
    """Raw shot variance / the table's `a` of red, green and blue, each over its own level: (3,)."""
    generator = torch.Generator().manual_seed(0)
    found = np.array([table_variance(demosaic(raw_noise(level, gains, generator))) for level in LEVELS])
    slopes = [
        np.polyfit(LEVELS / gain, found[:, channel], 1)[0] for channel, gain in enumerate((gains[0], 1, gains[1]))
    ]
    return SHOT / np.array(slopes)


def main() -> None:
    for demosaic in (linear, bilinear, directed):
        for gains in BALANCES:
            red, green, blue = constants(demosaic, gains)
            print(
                f"{demosaic.__name__:9} light that needs {gains[0]:.1f} {gains[1]:.1f}: raw / table {red:5.1f} "
                f"{green:5.1f} {blue:5.1f}; a of red, blue / green {green / red:.2f} {green / blue:.2f}"
            )


if __name__ == "__main__":
    main()
