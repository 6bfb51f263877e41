"""Pictures on disk: decoding to 8-bit RGB, and encoding, whole or not at all.

Colour is RGB, uint8 (H, W, 3), upright (EXIF orientation applied). Alpha, ICC profile and EXIF are
carried through untouched; the EXIF orientation is the exception, since it has been applied.
"""

import io
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.files import replacing, write_error

Bytes = NDArray[np.uint8]

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
"""Suffixes in lower case, and the format that they mean."""

PIXEL_LIMIT = 2**30
"""Pictures with more pixels are refused as decompression bombs (Pillow's own limit is 89 million)."""

PNG_OPTIONS = {"compress_level": 1, "compress_type": 3}
"""zlib's run-length strategy: measured on noisy photographs a fifth faster than its usual level 1 and a tenth smaller,
and no larger than level 6, since noise has no strings that come again."""

_STRIP = 256
_ORIENTATION = 0x0112
"""The EXIF tag that says how a picture is turned; from 5 on, its sides are swapped."""
_LUMA = np.array([19595, 38470, 7471], np.uint32)
_DAMAGED = (SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright."""

    rgb: Bytes
    """(H, W, 3) uint8, RGB; three equal channels where `grey`."""
    alpha: Bytes | None = None
    """(H, W) uint8, 255 is opaque; None where the picture has no alpha."""
    grey: bool = False
    """The file holds one channel, and a file written from this picture does too."""
    icc: bytes | None = None
    exif: bytes | None = None
    format: str = "PNG"
    """What the file was: "PNG", "JPEG", "WEBP", "TIFF" or "BMP"."""
    jpeg: tuple[dict[int, list[int]], int] | None = None
    """Quantisation tables and chroma subsampling of a JPEG, so that it can be written alike."""


def read(path: str | os.PathLike[str]) -> Picture:
    """Decode an 8-bit PNG, JPEG, WebP, TIFF or BMP (palette, grey, alpha and 1-bit ones too).

    Raises PictureError for a file that is missing, damaged, truncated, or of a kind that would have to be
    changed silently: 16-bit, CMYK, animated or multi-page.
    """
    with _told(path), _opened(path) as image:
        _refuse_unsupported(image, path)
        ImageOps.exif_transpose(image, in_place=True)
        return _picture(image)


def size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of the upright picture, from the head of the file alone; raises PictureError like `read`."""
    with _told(path), _opened(path) as image:
        _refuse_unsupported(image, path)
        # Pillow would decode a PNG for EXIF that stands behind the pixels, where nobody puts it.
        exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
        turned = (
            exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8) and image.format != "TIFF"
        )  # Pillow turned those
        return (image.width, image.height) if turned else (image.height, image.width)


def encode_png(rgb: Bytes) -> bytes:
    """A PNG file of (H, W, 3) uint8 RGB, in memory."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "PNG", **PNG_OPTIONS)
    return file.getvalue()


def write(path: str | os.PathLike[str], picture: Picture, format: str | None = None) -> None:  # noqa: A002
    """Encode `picture` as `format` ("PNG", "JPEG", "WEBP", "TIFF", "BMP"; None: by the suffix of `path`).

    The file appears whole or not at all: it is written beside its place and then moved. All but JPEG are
    lossless; a JPEG has the tables of the JPEG that it came from, or else quality 95 without chroma subsampling.
    A grey picture becomes one channel, the luma of the RGB (ITU-R BT.601). TIFF and BMP do not keep EXIF, BMP
    keeps no ICC profile. Raises PictureError where it cannot be written, or the format holds no alpha; DiskError
    where nothing else could be written either.
    """
    path = Path(path)
    kind = format or format_of(path)
    if picture.alpha is not None and kind in ("JPEG", "BMP"):
        raise PictureError(f"cannot write {path}: {kind} holds no transparency", "use --format png")
    try:
        image = _image(picture)
        atomic_write(path, lambda file: image.save(file, kind, **_options(picture, kind)))
    except OSError as error:
        raise write_error(path, error, PictureError) from None
    except _DAMAGED as error:
        raise PictureError(f"cannot write {path} as {kind}: {_one_line(error)}") from None


def format_of(path: Path) -> str:
    """The format that the suffix of `path` means; raises PictureError for an unknown one."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise PictureError(f"{path.name}: unknown picture suffix {path.suffix!r}", f"one of {', '.join(FORMATS)}")
    return kind


def atomic_write(path: Path, fill: Callable[[Any], object]) -> None:
    """Call `fill` with a binary file beside `path`, then move it into place; nothing is left if that fails."""
    with replacing(path) as temporary, temporary.open("xb") as file:
        fill(file)


