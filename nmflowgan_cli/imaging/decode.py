"""Decoding: any file that somebody calls a picture, or the reason why it is none."""

import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.files import open_regular
from nmflowgan_cli.imaging.colour import to_srgb
from nmflowgan_cli.imaging.deep import DeepImage
from nmflowgan_cli.imaging.formats import take_apart_bmp, take_apart_jpeg, take_apart_png, take_apart_webp
from nmflowgan_cli.imaging.limits import needed, refuse_large, refuse_without_memory
from nmflowgan_cli.imaging.parts import LimitError, Parts, UnsupportedError, length_of, spliced
from nmflowgan_cli.imaging.picture import STRIP, Bytes, Picture, Pixels, is_raw
from nmflowgan_cli.imaging.raw import RawImage, opened_raw
from nmflowgan_cli.imaging.tiff import take_apart_tiff, tiff_frames
from nmflowgan_cli.notices import reading

_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True), 8: (1, False)}
"""Orientations of EXIF: quarter turns to the left that make a picture upright, after it was mirrored or not."""

_Image = ImageFile.ImageFile | DeepImage | RawImage

_READERS: dict[str, tuple[type[ImageFile.ImageFile], Callable[[BinaryIO], Parts]]] = {
    "PNG": (PngImagePlugin.PngImageFile, take_apart_png),
    "JPEG": (JpegImagePlugin.JpegImageFile, take_apart_jpeg),
    "WEBP": (WebPImagePlugin.WebPImageFile, take_apart_webp),
    "TIFF": (TiffImagePlugin.TiffImageFile, take_apart_tiff),
    "BMP": (BmpImagePlugin.BmpImageFile, take_apart_bmp),
    "DIB": (BmpImagePlugin.DibImageFile, take_apart_bmp),
}


class Head(NamedTuple):
    """What the head of a file says of the upright picture."""

    height: int
    width: int
    depth: int
    """Bits a channel, 8 or 16."""


def read(path: str | os.PathLike[str], *, deepest: int = 8, frame: int | None = None) -> Picture:
    """Decode a PNG, JPEG, WebP, TIFF or BMP (palette, grey, alpha and 1-bit ones too), upright.

    `deepest`: bits a channel that the caller takes, 8 or 16; PNG and TIFF of 16 bits are then not converted, and raw
    files (by their suffix) are developed. `frame`: the number of the frame of an animation or page of a TIFF. CMYK and
    LAB become sRGB through their colour profiles. Raises PictureError for a file that is missing, damaged or no regular
    file, for a picture beyond a limit of `limits`, and for what is not supported: more bits a channel, animation,
    several pages ... PictureMemoryError where it takes more memory than is left, before it is decoded.
    """
    with _opened(path, deepest, frame) as (image, parts):
        refuse_without_memory(path, *image.size, needed(image, turned=parts.turn in _TURNS))
        if frame and isinstance(image, ImageFile.ImageFile):
            image.seek(frame if getattr(image, "n_frames", 1) > 1 else 0)
        return _picture(image, parts)


def head(path: str | os.PathLike[str], *, deepest: int = 16, frame: int | None = None) -> Head:
    """Height, width and depth of the upright picture, from the head of the file alone; raises as `read`."""
    with _opened(path, deepest, frame) as (image, parts):
        width, height = image.size[::-1] if parts.turn >= 5 else image.size
        return Head(height, width, parts.depth)


