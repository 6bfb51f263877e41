"""Crops of clean, noisy and denoised pictures: strips as PNG, and examples for a page."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.denoising.quality import psnr
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import Picture, write
from nmflowgan_cli.report.crops import SIDE, Example, telling_place

Bytes = NDArray[np.uint8]

STRIP_SIDE = 160
"""Side of the crops of a strip, in pixels of the picture."""
MAGNIFIED = 2
GAP, CAPTION, LETTERS = 8, 20, 14
"""Gap, height of a caption and size of its letters, in pixels of the strip."""


def show(folder: Path, pair: Paired, clean: Bytes, noisy: Bytes, made: Mapping[str, Bytes]) -> Path:
    """Write the strip of a picture as PNG, named after the pair, and return its path; raises PictureError.

    All pictures are (H, W, 3) uint8; captions give the PSNR of the whole picture.
    """
    pictures = {"clean": clean, "noisy": noisy, **made}
    top, left = telling_place(clean, STRIP_SIDE)
    crop = np.s_[top : top + STRIP_SIDE, left : left + STRIP_SIDE]
    captions = [name if name == "clean" else f"{name}  {psnr(clean, one):.2f} dB" for name, one in pictures.items()]
    path = folder / f"{'_'.join(Path(pair.name).with_suffix('').parts)}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"cannot write into {folder}: {error.strerror}", "choose another --pictures") from None
    write(path, Picture(strip(dict(zip(captions, (one[crop] for one in pictures.values()), strict=True)))))
    return path


@dataclass
class Gathered:
    """Collector of examples for `denoising.judge`: crops of the first picture of each wanted condition."""

    wanted: Collection[Condition]
    examples: list[Example] = field(default_factory=list)

    def __call__(self, pair: Paired, clean: Bytes, noisy: Bytes, made: Mapping[str, Bytes]) -> None:
        """Copy the crops of a picture whose condition is wanted and has no example yet; all (H, W, 3) uint8."""
        known = {example.condition for example in self.examples}
        if pair.condition in known or pair.condition not in self.wanted:
            return
        top, left = telling_place(clean)
        crop = np.s_[top : top + SIDE, left : left + SIDE]
        crops = {name: picture[crop].copy() for name, picture in made.items()}
        place = clean[crop].copy(), noisy[crop].copy()
        self.examples.append(Example(pair.condition, pair.name, (top, left), *place, crops))


def strip(crops: Mapping[str, Bytes]) -> Bytes:
    """Strip of crops of one size, magnified, side by side on white below their captions; (H, W, 3) uint8."""
    from PIL import Image, ImageDraw

    height, width, _ = next(iter(crops.values())).shape
    step = MAGNIFIED * width + GAP
    size = (GAP + step * len(crops), CAPTION + MAGNIFIED * height + 2 * GAP)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for number, (caption, pixels) in enumerate(crops.items()):
        left = GAP + step * number
        draw.text((left, GAP // 2), caption[: MAGNIFIED * width // (LETTERS // 2)], "black", font_size=LETTERS)
        large = Image.fromarray(np.ascontiguousarray(pixels)).resize((MAGNIFIED * width, MAGNIFIED * height), 0)
        canvas.paste(large, (left, CAPTION + GAP))
    return np.asarray(canvas)
