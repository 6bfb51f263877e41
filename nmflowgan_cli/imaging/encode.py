"""Encoding: a picture as a file, whole or not at all."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.files import replacing, write_error
from nmflowgan_cli.imaging.colour import space_of
from nmflowgan_cli.imaging.deep import encode_deep_png, encode_deep_tiff
from nmflowgan_cli.imaging.formats import JPEG_SIDE
from nmflowgan_cli.imaging.picture import DEEP_FORMATS, Picture, Pixels, depth_of, format_of, luma

PNG_OPTIONS = {"compress_level": 1, "compress_type": 3}
"""zlib's run-length strategy: measured on noisy photographs a fifth faster than its usual level 1 and a tenth smaller,
and no larger than level 6, since noise has no strings that come again."""

_SIDES = {"JPEG": JPEG_SIDE, "WEBP": 16383}
"""Pixels a side, at most."""
_OPAQUE = ("JPEG", "BMP")
"""Formats that are written without alpha."""
_EXIF_FORMATS = ("PNG", "JPEG", "WEBP")
_JPEG_EXIF = 65533
"""Bytes that a segment of a JPEG holds."""
_PROFILES = {"JPEG": 255 * 65519, "PNG": PngImagePlugin.MAX_TEXT_CHUNK}
"""Bytes of a profile, at most: what 255 segments hold, and what Pillow unpacks, by which most readers of PNG go."""


def encode_png(rgb: Pixels) -> bytes:
    """A PNG file of (H, W, 3) uint8 or uint16 RGB, in memory."""
    if depth_of(rgb) == 16:
        return encode_deep_png(rgb)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, "PNG", **PNG_OPTIONS)
    return file.getvalue()


def deepest(kind: str) -> int:
    """Bits a channel that a format holds, 8 or 16."""
    return 16 if kind in DEEP_FORMATS else 8


def refuse_unwritable(
    path: str | os.PathLike[str],
    picture: Picture,
    format: str | None = None,  # noqa: A002
    *,
    depth: int | None = None,
) -> None:
    """Raise PictureError where `write` of these arguments would, as far as that can be known without encoding.

    That is: for a suffix that means no format, 16 bits a channel in other than PNG and TIFF, transparency in a JPEG or
    BMP, and too many pixels a side. `depth`: bits a channel that it will have been given until then.
    """
    kind = format or format_of(Path(path))
    if (depth or picture.depth) > deepest(kind):
        raise PictureError(
            f"cannot write {path}: {kind} holds 8 bits a channel, not 16", "use --format png, or --depth 8"
        )
    if kind in _OPAQUE and _is_transparent(picture):
        raise PictureError(f"cannot write {path}: {kind} holds no transparency", "use --format png")
    height, width = picture.rgb.shape[:2]
    if max(height, width) > _SIDES.get(kind, max(height, width)):
        limit = f"{kind} has at most {_SIDES[kind]} pixels a side, not {width}x{height}"
        raise PictureError(f"cannot write {path}: {limit}", "use --format png")


def write(path: str | os.PathLike[str], picture: Picture, format: str | None = None) -> list[str]:  # noqa: A002
    """Encode `picture` as `format` ("PNG", "JPEG", "WEBP", "TIFF", "BMP"; None: by the suffix of `path`).

    The file appears whole or not at all: it is written beside its place and then moved. All but JPEG are
    lossless; a JPEG has the tables of the JPEG that it came from, or else quality 95 without chroma subsampling.
    A grey picture becomes one channel, the luma of the RGB (ITU-R BT.601), but for WebP, which has none. TIFF and BMP
    do not keep EXIF. Returns what else the format cannot hold and was left out, each in one line. Raises PictureError
    where it cannot be written, see `refuse_unwritable`.
    """
    path = Path(path)
    kind = format or format_of(path)
    refuse_unwritable(path, picture, kind)
    options, notes = _options(picture, kind)
    try:
        atomic_write(path, _saved(picture, kind, options))
    except (MemoryError, PictureError):
        raise
    except OSError as error:
        raise write_error(path, error, PictureError) from None
    except Exception as error:  # noqa: BLE001 - encoders raise all kinds, and each is an error of this picture alone
        raise PictureError(f"cannot write {path} as {kind}: {_one_line(error)}") from None
    return notes


def atomic_write(path: Path, fill: Callable[[Any], object]) -> None:
    """Call `fill` with a binary file beside `path`, then move it into place; nothing is left if that fails."""
    with replacing(path) as temporary, temporary.open("xb") as file:
        fill(file)


def _is_transparent(picture: Picture) -> bool:
    return picture.alpha is not None and int(picture.alpha.min()) < np.iinfo(picture.alpha.dtype).max


def _saved(picture: Picture, kind: str, options: dict[str, Any]) -> Callable[[BinaryIO], object]:
    """What writes the picture into a file; 8 bits a channel by Pillow."""
    pixels = luma(picture.rgb) if picture.grey else picture.rgb
    if picture.alpha is not None and kind not in _OPAQUE:
        pixels = np.dstack([pixels, picture.alpha])
    if picture.depth == 8:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return lambda file: image.save(file, kind, **options)
    icc = options.get("icc_profile")
    if kind == "TIFF":
        return lambda file: file.write(encode_deep_tiff(pixels, icc))
    colour = picture.png_colour
    return lambda file: file.write(encode_deep_png(pixels, icc, options.get("exif"), colour))


def _options(picture: Picture, kind: str) -> tuple[dict[str, Any], list[str]]:
    """What Pillow is told on saving, and what the format cannot hold."""
    options, notes = _coding(picture, kind), []
    for name, value, obstacle in (
        ("exif", picture.exif if kind in _EXIF_FORMATS else None, _exif_obstacle(picture, kind)),
        ("icc_profile", picture.icc, _profile_obstacle(picture, kind)),
        ("pnginfo", picture.png_colour, "" if kind == "PNG" else f"{kind} cannot say its gamma or colour space"),
    ):
        if value and not obstacle:
            options[name] = _chunks(picture.png_colour) if name == "pnginfo" else value
        elif value:
            notes.append(f"{obstacle}: left out")
    return options, notes


def _coding(picture: Picture, kind: str) -> dict[str, Any]:
    """Pillow's options for the pixels."""
    if kind == "PNG":
        return dict(PNG_OPTIONS)
    if kind == "WEBP":
        return {"lossless": True, "exact": True, "method": 0}
    if kind == "JPEG" and picture.jpeg and len(picture.jpeg[0]) >= (1 if picture.grey else 2):
        return {"qtables": picture.jpeg[0], "subsampling": max(picture.jpeg[1], 0)}
    return {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}


def _exif_obstacle(picture: Picture, kind: str) -> str:
    """Why EXIF cannot be written; nothing where it can."""
    return "its EXIF is too large for a JPEG" if kind == "JPEG" and len(picture.exif or b"") > _JPEG_EXIF else ""


def _profile_obstacle(picture: Picture, kind: str) -> str:
    """Why the profile cannot be written; nothing where it can."""
    icc = picture.icc or b""
    if kind == "BMP":
        return "BMP holds no colour profile"
    if len(icc) > _PROFILES.get(kind, len(icc)):
        return f"its colour profile of {len(icc)} bytes is too large for {kind}"
    wanted = b"GRAY" if picture.grey and kind != "WEBP" else b"RGB "
    if space_of(icc) != wanted:
        return f"its colour profile is not for {'grey' if wanted == b'GRAY' else 'RGB'} pixels"
    return ""


def _chunks(colour: tuple[tuple[bytes, bytes], ...]) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, content in colour:
        info.add(name, content)
    return info


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
