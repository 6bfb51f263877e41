"""Texture of the clean picture around a pixel: a camera that denoises leaves more noise in textured areas.

Logarithms of the energy of two wavelet scales (a trous, with the binomial filter 1 4 6 4 1), averaged over windows.
Noise of cameras' own pictures follows it closely: over blocks of 16 pixels of PolyU the residual of ln(std) falls from
0.39 (camera, ISO and level known) to 0.22.
Holschneider et al., "A real-time algorithm for signal analysis with the help of the wavelet transform" (1989),
https://doi.org/10.1007/978-3-642-75988-8_28.
"""

import torch
from torch import Tensor
from torch.nn import functional

from nmflowgan_cli.models.flow import LEVELS

FEATURES = 3
REACH = 12
"""The receptive field in pixels each way: the coarse scale reaches 2 + 4 pixels, its window 6."""
FAINTEST = 0.05
"""Energy in squared counts below which there is no texture, but the rounding of the picture."""
BUSIEST = 25.0
"""Energy in squared counts above which there are edges rather than texture: noise grows no further."""
STEEPEST = 40.0
"""Counts from the darkest to the brightest of 5x5 pixels above which an edge is too sharp for pairs to be trusted."""


def texture(clean: Tensor) -> Tensor:
    """The features of clean pictures (N, 3, H, W) in the flow domain: fine scale near by, fine and coarse scale around.

    Returns float32 (N, 3, H, W), from -0.75 (none) to 0.8.
    """
    grey = LEVELS * clean.mean(1, keepdim=True)
    smooth = _blurred(grey, 1)
    fine, coarse = (grey - smooth).square(), (smooth - _blurred(smooth, 2)).square()
    energies = (_averaged(fine, 2), _averaged(fine, 6), _averaged(coarse, 6))
    return (torch.cat(energies, 1).clamp_max(BUSIEST) + FAINTEST).log() / 4


def edges(clean: Tensor) -> Tensor:
    """The mask of sharp edges in clean counts (N, 3, H, W): bool (N, 1, H, W).

    There the difference of a pair is sharpening, and shots that do not quite cover each other, more than noise.
    """
    grey = clean.mean(1, keepdim=True)
    brightest, darkest = (functional.max_pool2d(sign * grey, 5, stride=1, padding=2) for sign in (1, -1))
    return brightest + darkest > STEEPEST


def _blurred(picture: Tensor, spacing: int) -> Tensor:
    """(N, 1, H, W) through the binomial filter of five taps, `spacing` pixels apart, in both directions."""
    taps = picture.new_tensor([1, 4, 6, 4, 1]) / 16
    for shape in ((1, 1, 1, 5), (1, 1, 5, 1)):
        along = (2 * spacing,) * 2
        margins = (*along, 0, 0) if shape[-1] == 5 else (0, 0, *along)
        padded = functional.pad(picture, margins, mode="replicate")
        picture = functional.conv2d(padded, taps.view(shape), dilation=spacing)
    return picture


def _averaged(energy: Tensor, radius: int) -> Tensor:
    """The mean over the square window around each pixel."""
    return functional.avg_pool2d(functional.pad(energy, (radius,) * 4, mode="replicate"), 2 * radius + 1, stride=1)