def size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of the upright picture of 8 bits a channel; raises PictureError like `read`."""
    return head(path, deepest=8)[:2]


def memory(path: str | os.PathLike[str], *, deepest: int = 16, frame: int | None = None) -> int:
    """Bytes that `read` takes at its peak, from the head of the file alone; raises PictureError like `read`."""
    with _opened(path, deepest, frame) as (image, parts):
        return needed(image, turned=parts.turn in _TURNS)


def frames(path: str | os.PathLike[str]) -> int:
    """Number of frames of an animation or of pages of a TIFF, 1 for any other picture; raises PictureError."""
    with _explained(path), reading(path), open_regular(path) as file, _unlimited():
        if is_raw(path):
            return 1
        kind = _format(file)
        if kind == "TIFF":
            return tiff_frames(file)
        plugin, take_apart = _READERS[kind]
        parts = take_apart(file)
        with _identified(plugin, spliced(file, parts.pieces), parts) as image:
            return getattr(image, "n_frames", 1)


@contextmanager
def _opened(path: str | os.PathLike[str], deepest: int, frame: int | None) -> Iterator[tuple[_Image, Parts]]:
    """The picture, ready to be decoded; whatever goes wrong inside the context becomes a PictureError of one line."""
    with _explained(path), reading(path), open_regular(path) as file, _unlimited():
        if is_raw(path):
            with opened_raw(file) as (image, parts):
                _refuse_depth(parts, deepest)
                refuse_large(*image.size, length_of(file))
                yield image, parts
            return
        kind = _format(file)
        plugin, take_apart = _READERS[kind]
        parts = take_apart_tiff(file, frame) if kind == "TIFF" else take_apart(file)
        _refuse_depth(parts, deepest)
        pixels = spliced(file, parts.pieces)
        if kind == "TIFF" and parts.deep:  # Pillow does not know all layouts of these
            refuse_large(parts.deep.width, parts.deep.height, length_of(file))
            yield DeepImage(pixels, kind, parts.deep), parts
            return
        with _identified(plugin, pixels, parts) as image:
            refuse_large(*image.size, length_of(file))
            animated = getattr(image, "n_frames", 1) > 1
            if animated and (frame is None or parts.deep):
                hint = "--frames makes all of its frames, or give them as pictures of their own"
                raise UnsupportedError("animation of 16 bits a channel" if parts.deep else "animation", hint)
            yield DeepImage(pixels, kind, parts.deep) if parts.deep else image, parts


def _refuse_depth(parts: Parts, deepest: int) -> None:
    if parts.depth > deepest:
        raise UnsupportedError(f"{parts.depth} bits a channel", f"convert it to {deepest} bits first")


@contextmanager
def _explained(path: str | os.PathLike[str]) -> Iterator[None]:
    """One line for each of the things that can be wrong: not supported, beyond a limit, not there, damaged."""
    try:
        yield
    except UnsupportedError as error:
        raise PictureError(f"{path} is not supported: {error}", error.hint) from None
    except LimitError as error:
        raise PictureError(f"{path} is beyond a limit: {error}", error.hint) from None
    except (MemoryError, PictureError):
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise all kinds, and each is an error of this picture alone
        if isinstance(error, OSError) and error.errno is not None:
            raise PictureError(f"cannot read {path}: {error.strerror}") from None
        raise PictureError(f"{path} is damaged: {_reason(error)}", "replace or remove it") from None


def _reason(error: Exception) -> str:
    """What is wrong, in a line; Pillow hands on what Python says of bytes that are not there."""
    said = " ".join(str(error).split())
    if any(isinstance(one, struct.error | IndexError) and str(one) == str(error) for one in (error, error.__cause__)):
        return "it ends too soon"
    return said or type(error).__name__


_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"BM": "BMP"} | dict.fromkeys(
    TiffImagePlugin.PREFIXES, "TIFF"
)
_DIB_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_OTHERS = {
    b"GIF8": "GIF",
    b"8BPS": "PSD",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"v/1\x01": "OpenEXR",
    b"II\xbc\x01": "JPEG XR",
}
_BRANDS = dict.fromkeys([b"avif", b"avis"], "AVIF") | dict.fromkeys([b"heic", b"heix", b"mif1", b"hevc"], "HEIF")


def _format(file: BinaryIO) -> str:
    """The format by its first bytes; UnsupportedError for another, ValueError for an empty file."""
    head = file.read(12)
    if not head:
        raise ValueError("it is empty")
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "WEBP"
    known = next((kind for signature, kind in _SIGNATURES.items() if head.startswith(signature)), None)
    if known or int.from_bytes(head[:4], "little") in _DIB_HEADERS:
        return known or "DIB"
    other = next((name for signature, name in _OTHERS.items() if head.startswith(signature)), None)
    other = _BRANDS.get(head[8:], other) if head[4:8] == b"ftyp" else other
    raise UnsupportedError(other or "not a picture that can be read", "PNG, JPEG, WebP, TIFF or BMP")


def _identified(plugin: type[ImageFile.ImageFile], file: BinaryIO, parts: Parts) -> ImageFile.ImageFile:
    """The file opened by Pillow; UnsupportedError where Pillow knows the feature and says so."""
    try:
        return plugin(file)
    except OSError as error:
        if str(error).startswith("Unsupported"):
            raise UnsupportedError(str(error).removeprefix("Unsupported ")) from None
        raise
    except SyntaxError as error:
        if parts.layout and isinstance(error.__cause__, KeyError):  # looked up among the layouts that Pillow knows
            raise UnsupportedError(parts.layout) from None
        raise


_lock = threading.Lock()
_decoding: list[int | None] = []
"""Pillow's own limit, once for each picture that is being decoded."""


