"""Table of what goes in and what comes out: each kind of picture through `nmflowgan synthesize --format same`.

python scripts/format_table.py (needs rawpy for its last row); docs/formats.md holds what it prints. Outputs are read
by libraries other than those that wrote them: Pillow for PNG of 16 bits and other files of imageio, tifffile for TIFF
of 8 bits.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from deep_reader import deep_pixels
from raw_files import LIGHT, mosaic_dng
from strange import gradient, png_chunk

RGB = gradient()
DEEP = RGB.astype(np.uint16) * 257
ALPHA = np.full((*RGB.shape[:2], 1), 30000, np.uint16)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TURN = 6
COMMAND = (sys.executable, "-m", "nmflowgan_cli", "synthesize", "-q", "-w", "isp", "-c", "IP", "-i", "800")


def eight(pixels: np.ndarray, **options: Any) -> Callable[[Path], object]:
    exif = Image.Exif()
    exif[0x0112] = TURN
    return lambda path: Image.fromarray(pixels).save(path, exif=exif, icc_profile=ICC, **options)


def deep_png(pixels: np.ndarray) -> Callable[[Path], object]:
    exif = Image.Exif()
    exif[0x0112] = TURN
    content = imagecodecs.png_encode(np.ascontiguousarray(pixels))
    profile = png_chunk(b"iCCP", b"sRGB\0\0" + imagecodecs.zlib_encode(ICC))
    beside = profile + png_chunk(b"eXIf", exif.tobytes()[6:])
    return lambda path: path.write_bytes(content[:33] + beside + content[33:])


def deep_tiff(pixels: np.ndarray, **options: Any) -> Callable[[Path], object]:
    tags = [(274, "H", 1, TURN, True)]
    return lambda path: tifffile.imwrite(path, pixels, iccprofile=ICC, extratags=tags, metadata=None, **options)


KINDS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "PNG, RGB": ("png", eight(RGB)),
    "PNG, grey": ("png", eight(RGB[..., 0])),
    "PNG, RGB and alpha": ("png", eight(np.dstack([RGB, ALPHA.astype(np.uint8)]))),
    "JPEG": ("jpg", eight(RGB)),
    "WebP": ("webp", eight(RGB, lossless=True)),
    "TIFF, RGB": ("tif", deep_tiff(RGB, photometric="rgb")),
    "BMP": ("bmp", lambda path: Image.fromarray(RGB).save(path)),
    "PNG of 16 bits, RGB": ("png", deep_png(DEEP)),
    "PNG of 16 bits, grey": ("png", deep_png(DEEP[..., 0])),
    "PNG of 16 bits, RGB and alpha": ("png", deep_png(np.dstack([DEEP, ALPHA]))),
    "TIFF of 16 bits, RGB": ("tif", deep_tiff(DEEP, photometric="rgb", compression="zlib", predictor=2)),
    "TIFF of 16 bits, grey": ("tif", deep_tiff(np.ascontiguousarray(DEEP[..., 0]), photometric="minisblack")),
    "TIFF of 16 bits, RGB and alpha": (
        "tif",
        deep_tiff(np.dstack([DEEP, ALPHA]), photometric="rgb", extrasamples=["unassalpha"]),
    ),
    "DNG": ("dng", lambda path: mosaic_dng(path, LIGHT, orientation=TURN)),
}
HEAD = ("input", "bits", "profile kept", "turned upright", "output", "bits", "channels", "read by")


def seen(path: Path) -> tuple[np.ndarray, str]:
    """The pixels of an output, and who read them."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            pixels = file.pages[0].asarray()
        return (pixels, "tifffile") if pixels.dtype == np.uint8 else (deep_pixels(path), "Pillow")
    if path.suffix == ".png" and path.read_bytes()[24] == 16:
        return deep_pixels(path), "Pillow"
    with Image.open(path) as image:
        reader = "imagecodecs" if path.suffix == ".png" else "Pillow"
        return imagecodecs.png_decode(path.read_bytes()) if path.suffix == ".png" else np.asarray(image), reader


def row(name: str, folder: Path) -> tuple[str, ...]:
    """A row of the table; CalledProcessError where the tool fails."""
    suffix, make = KINDS[name]
    source, outputs = folder / f"in.{suffix}", folder / "out"
    make(source)
    subprocess.run([*COMMAND, source, "--format", "same", "-o", outputs], check=True, capture_output=True)
    [output] = (path for path in outputs.iterdir() if path.suffix != ".jsonl")
    pixels, reader = seen(output)
    with Image.open(output) as image:
        kept = image.info.get("icc_profile") == ICC
    has_profile = suffix not in ("bmp", "dng")
    upright = "-" if suffix == "bmp" else ("yes" if pixels.shape[0] > pixels.shape[1] else "no")
    bits = "16" if "16" in name or suffix == "dng" else "8"
    channels = str(pixels.shape[2] if pixels.ndim == 3 else 1)
    profile = ("yes" if kept else "no") if has_profile else "-"
    return name, bits, profile, upright, output.suffix[1:].upper(), str(pixels.itemsize * 8), channels, reader


def table() -> str:
    """The table in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD)]
    for name in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(row(name, Path(folder)))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(table(), end="")
