"""The Bayer colour filter array: sites of pixels, mosaic, and linear demosaicing.

Sites are numbered as in the RGGB pattern: 0 red, 1 green in a red row, 2 green in a blue row, 3 blue.
A phase (0 .. 3) is the site of the upper left pixel.
Demosaicing: Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color
images", ICASSP 2004; see also https://www.ipol.im/pub/art/2011/g_mhcd/.
"""

from collections.abc import Iterable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

SITES = 4
CELL = 2
"""Side of the cell that repeats, pixels."""
LAPLACIAN_GAINS = (1 / 2, 5 / 8, 3 / 4)
"""Weights of the second-difference corrections in the published filters: green, red/blue at green, red at blue."""


def cells(phase: Tensor) -> Tensor:
    """The sites of the cell at the upper left corner, int64 (N, 2, 2), for phases (N,)."""
    place = torch.arange(CELL, device=phase.device)
    rows, columns = (phase // CELL)[:, None] + place, (phase % CELL)[:, None] + place
    return (rows % CELL * CELL)[:, :, None] + (columns % CELL)[:, None, :]


def tiled(cell: Tensor, height: int, width: int) -> Tensor:
    """A cell (N, C, 2, 2) again and again: (N, C, height, width)."""
    rows = cell.repeat(1, 1, 1, -(-width // CELL))[..., :width]
    return rows.index_select(2, torch.arange(height, device=cell.device) % CELL)


def site_map(phase: Tensor, height: int, width: int) -> Tensor:
    """One-hot map of Bayer sites, float32 (N, 4, height, width), for phases (N,) of the upper left pixel."""
    return tiled(functional.one_hot(cells(phase), SITES).permute(0, 3, 1, 2).float(), height, width)


def fold(picture: Tensor) -> Tensor:
    """Folds cells into pixels, and their sites into channels: (N, C, H, W), even sides -> (N, 4 C, H / 2, W / 2)."""
    return functional.pixel_unshuffle(picture, CELL).contiguous(memory_format=torch.channels_last)


def unfold(folded: Tensor) -> Tensor:
    """The inverse of `fold`."""
    return functional.pixel_shuffle(folded, CELL).contiguous(memory_format=torch.channels_last)


def aligned(picture: Tensor, phase: Tensor) -> Tensor:
    """Each sample from its first red site on: (N, C, H, W) -> (N, C, H - 2, W - 2), of phase 0."""
    height, width = (side - CELL for side in picture.shape[2:])
    return _cut(picture, _corners(phase), height, width).contiguous(memory_format=torch.channels_last)


def _corners(phase: Tensor) -> list[tuple[int, int]]:
    """Row and column of each sample's first red site."""
    return list(zip((phase // CELL).tolist(), (phase % CELL).tolist(), strict=True))


def _cut(picture: Tensor, corners: Iterable[tuple[int, int]], height: int, width: int) -> Tensor:
    """(N, C, height, width): of each sample the window with that upper left corner."""
    windows = zip(picture, corners, strict=True)
    return torch.stack([sample[:, top : top + height, left : left + width] for sample, (top, left) in windows])


def mosaic(camera: Tensor, phase: Tensor) -> Tensor:
    """The mosaic of a picture in camera colours: (N, 3, H, W) -> (N, 1, H, W), for phases (N,)."""
    colours = functional.one_hot(colour_of_site(cells(phase)), 3).permute(0, 3, 1, 2)
    return (camera * tiled(colours.to(camera.dtype), *camera.shape[2:])).sum(1, keepdim=True)


def colour_of_site(sites: Tensor) -> Tensor:
    """0 red, 1 green, 2 blue for sites 0 .. 3, int64."""
    return (sites + 1) // 2


@cache
def _filters() -> Tensor:
    """Demosaicing of a cell, as linear filters of it and the cells around it: (4, 3, 4, 4, 3, 3).

    Dimensions: part (the means of neighbours, then what each of the three gains adds); colour and site that are
    made; site, row and column of the cells that are read.
    """
    own, cross, diagonal, horizontal, vertical, far, beside, above = torch.zeros(8, 5, 5)
    own[2, 2] = 1
    horizontal[2, 1] = horizontal[2, 3] = vertical[1, 2] = vertical[3, 2] = 1 / 2
    cross += (horizontal + vertical) / 2
    for row in (1, 3):
        diagonal[row, 1] = diagonal[row, 3] = 1 / 4
    # Second differences: of the same colour at distance two, and at green with the wanted colour beside and above.
    far[0, 2] = far[4, 2] = far[2, 0] = far[2, 4] = -1 / 4
    beside += -4 / 5 * diagonal
    beside[2, 0] = beside[2, 4] = -1 / 5
    beside[0, 2] = beside[4, 2] = 1 / 10
    above += beside.T
    for difference in (far, beside, above):
        difference[2, 2] = 1

    measured, green = [(own, 0, own)], [(cross, 1, far)]
    in_row, in_column, opposite = (horizontal, 2, beside), (vertical, 2, above), (diagonal, 3, far)
    # What each colour is made of at the four sites: mean, gain, difference.
    of_red = [*measured, in_row, in_column, opposite]
    of_green = [*green, *measured, *measured, *green]
    of_blue = [opposite, in_column, in_row, *measured]
    filters = torch.zeros(4, 3, SITES, 6, 6)
    for colour, recipes in enumerate((of_red, of_green, of_blue)):
        for site, (mean, gain, difference) in enumerate(recipes):
            window = filters[:, colour, site, site // CELL :, site % CELL :][:, :5, :5]
            window[gain] = difference
            window[0] = mean
    return functional.pixel_unshuffle(filters.view(-1, 1, 6, 6), CELL).view(4, 3, SITES, SITES, 3, 3)


def demosaic(raw: Tensor, phase: Tensor, gains: Tensor | None = None, matrix: Tensor | None = None) -> Tensor:
    """Linear demosaicing with 5x5 filters: raw (N, 1, H, W), sides from 6 -> colours (N, 3, H, W), both linear.

    `phase`: (N,) site of the upper left pixel. `gains`: (N, 3) weights of the second differences, the published ones
    by default; zero is bilinear. `matrix`: (N, 3, 3) from the camera's colours to those that are wanted.
    """
    number, _, height, width = raw.shape
    if gains is None:
        gains = raw.new_tensor(LAPLACIAN_GAINS).expand(number, 3)
    filters = torch.cat([torch.ones_like(gains[:, :1]), gains], 1) @ _filters().to(raw).flatten(1)
    if matrix is not None:
        filters = matrix @ filters.view(number, 3, -1)
    # Reflection keeps the sites. From its first red site on each sample is made of whole cells, all alike.
    padded = functional.pad(raw, (4, 4 + width % CELL, 4, 4 + height % CELL), mode="reflect")
    folded = functional.pixel_unshuffle(aligned(padded, phase), CELL)
    inputs = folded.flatten(0, 1)[None].contiguous(memory_format=torch.channels_last)
    colours = functional.conv2d(inputs, filters.view(-1, SITES, 3, 3), groups=number)
    unfolded = functional.pixel_shuffle(colours.view(number, 3 * SITES, *colours.shape[2:]), CELL)
    return _cut(unfolded, [(CELL - top, CELL - left) for top, left in _corners(phase)], height, width)
