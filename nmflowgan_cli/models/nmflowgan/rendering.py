"""Features of a pixel's place, by the way in which the picture was rendered from the sensor.

plain: demosaiced, and otherwise left alone (SIDD). The noise alternates with the Bayer site of the pixel.
camera: by the camera itself, which denoises, sharpens and compresses (PolyU). The noise follows the texture around the
pixel, and is a little different at the edges of JPEG's blocks.
"""

from typing import Literal

import torch
from torch import Tensor

from nmflowgan_cli.models import bayer, texture
from nmflowgan_cli.models.nmflowgan import jpeg_blocks

Rendering = Literal["plain", "camera"]
RENDERINGS: tuple[Rendering, ...] = ("plain", "camera")
FEATURES = {"plain": bayer.SITES, "camera": jpeg_blocks.EDGES + texture.FEATURES}
"""Channels of `place`."""
PERIOD = {"plain": bayer.CELL, "camera": jpeg_blocks.BLOCK}
"""Pixels after which positions repeat: windows of a picture begin at multiples of it."""
REACH = {"plain": 0, "camera": texture.REACH}
"""Pixels around a pixel that its place depends on."""


def place(rendering: Rendering, clean: Tensor, phase: Tensor | None = None) -> Tensor:
    """The features of the place of each pixel, (N, FEATURES, H, W), from the clean picture in the flow domain.

    `phase`: (N,) Bayer phase of the upper left pixel, 0 by default; blocks begin at the upper left pixel.
    """
    samples, _, height, width = clean.shape
    if rendering == "camera":
        return torch.cat([jpeg_blocks.edge_map(samples, height, width, clean.device), texture.texture(clean)], 1)
    if phase is None:
        phase = torch.zeros(samples, dtype=torch.long, device=clean.device)
    return bayer.site_map(phase, height, width)
