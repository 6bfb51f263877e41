"""Before and after: a crop of each picture, clean, noisy and denoised, side by side with captions."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.evaluation.picture_quality import psnr
from nmflowgan_cli.imaging import Picture, luma, write

Bytes = NDArray[np.uint8]

SIDE = 160
"""Of the crops, pixels of the picture."""
MAGNIFIED = 2
BUSY = 0.75
"""Of all crops the share that has less structure than the one that is shown: some texture, and some plain area."""
GAP, CAPTION, LETTERS = 8, 20, 14
"""Pixels of the strip."""


def show(folder: Path, pair: Paired, clean: Bytes, noisy: Bytes, made: Mapping[str, Bytes]) -> Path:
    """Write the strip of a picture as PNG, named after the pair; all (H, W, 3) uint8. Raises PictureError.

    The captions tell the PSNR of the whole picture.
    """
    pictures = {"clean": clean, "noisy": noisy, **made}
    rows, columns = crop(clean)
    captions = [name if name == "clean" else f"{name}  {psnr(clean, one):.2f} dB" for name, one in pictures.items()]
    path = folder / f"{'_'.join(Path(pair.name).with_suffix('').parts)}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"cannot write into {folder}: {error.strerror}", "choose another --pictures") from None
    write(path, Picture(strip(dict(zip(captions, (one[rows, columns] for one in pictures.values()), strict=True)))))
    return path


def crop(clean: Bytes) -> tuple[slice, slice]:
    """Rows and columns of the crop that is shown; the whole picture where it is smaller."""
    grey = luma(clean).astype(np.float32)
    tops, lefts = (range(0, max(size - SIDE, 0) + 1, SIDE // 2) for size in grey.shape)
    places = [(top, left) for top in tops for left in lefts]
    structure = [float(grey[top : top + SIDE, left : left + SIDE].std()) for top, left in places]
    top, left = places[int(np.argsort(structure)[int(BUSY * (len(places) - 1))])]
    return slice(top, top + SIDE), slice(left, left + SIDE)


def strip(crops: Mapping[str, Bytes]) -> Bytes:
    """Crops of one size, magnified, beside each other on white, each below its caption; (H, W, 3) uint8."""
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
