"""Profile of a DNG by its own tags: noise, colour matrix, white balance, and the place of black.

Tags: Adobe, Digital Negative Specification 1.7. NoiseProfile holds (scale, offset) of raw values in [0, 1] above
black: variance = scale * raw + offset, for all channels or for each; green's pair is taken of three.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, TiffImagePlugin

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.files import sha256
from nmflowgan_cli.profiles.by_hand import by_hand
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference

COLOR_MATRIX = 50722, 50721
"""ColorMatrix2, mostly of daylight, before ColorMatrix1: XYZ to camera colours, row by row."""
BLACK_LEVEL, WHITE_LEVEL, AS_SHOT_NEUTRAL, NOISE_PROFILE = 50714, 50717, 50728, 51041
UNIQUE_MODEL = 50708
SUB_IFDS, MOST_SUB_IFDS = 330, 16
XYZ_OF_SRGB = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
"""Linear sRGB to XYZ (D65), IEC 61966-2-1."""
GAINS = 0.1, 16.0


def read_raw(path: Path) -> NoiseProfile:
    """The profile of a DNG file, at the ISO that it was taken with.

    Raises PictureError where it cannot be read as TIFF, has no NoiseProfile (then a noisy rendering of it
    serves, or the camera's name), or has one beyond what a profile may hold.
    """
    tags = _tags(path)
    pairs = _numbers(tags, NOISE_PROFILE)
    if len(pairs) not in (2, 6, 8) or not np.isfinite(pairs).all() or pairs.min() < 0 or pairs.max() > 1:
        raise PictureError(f"{path} has no usable NoiseProfile (tag {NOISE_PROFILE})", "its camera's name may be known")
    shot, read = pairs[2:4] if len(pairs) > 2 else pairs
    isos = _numbers(tags, ExifTags.Base.ISOSpeedRatings)
    iso = int(isos[0]) if len(isos) and 0 < isos[0] < 65535 else None
    profile = by_hand(float(shot), float(read), iso, name=_name(tags, path))
    camera = replace(profile.camera, **_rendering(tags))
    return replace(profile, way="raw", camera=camera, references=(Reference(path.name, sha256(path)),))


def _tags(path: Path) -> dict[int, object]:
    """The tags of the first directory, and what those below it and EXIF's add; no pixel is read."""
    try:
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            if file.read(2) not in (b"II", b"MM"):
                raise PictureError(f"{path} is no DNG", "its tags say the noise; --like takes any noisy picture")
            file.seek(0)
            found: dict[int, object] = {}
            for directory in _directories(file):
                found = {**directory, **found}
            return found
    except PictureError:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow raises whatever the bytes of a damaged file lead to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"cannot read the tags of {path}: {reason}", "a DNG file is needed") from None


def _directories(file: BinaryIO) -> Iterator[dict[int, object]]:
    """The first directory, those that it names (the raw picture's may state the noise), and EXIF's."""
    header = file.read(8)
    first = _directory(file, header, TiffImagePlugin.ImageFileDirectory_v2(header).next)
    yield first
    named = first.get(SUB_IFDS, ())
    below = [*(named if isinstance(named, tuple) else (named,))][:MOST_SUB_IFDS]
    for offset in (*below, first.get(ExifTags.IFD.Exif)):
        if isinstance(offset, int):
            yield _directory(file, header, offset)


def _directory(file: BinaryIO, header: bytes, offset: int) -> dict[int, object]:
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    file.seek(offset)
    directory.load(file)
    return {tag: directory[tag] for tag in directory}


def _numbers(tags: dict[int, object], tag: int) -> NDArray[np.float64]:
    """The values of a tag; empty where it is missing or holds no numbers."""
    value = tags.get(tag, ())
    try:
        return np.array([float(one) for one in (value if isinstance(value, Sequence) else (value,))])  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, ZeroDivisionError):
        return np.empty(0)


def _name(tags: dict[int, object], path: Path) -> str:
    texts = [tags.get(tag) for tag in (UNIQUE_MODEL, ExifTags.Base.Model)]
    named = [text.strip("\0 ") for text in texts if isinstance(text, str) and text.isprintable()]
    return next((name[:80] for name in named if name), path.name)


def _rendering(tags: dict[int, object]) -> dict[str, Any]:
    """The fields of the camera that the file states; others stay those of a typical camera."""
    found: dict[str, Any] = {}
    neutral = _numbers(tags, AS_SHOT_NEUTRAL)
    low, high = GAINS
    if len(neutral) == 3 and neutral.min() > 0:
        red, blue = (float(np.clip(neutral[1] / neutral[channel], low, high)) for channel in (0, 2))
        found["white_balance"] = ((red, red), (blue, blue))
    matrix = next((values for tag in COLOR_MATRIX if len(values := _numbers(tags, tag)) == 9), None)
    if matrix is not None:
        rows = matrix.reshape(3, 3) @ np.array(XYZ_OF_SRGB)
        rows /= rows.sum(1, keepdims=True)
        if np.isfinite(rows).all() and np.linalg.det(rows) > 0.02:
            found["matrix"] = tuple(tuple(map(float, row)) for row in rows)
    black, white = _numbers(tags, BLACK_LEVEL), _numbers(tags, WHITE_LEVEL)
    if len(white) and white[0] > 0 and len(black) and 0 <= black.mean() < white[0]:
        # Below black there is as much as the pedestal holds; noise that is stronger than it is clipped.
        found["floor"] = -min(1.0, float(black.mean() / (white[0] - black.mean())))
    return found