@contextmanager
def _unlimited() -> Iterator[None]:
    """Pillow without its own limit on pixels, which is global, while any picture is decoded."""
    with _lock:
        _decoding.append(_decoding[0] if _decoding else Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _lock:
            before = _decoding.pop()
            if not _decoding:
                Image.MAX_IMAGE_PIXELS = before


def _picture(image: _Image, parts: Parts) -> Picture:
    """Pixels and what goes with them."""
    if isinstance(image, DeepImage | RawImage):
        rgb, alpha = (_upright(pixels, parts.turn) for pixels in image.channels())
        grey = image.layout.grey
        return Picture(
            rgb, alpha, grey, parts.icc, parts.exif, image.format, None, parts.png_colour, tuple(parts.notes)
        )
    image.load()
    kind = {"DIB": "BMP"}.get(str(image.format), str(image.format))
    tables = getattr(image, "quantization", None)
    jpeg = (tables, JpegImagePlugin.get_sampling(image)) if kind == "JPEG" and tables else None
    plain: Image.Image = image
    icc, notes = parts.icc, tuple(parts.notes)
    if image.mode in ("CMYK", "LAB"):
        plain, icc = to_srgb(image, icc, inverted=parts.inverted), None
        notes += (f"converted from {image.mode} to sRGB",)
    rgb, alpha = (_upright(pixels, parts.turn) for pixels in _channels(plain))
    grey = image.mode in ("1", "L", "LA", "La")
    return Picture(rgb, alpha, grey, icc or None, parts.exif, kind, jpeg, parts.png_colour, notes)


def _upright(pixels: Pixels | None, turn: int) -> Any:
    """Stored pixels (H, W, ...) as they are to be seen; None for None."""
    if pixels is None or turn not in _TURNS:
        return pixels
    quarters, mirrored = _TURNS[turn]
    return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, quarters))


def _channels(image: Image.Image) -> tuple[Bytes, Bytes | None]:
    """RGB (H, W, 3) and alpha (H, W), None where there is none."""
    image = image.convert("LA") if image.mode == "La" else image  # which Pillow converts to nothing else
    clear = "A" in image.mode or image.mode in ("La", "RGBa") or "transparency" in image.info
    converted = image.convert("RGBA" if clear else "RGB") if image.mode not in ("L", "RGB") or clear else image
    pixels = _pixels(converted)
    rgb = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., :3])
    return rgb, np.ascontiguousarray(pixels[..., 3]) if clear else None


def _pixels(image: Image.Image) -> Bytes:
    """The pixels, copied strip by strip: Pillow's own conversion needs twice the memory."""
    bands = len(image.getbands())
    pixels: Any = np.empty((image.height, image.width, bands)[: 3 if bands > 1 else 2], np.uint8)
    for top in range(0, image.height, STRIP):
        bottom = min(top + STRIP, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels
