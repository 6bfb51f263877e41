"""The Bayer colour filter array: which site a pixel sits on, mosaic, and linear demosaicing.

Sites are numbered as in the RGGB pattern: 0 red, 1 green in a red row, 2 green in a blue row, 3 blue.
A phase (0 .. 3) says which site the upper left pixel has.
Demosaicing: Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color
images", ICASSP 2004; see also https://www.ipol.im/pub/art/2011/g_mhcd/.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

SITES = 4
CELL = 2
"""Side of the cell that repeats, pixels."""
LAPLACIAN_GAINS = (1 / 2, 5 / 8, 3 / 4)
"""Weights of the second-difference corrections in the published filters: green, red/blue at green, red at blue."""


def site_map(phase: Tensor, height: int, width: int) -> Tensor:
    """One-hot map of Bayer sites, float32 (N, 4, height, width), for phases (N,) of the upper left pixel."""
    rows = torch.arange(height, device=phase.device)[None, :, None] + (phase // 2)[:, None, None]
    columns = torch.arange(width, device=phase.device)[None, None, :] + (phase % 2)[:, None, None]
    sites = rows % 2 * 2 + columns % 2
    return functional.one_hot(sites, SITES).permute(0, 3, 1, 2).float()


def fold(picture: Tensor) -> Tensor:
    """Every cell becomes a pixel, and its sites channels: (N, C, H, W), even sides -> (N, 4 C, H / 2, W / 2)."""
    return functional.pixel_unshuffle(picture, CELL).contiguous(memory_format=torch.channels_last)


def unfold(folded: Tensor) -> Tensor:
    """The inverse of `fold`."""
    return functional.pixel_shuffle(folded, CELL).contiguous(memory_format=torch.channels_last)


def aligned(picture: Tensor, phase: Tensor) -> Tensor:
    """Each sample from its first red site on: (N, C, H, W) -> (N, C, H - 2, W - 2), of phase 0."""
    height, width = (side - CELL for side in picture.shape[2:])
    corners = zip((phase // CELL).tolist(), (phase % CELL).tolist(), strict=True)
    cut = [
        sample[:, top : top + height, left : left + width] for sample, (top, left) in zip(picture, corners, strict=True)
    ]
    return torch.stack(cut).contiguous(memory_format=torch.channels_last)


def colour_of_sites(sites: Tensor) -> Tensor:
    """One-hot map of the colour that each pixel measures, (N, 3, H, W)."""
    red, green_red, green_blue, blue = sites.unbind(1)
    return torch.stack([red, green_red + green_blue, blue], 1)


def mosaic(camera: Tensor, sites: Tensor) -> Tensor:
    """What the sensor sees of a picture in camera colours: (N, 3, H, W) -> (N, 1, H, W)."""
    return (camera * colour_of_sites(sites)).sum(1, keepdim=True)


@cache
def _kernels() -> Tensor:
    """(7, 1, 5, 5): means of neighbours (cross, diagonal, horizontal, vertical), then second differences
    (same colour at distance two; at green with the wanted colour beside it, and above it)."""
    kernels = torch.zeros(7, 5, 5)
    cross, diagonal, horizontal, vertical, far, beside, above = kernels
    horizontal[2, 1] = horizontal[2, 3] = vertical[1, 2] = vertical[3, 2] = 1 / 2
    cross += (horizontal + vertical) / 2
    for row in (1, 3):
        diagonal[row, 1] = diagonal[row, 3] = 1 / 4
    far[0, 2] = far[4, 2] = far[2, 0] = far[2, 4] = -1 / 4
    beside += -4 / 5 * diagonal
    beside[2, 0] = beside[2, 4] = -1 / 5
    beside[0, 2] = beside[4, 2] = 1 / 10
    above += beside.T
    for difference in (far, beside, above):
        difference[2, 2] = 1
    return kernels[:, None]


def demosaic(raw: Tensor, sites: Tensor, gains: Tensor | None = None) -> Tensor:
    """Linear demosaicing with 5x5 filters: raw (N, 1, H, W) -> camera colours (N, 3, H, W), both linear.

    `gains`: (N, 3) weights of the second differences; the published ones by default, zero is bilinear.
    """
    if gains is None:
        gains = raw.new_tensor(LAPLACIAN_GAINS).expand(len(raw), 3)
    padded = functional.pad(raw, (2, 2, 2, 2), mode="reflect")
    cross, diagonal, horizontal, vertical, far, beside, above = functional.conv2d(padded, _kernels().to(raw)).unbind(1)
    at_green, at_colour, at_opposite = (gain[:, None, None] for gain in gains.unbind(1))
    own = raw[:, 0]
    red_site, green_red, green_blue, blue_site = sites.unbind(1)
    opposite = diagonal + at_opposite * far
    along_row, along_column = horizontal + at_colour * beside, vertical + at_colour * above
    red = red_site * own + green_red * along_row + green_blue * along_column + blue_site * opposite
    blue = blue_site * own + green_blue * along_row + green_red * along_column + red_site * opposite
    green = (green_red + green_blue) * own + (red_site + blue_site) * (cross + at_green * far)
    return torch.stack([red, green, blue], 1)
