"""Colour follows the format: inks and Lab become sRGB, and what says how RGB looks is kept or told as lost."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from strange import cmyk_profile, encoded, gradient, page, png_chunk, png_with, short, srgb_of_lab, tiff

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import read, size, write

INKS = {
    (0, 0, 0, 0): (100, 0, 0),
    (1, 0, 0, 0): (55, -20, -30),
    (0, 1, 0, 0): (50, 60, 0),
    (0, 0, 1, 0): (88, -4, 60),
    (0, 1, 1, 0): (48, 50, 35),
    (0, 0, 0, 1): (16, 0, 0),
}
CMYK = np.array(list(INKS), np.uint8)[None] * 255
EXPECTED = srgb_of_lab(np.array(list(INKS.values()), float))


def cmyk_tiff(profile: bytes, *more: tuple[int, int, int, bytes]) -> bytes:
    return tiff(page(CMYK, (34675, 7, len(profile), profile), *more, photometric=5), CMYK.tobytes())


def test_cmyk_becomes_srgb_through_its_profile(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(cmyk_tiff(cmyk_profile(INKS)))
    picture = read(tmp_path / "a.tif")
    assert np.abs(picture.rgb[0] - EXPECTED).max() < 3
    assert (picture.icc, picture.grey, picture.notes) == (None, False, ("converted from CMYK to sRGB",))


def cmyk_jpeg(*, adobe: bool) -> bytes:
    """Squares of single inks. Adobe's JPEGs hold them inverted, all others as they are."""
    squares = np.repeat(np.repeat(CMYK, 16, 0), 16, 1)
    file, stored = io.BytesIO(), squares if adobe else 255 - squares  # Pillow inverts, and marks the file as Adobe's
    image = Image.frombytes("CMYK", stored.shape[1::-1], stored.tobytes())
    image.save(file, "JPEG", quality=95, icc_profile=cmyk_profile(INKS))
    content = file.getvalue()
    mark = content.index(b"\xff\xee")
    return content if adobe else content[:mark] + content[mark + 16 :]


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_jpegs_are_inverted_or_not_as_they_say(tmp_path: Path, adobe: bool) -> None:
    (tmp_path / "a.jpg").write_bytes(cmyk_jpeg(adobe=adobe))
    assert np.abs(read(tmp_path / "a.jpg").rgb[8, 8::16] - EXPECTED).max() < 6


def test_a_turned_cmyk_picture(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(cmyk_tiff(cmyk_profile(INKS), short(274, 6)))
    assert size(tmp_path / "a.tif") == (6, 1)
    assert np.abs(read(tmp_path / "a.tif").rgb[:, 0] - EXPECTED).max() < 3


@pytest.mark.parametrize("profile", [b"", b"no profile", cmyk_profile(INKS)[:200], bytes(16) + b"CMYK" + bytes(200)])
def test_cmyk_without_a_profile_is_not_supported(tmp_path: Path, profile: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(cmyk_tiff(profile))
    with pytest.raises(PictureError, match="is not supported: CMYK with"):
        read(tmp_path / "a.tif")


def test_lab_becomes_srgb(tmp_path: Path) -> None:
    lab = np.array([[[96, 0, 2], [55, -20, -30], [50, 60, 0], [88, -4, 60], [48, 50, 35], [16, 0, 0]]])
    stored = np.round(lab * [2.55, 1, 1]).astype(np.int16).astype(np.uint8)
    (tmp_path / "a.tif").write_bytes(tiff(page(stored, photometric=8), stored.tobytes()))
    picture = read(tmp_path / "a.tif")
    assert np.abs(picture.rgb - srgb_of_lab(lab.astype(float))).max() < 3
    assert picture.notes == ("converted from LAB to sRGB",)


LINEAR = png_chunk(b"gAMA", struct.pack(">I", 100000))
WIDE = png_chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
CODED = png_chunk(b"cICP", bytes([9, 16, 0, 1]))
USUAL = png_chunk(b"gAMA", struct.pack(">I", 45000))


@pytest.mark.parametrize("chunks", [LINEAR, WIDE, LINEAR + WIDE, CODED])
def test_gamma_and_primaries_are_kept_or_told_as_lost(tmp_path: Path, chunks: bytes) -> None:
    (tmp_path / "a.png").write_bytes(png_with(encoded(gradient(), "PNG"), before=chunks))
    picture = read(tmp_path / "a.png")
    assert write(tmp_path / "b.png", picture) == []
    assert chunks in (tmp_path / "b.png").read_bytes()
    for kind in ("JPEG", "WEBP", "TIFF", "BMP"):
        assert write(tmp_path / "b", picture, kind) == [f"{kind} cannot say its gamma or colour space: left out"]


@pytest.mark.parametrize("chunks", [USUAL, png_chunk(b"sRGB", b"\0") + LINEAR, png_chunk(b"gAMA", bytes(4))])
def test_what_says_srgb_is_not_repeated(tmp_path: Path, chunks: bytes) -> None:
    (tmp_path / "a.png").write_bytes(png_with(encoded(gradient(), "PNG"), before=chunks))
    picture = read(tmp_path / "a.png")
    assert picture.png_colour == ()
    write(tmp_path / "b.png", picture)
    assert b"gAMA" not in (tmp_path / "b.png").read_bytes()


def test_a_profile_counts_before_gamma(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "a.png").write_bytes(png_with(encoded(gradient(), "PNG", icc_profile=profile), before=LINEAR))
    picture = read(tmp_path / "a.png")
    assert (picture.icc, picture.png_colour) == (profile, ())