@contextmanager
def _told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever goes wrong in decoding `path` becomes a PictureError of one line."""
    try:
        yield
    except UnidentifiedImageError:
        raise PictureError(f"{path} is not a picture that can be read", "PNG, JPEG, WebP, TIFF or BMP") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{path} has more than {PIXEL_LIMIT} pixels", "cut it into smaller pictures") from None
    except OSError as error:
        if error.errno is not None:
            raise PictureError(f"cannot read {path}: {error.strerror}") from None
        raise PictureError(f"{path} is damaged: {_one_line(error)}", "replace or remove it") from None
    except _DAMAGED as error:
        raise PictureError(f"{path} is damaged: {_one_line(error)}", "replace or remove it") from None


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """The file opened by Pillow, whose limit on pixels (checked on opening only) is lifted meanwhile."""
    with _limit_lock:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(path, formats=("PNG", "JPEG", "WEBP", "TIFF", "BMP"))
        finally:
            Image.MAX_IMAGE_PIXELS = before
    with image:
        if image.width * image.height > PIXEL_LIMIT:
            raise Image.DecompressionBombError
        yield image


def _refuse_unsupported(image: Image.Image, path: str | os.PathLike[str]) -> None:
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # an MPO is a JPEG with previews after it
        raise PictureError(f"{path} is animated or has several pages", "give its frames as pictures of their own")
    if image.mode in ("CMYK", "LAB", "HSV"):
        raise PictureError(f"{path} is {image.mode}, not RGB", "convert it to RGB with its colour profile first")
    if image.mode.startswith(("I", "F")) or _bits(image) > 8:
        raise PictureError(f"{path} has more than 8 bits a channel", "convert it to 8 bits first")


def _bits(image: Image.Image) -> int:
    """Bits a channel in the file: Pillow opens some deep pictures as 8-bit ones without a word."""
    if image.format == "TIFF":
        return max(getattr(image, "tag_v2", {}).get(258, (8,)))
    tiles: list[Any] = getattr(image, "tile", [])
    return 16 if image.format == "PNG" and any("16" in str(tile[3]) for tile in tiles) else 8


def _picture(image: Image.Image) -> Picture:
    """Pixels and what goes with them, from a loaded upright image."""
    info, kind = image.info, "JPEG" if image.format == "MPO" else str(image.format)
    tables = getattr(image, "quantization", None)
    jpeg = (tables, JpegImagePlugin.get_sampling(image)) if kind == "JPEG" and tables else None
    clear = "A" in image.mode or image.mode in ("La", "RGBa") or "transparency" in info
    grey = image.mode in ("1", "L", "LA", "La")
    converted = image.convert("RGBA" if clear else "RGB") if image.mode not in ("L", "RGB") or clear else image
    pixels = _pixels(converted)
    rgb = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., :3])
    alpha = np.ascontiguousarray(pixels[..., 3]) if clear else None
    return Picture(rgb, alpha, grey, info.get("icc_profile"), info.get("exif"), kind, jpeg)


def _pixels(image: Image.Image) -> Bytes:
    """The pixels, copied strip by strip: Pillow's own conversion needs twice the memory."""
    bands = len(image.getbands())
    pixels = np.empty((image.height, image.width, bands)[: 3 if bands > 1 else 2], np.uint8)
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _image(picture: Picture) -> Image.Image:
    pixels = luma(picture.rgb) if picture.grey else picture.rgb
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
    return Image.fromarray(np.ascontiguousarray(pixels))


def luma(rgb: Bytes) -> Bytes:
    """Luma of (H, W, 3) uint8 RGB by ITU-R BT.601 (0.299, 0.587, 0.114), rounded; (H, W) uint8."""
    out = np.empty(rgb.shape[:2], np.uint8)
    for top in range(0, len(rgb), _STRIP):
        out[top : top + _STRIP] = (rgb[top : top + _STRIP] @ _LUMA + 32768) >> 16
    return out


def _options(picture: Picture, kind: str) -> dict[str, Any]:
    """What Pillow is told on saving."""
    options: dict[str, Any] = {"icc_profile": picture.icc} if picture.icc else {}
    if picture.exif and kind in ("PNG", "JPEG", "WEBP"):
        options["exif"] = picture.exif
    if kind == "PNG":
        options |= PNG_OPTIONS
    elif kind == "WEBP":
        options |= {"lossless": True, "exact": True, "method": 0}
    elif kind == "JPEG" and picture.jpeg and len(picture.jpeg[0]) >= (1 if picture.grey else 2):
        options |= {"qtables": picture.jpeg[0], "subsampling": max(picture.jpeg[1], 0)}
    elif kind == "JPEG":
        options |= {"quality": 95, "subsampling": 0}
    return options


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
