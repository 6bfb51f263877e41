"""A picture in memory, and the formats of picture files."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.files import kind

Bytes = NDArray[np.uint8]
Pixels = NDArray[Any]
"""uint8 or uint16: pixels of 8 or 16 bits a channel."""
PER_COUNT = 257
"""16-bit values a count: 65535 stands for 255."""
DEPTHS = (8, 16)
"""Bits a channel."""
DEEP_FORMATS = ("PNG", "TIFF")
"""Formats that hold 16 bits a channel."""

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".apng": "PNG",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".mpo": "JPEG",
    ".dib": "BMP",
}
"""Suffixes in lower case, and the format that they mean."""

UNREAD_SUFFIXES = frozenset(
    {
        *(".avif", ".exr", ".gif", ".hdr", ".heic", ".heif", ".ico", ".j2k", ".jp2", ".jxl", ".pbm", ".pfm", ".pgm"),
        *(".pnm", ".ppm", ".psd", ".qoi", ".svg", ".tga"),
    }
)
"""Suffixes of pictures that are neither read nor written, in lower case."""

RAW_SUFFIXES = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"),
        *(".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    }
)
"""Suffixes of raw files of cameras, which are read and not written, in lower case."""

STRIP = 256
"""Rows at a time, where a whole picture would need twice the memory."""
_LUMA = np.array([19595, 38470, 7471], np.uint32)


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright."""

    rgb: Pixels
    """(H, W, 3) uint8 or uint16, RGB; three equal channels where `grey`."""
    alpha: Pixels | None = None
    """(H, W) of the same dtype, its maximum is opaque; None where the picture has no alpha."""
    grey: bool = False
    """The file holds one channel, and a file written from this picture does too."""
    icc: bytes | None = None
    exif: bytes | None = None
    """Begins with "Exif\\0\\0"; its orientation is 1, if it says one."""
    format: str = "PNG"
    """What the file was: "PNG", "JPEG", "WEBP", "TIFF", "BMP" or "RAW"."""
    jpeg: tuple[dict[int, list[int]], int] | None = None
    """Quantisation tables and chroma subsampling of a JPEG, so that it can be written alike."""
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    """Name and content of a PNG's gAMA, cHRM and cICP, where they say that the pixels are not sRGB."""
    notes: tuple[str, ...] = ()
    """What was left out or converted on reading, each in one line."""

    @property
    def depth(self) -> int:
        """Bits a channel, 8 or 16."""
        return depth_of(self.rgb)


def depth_of(pixels: Pixels) -> int:
    """Bits a channel of pixels in memory."""
    return 8 * pixels.dtype.itemsize


def dtype_of(depth: int) -> Any:
    """The type of pixels of 8 or 16 bits a channel."""
    return np.uint16 if depth == 16 else np.uint8


def with_depth(pixels: Pixels, depth: int) -> Pixels:
    """The pixels with 8 or 16 bits a channel: 255 is 65535, and fewer bits are rounded half up."""
    if depth == depth_of(pixels):
        return pixels
    if depth == 16:
        return pixels.astype(np.uint16) * np.uint16(PER_COUNT)
    out = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), STRIP):
        strip = pixels[top : top + STRIP].astype(np.uint32)
        out[top : top + STRIP] = (strip + PER_COUNT // 2) // PER_COUNT
    return out


def format_of(path: Path) -> str:
    """The format that the suffix of `path` means; raises PictureError for an unknown one."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise PictureError(f"{path.name}: unknown picture suffix {path.suffix!r}", f"one of {', '.join(FORMATS)}")
    return kind


def is_picture(path: Path) -> bool:
    """Whether something in a folder is to be read as a picture: by its suffix, but for a folder with pictures in it."""
    if path.suffix.lower() not in FORMATS:
        return False
    return kind(path) != "folder" or not any(map(is_picture, path.rglob("*")))


def is_raw(path: str | os.PathLike[str]) -> bool:
    """Whether something is to be read as the raw file of a camera, by its suffix."""
    return PurePath(path).suffix.lower() in RAW_SUFFIXES


def luma(rgb: Pixels) -> Pixels:
    """Luma of (H, W, 3) uint8 or uint16 RGB by ITU-R BT.601 (0.299, 0.587, 0.114), rounded; (H, W) of its dtype."""
    out = np.empty(rgb.shape[:2], rgb.dtype)
    for top in range(0, len(rgb), STRIP):
        out[top : top + STRIP] = (rgb[top : top + STRIP] @ _LUMA + 32768) >> 16
    return out
