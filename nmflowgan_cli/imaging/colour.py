"""Colour that is not RGB, and profiles that fit the pixels."""

import io

from PIL import Image, ImageChops, ImageCms

from nmflowgan_cli.imaging.parts import UnsupportedError

_SPACES = {"CMYK": b"CMYK", "LAB": b"Lab "}
"""Pillow's modes, and the name of their colour space in a profile."""


def space_of(icc: bytes) -> bytes:
    """The colour space that a profile is for: b"RGB ", b"GRAY", b"CMYK" ... ICC.1, section 7.2.6."""
    return icc[16:20]


def to_srgb(image: Image.Image, icc: bytes | None, *, inverted: bool = False) -> Image.Image:
    """A CMYK or LAB picture through its profile, by littleCMS: relative colorimetric, with black point compensation.

    LAB needs no profile. `inverted`: the CMYK is 255 where there is no ink. Raises UnsupportedError for CMYK without a
    profile: what its inks look like is not known.
    """
    if inverted:
        image = ImageChops.invert(image)
    try:
        source = _profile(image.mode, icc)
        return _converted(image, source)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UnsupportedError(f"{image.mode} with a colour profile that cannot be used ({reason})") from None


def _profile(mode: str, icc: bytes | None) -> ImageCms.ImageCmsProfile:
    if icc and space_of(icc) == _SPACES[mode]:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc))
    if mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))  # D50, as TIFF says
    raise UnsupportedError(f"{mode} without a colour profile", "convert it to RGB with its colour profile first")


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    done = ImageCms.profileToProfile(
        image,
        source,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if done is None:
        raise ValueError("no result")
    return done
