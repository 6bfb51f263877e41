"""A profile from the tags of a DNG: noise, colour matrix, white balance, camera and ISO; no pixel is decoded.

Adobe, Digital Negative Specification 1.7: NoiseProfile holds pairs (shot, read) of variance = shot * x + read for raw
values x in [0, 1], as models/isp.py has them; a ColorMatrix takes XYZ to the camera's colours, and AsShotNeutral is
the colour of grey.
"""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, TiffImagePlugin

from nmflowgan_cli.errors import PictureError, WeightsError
from nmflowgan_cli.files import sha256
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.profiles.by_hand import by_hand
from nmflowgan_cli.profiles.exif import camera_name, iso_of
from nmflowgan_cli.profiles.files import parse_profile, profile_bytes
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference

NOISE_PROFILE, AS_SHOT_NEUTRAL, CAMERA_MODEL = 51041, 50728, 50708
COLOUR_MATRICES = 50722, 50721
"""ColorMatrix2, usually of daylight, is taken before ColorMatrix1."""
SUB_IFDS, EXIF_IFD = 330, 34665
MOST_SUB_IFDS = 16
XYZ_OF_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to XYZ (D65), IEC 61966-2-1."""

Tags = dict[int, Any]


def from_dng(path: Path, *, name: str = "", iso: int | None = None) -> NoiseProfile:
    """The profile of the tags of a DNG; `name` and `iso` in place of what they say.

    Colours and light that it does not state are those of a typical camera. Raises PictureError for a file that is no
    DNG, or whose camera did not write its noise.
    """
    tags = read_tags(path)
    pairs = _numbers(tags.get(NOISE_PROFILE))
    if len(pairs) < 2 or len(pairs) % 2:
        raise PictureError(
            f"{path} does not state its noise (DNG tag NoiseProfile)",
            "nmflowgan profile make --camera NAME, or profile fit of a picture developed from it",
        )
    camera = name or camera_name(tags.get(ExifTags.Base.Make), tags.get(ExifTags.Base.Model))
    camera = camera or camera_name("", tags.get(CAMERA_MODEL)) or path.stem
    shot, read = float(pairs[0::2].mean()), float(pairs[1::2].mean())
    try:
        made = by_hand(shot, read, iso or iso_of(tags.get(ExifTags.Base.ISOSpeedRatings)), name=camera)
        coloured = _coloured(made, tags, path)
        return parse_profile(profile_bytes(coloured), str(path))
    except WeightsError as error:
        raise PictureError(f"{path} states what no camera can have: {error.message}") from None


def _coloured(profile: NoiseProfile, tags: Tags, path: Path) -> NoiseProfile:
    """The profile with the colour matrix and the white balance of the tags, where they are there."""
    camera, gains = profile.camera, None
    matrices = (_numbers(tags.get(tag)) for tag in COLOUR_MATRICES)
    matrix = next((found for found in matrices if len(found) == 9), None)
    if matrix is not None:
        rows = matrix.reshape(3, 3) @ XYZ_OF_SRGB
        red, green, blue = (rows / rows.sum(1, keepdims=True)).tolist()  # rows without the white balance of D65
        camera = replace(camera, matrix=(tuple(red), tuple(green), tuple(blue)))
    neutral = _numbers(tags.get(AS_SHOT_NEUTRAL))
    if len(neutral) == 3 and (neutral > 0).all():
        gains = float(neutral[1] / neutral[0]), float(neutral[1] / neutral[2])
        camera = replace(camera, white_balance=((gains[0], gains[0]), (gains[1], gains[1])))
    reference = Reference(path.name, sha256(path), gains)
    return replace(profile, camera=camera, way="raw", references=(reference,))


def read_tags(path: Path) -> Tags:
    """The tags of a TIFF's first directory, and of those below it where the first has none of a kind."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags: Tags = {}
            for directory in _directories(file):
                tags = {**directory, **tags}
            return tags
    except OSError as error:
        raise PictureError(f"cannot read {path}: {error.strerror or 'it is damaged'}") from None
    except Exception as error:  # noqa: BLE001 - Pillow raises whatever the bytes of a damaged file lead to
        raise PictureError(f"{path} is damaged or no DNG: {type(error).__name__}", "a DNG is a kind of TIFF") from None


def _directories(file: BinaryIO) -> Iterator[Tags]:
    header = file.read(8)
    first = TiffImagePlugin.ImageFileDirectory_v2(header)
    tags = _loaded(file, header, first.next)
    yield tags
    below = tags.get(SUB_IFDS, ())
    offsets = [*(below if isinstance(below, tuple) else (below,))][:MOST_SUB_IFDS]
    for offset in [*offsets, tags.get(EXIF_IFD)]:
        if isinstance(offset, int):
            yield _loaded(file, header, offset)


def _loaded(file: BinaryIO, header: bytes, offset: int) -> Tags:
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    file.seek(offset)
    directory.load(file)
    return {tag: directory[tag] for tag in directory}


def _numbers(value: Any) -> FloatArray:
    """The numbers of a tag; none where there are no finite ones."""
    try:
        found = np.array([float(number) for number in (value if isinstance(value, tuple) else (value,))])
    except (TypeError, ValueError, ZeroDivisionError):
        return np.array([])
    return found if np.isfinite(found).all() else np.array([])
