"""What stands beside the pixels never costs a picture; what is lost of it is told."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms
from strange import (
    encoded,
    exif,
    gradient,
    grey_profile,
    jpeg_with,
    long,
    page,
    png_chunk,
    png_with,
    short,
    tiff,
    turned,
)

from nmflowgan_cli.imaging import Picture, read, size, write

RGB = gradient()
PNG = encoded(RGB, "PNG")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LARGE = SRGB + bytes(1_200_000)


def reread(tmp_path: Path, content: bytes) -> Picture:
    (tmp_path / "a").write_bytes(content)
    picture = read(tmp_path / "a")
    assert size(tmp_path / "a") == picture.rgb.shape[:2]
    return picture


WRONG_TAGS = [
    (271, 5, 1, struct.pack("<II", 1, 3)),  # Make, a fraction
    (271, 11, 1, struct.pack("<f", 2.5)),
    (272, 3, 4, bytes(8)),  # Model, numbers
    (282, 2, 6, b"dense\0"),  # XResolution, text
    (282, 5, 1, struct.pack("<II", 72, 0)),
    (296, 1, 1, b"\3"),  # ResolutionUnit, a byte
    (296, 2, 5, b"inch\0"),
    (306, 4, 2**30, struct.pack("<I", 8)),  # DateTime, longer than the file
    (330, 4, 1, struct.pack("<i", -1)),  # SubIFDs
    (34665, 4, 1, struct.pack("<i", -1)),  # the directory of EXIF
    (34665, 2, 4, b"here"),
    (34853, 13, 1, struct.pack("<I", 8)),  # that of GPS, which is this one
    (37510, 99, 7, bytes(4)),  # a type that there is not
]


@pytest.mark.parametrize("wrong", WRONG_TAGS, ids=str)
def test_tags_of_wrong_types(tmp_path: Path, wrong) -> None:
    stored = reread(tmp_path, encoded(RGB, "JPEG")).rgb
    for content in (
        jpeg_with(encoded(RGB, "JPEG"), (0xE1, exif(short(274, 6), wrong))),
        png_with(PNG, before=png_chunk(b"eXIf", exif(short(274, 6), wrong)[6:])),
        encoded(RGB, "WEBP", lossless=True, exif=exif(short(274, 6), wrong)),
        tiff(page(RGB, short(274, 6), wrong, photometric=2), RGB.tobytes()),
    ):
        picture = reread(tmp_path, content)
        assert np.array_equal(picture.rgb, turned(stored if content[:2] == b"\xff\xd8" else RGB, 6))
        for suffix in ("jpg", "png", "webp", "tiff"):
            assert write(tmp_path / f"b.{suffix}", picture) == []
            assert read(tmp_path / f"b.{suffix}").rgb.shape == (64, 48, 3)


def test_exif_is_kept_but_for_the_orientation(tmp_path: Path) -> None:
    maker, thumbnail = (271, 2, 6, b"Maker\0"), (37500, 7, 9, bytes(range(9)))
    before, after = (exif(maker, short(274, orientation), thumbnail) for orientation in (6, 1))
    assert reread(tmp_path, jpeg_with(encoded(RGB, "JPEG"), (0xE1, before))).exif == after
    assert reread(tmp_path, jpeg_with(encoded(RGB, "JPEG"), (0xE1, after))).exif == after


def test_exif_that_is_none_is_left_out(tmp_path: Path) -> None:
    picture = reread(tmp_path, jpeg_with(encoded(RGB, "JPEG"), (0xE1, b"Exif\0\0" + bytes(30))))
    assert (picture.exif, picture.notes) == (None, ("its EXIF is damaged and left out",))


@pytest.mark.parametrize(
    "segment",
    [
        (0xE0, b"JFIF\0"),
        (0xE1, b""),
        (0xE1, b"Exif\0\0"),
        (0xE2, b"ICC_PROFILE\0"),
        (0xE2, b"ICC_PROFILE\0\1\2half"),
        (0xE2, b"MPF\0II*\0"),
        (0xED, b"Photoshop 3.0\0" + b"8BIM\3\xed"),
        (0xED, b"Photoshop 3.0\0" + b"8BIM\3\xed\0\0\0\0\0\x10\0"),
        (0xEE, b"Adobe"),
        (0xFE, b""),
    ],
    ids=str,
)
def test_segments_that_end_too_soon(tmp_path: Path, segment: tuple[int, bytes]) -> None:
    plain = encoded(RGB, "JPEG")
    assert np.array_equal(reread(tmp_path, jpeg_with(plain, segment)).rgb, reread(tmp_path, plain).rgb)


@pytest.mark.parametrize("filling", [b"\xff\xff\xff", b"\0\0", b"rubbish\xff\0"])
def test_filling_between_segments(tmp_path: Path, filling: bytes) -> None:
    plain = encoded(RGB, "JPEG")
    full = jpeg_with(plain, (0xFE, b"words"), (0xE1, exif(short(274, 6))))
    after_words = 2 + 4 + len(b"words")
    full = full[:after_words] + filling + full[after_words:]
    assert np.array_equal(reread(tmp_path, full).rgb, turned(reread(tmp_path, plain).rgb, 6))


@pytest.mark.parametrize(
    "name", [b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"tIME", b"eXIf", b"iCCP"]
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_chunks_beside_the_pixels(tmp_path: Path, name: bytes, place: str) -> None:
    bomb = b"key\0\0" + zlib.compress(bytes(2**25))
    for chunk in (
        png_chunk(name, b"a text\0of some words and more of them", checksum=1),
        png_chunk(name, b""),
        png_chunk(name, b"\0\0\1"),
        png_chunk(name, b"key\0\x07" + bytes(9)),
        png_chunk(name, bomb),
        png_chunk(name, bytes(2**21)),
    ):
        picture = reread(tmp_path, png_with(PNG, **{place: chunk}))
        assert np.array_equal(picture.rgb, RGB)
        write(tmp_path / "b.png", picture)
        assert np.array_equal(reread(tmp_path, (tmp_path / "b.png").read_bytes()).rgb, RGB)


def test_a_png_cut_off_beside_its_pixels(tmp_path: Path) -> None:
    content = png_with(PNG, after=png_chunk(b"tEXt", b"key\0" + bytes(100)))
    assert np.array_equal(reread(tmp_path, content[:-60]).rgb, RGB)


@pytest.mark.parametrize(
    ("chunk", "lost"),
    [
        (png_chunk(b"iCCP", b"name\0\0" + zlib.compress(SRGB), checksum=1), "colour profile has a wrong checksum"),
        (png_chunk(b"iCCP", b"name\0\0" + zlib.compress(SRGB)[:-9]), "colour profile cannot be unpacked"),
        (png_chunk(b"eXIf", exif(short(274, 6)), checksum=1), "EXIF has a wrong checksum"),
        (png_chunk(b"gAMA", struct.pack(">I", 100000), checksum=1), "gamma has a wrong checksum"),
    ],
)
def test_what_is_lost_of_a_png_is_told(tmp_path: Path, chunk: bytes, lost: str) -> None:
    picture = reread(tmp_path, png_with(PNG, before=chunk))
    assert len(picture.notes) == 1
    assert lost in picture.notes[0]


def test_large_profiles_are_read_and_left_out_of_what_pillow_could_not_read(tmp_path: Path) -> None:
    chunk = png_chunk(b"iCCP", b"name\0\0" + zlib.compress(LARGE))
    sources = [
        png_with(PNG, before=chunk),
        encoded(RGB, "JPEG", icc_profile=LARGE),
        encoded(RGB, "TIFF", icc_profile=LARGE),
    ]
    for content in sources:
        picture = reread(tmp_path, content)
        assert picture.icc == LARGE
        for suffix in ("jpg", "tiff", "webp"):
            assert write(tmp_path / f"b.{suffix}", picture) == []
            assert read(tmp_path / f"b.{suffix}").icc == LARGE
        (note,) = write(tmp_path / "b.png", picture)
        assert "colour profile of 1200" in note
        assert read(tmp_path / "b.png").icc is None


def test_exif_that_no_segment_holds(tmp_path: Path) -> None:
    picture = Picture(RGB, exif=exif((37500, 7, 70000, bytes(70000))))
    assert write(tmp_path / "a.jpg", picture) == ["its EXIF is too large for a JPEG: left out"]
    assert write(tmp_path / "a.png", picture) == []
    assert read(tmp_path / "a.png").exif == picture.exif


def test_exif_of_one_format_is_written_as_that_of_another(tmp_path: Path) -> None:
    block = exif((271, 2, 6, b"Maker\0"))
    for first in ("jpg", "png", "webp"):
        write(tmp_path / f"a.{first}", Picture(RGB, exif=block))
        for second in ("jpg", "png", "webp"):
            write(tmp_path / f"b.{second}", read(tmp_path / f"a.{first}"))
            assert read(tmp_path / f"b.{second}").exif == block


def test_pages_that_are_previews_are_passed_over(tmp_path: Path) -> None:
    small = np.full((2, 2), 7, np.uint8)
    whole = gradient()[..., 0].copy()
    preview = page(small, long(254, 1), (273, 4, 1, struct.pack("<I", 0)))
    for first, second in ((page(whole), preview), (preview, page(whole)), (page(whole), page(small, short(255, 2)))):
        picture = reread(tmp_path, tiff(first, whole.tobytes(), then=second))
        assert np.array_equal(picture.rgb[..., 0], whole)


def test_a_profile_of_other_pixels_is_left_out(tmp_path: Path) -> None:
    grey = Picture(np.repeat(RGB[..., :1], 3, 2), grey=True, icc=grey_profile())
    for suffix in ("png", "tiff", "jpg"):
        assert write(tmp_path / f"a.{suffix}", grey) == []
        assert read(tmp_path / f"a.{suffix}").icc == grey_profile()
    assert write(tmp_path / "a.webp", grey) == ["its colour profile is not for RGB pixels: left out"]
    assert read(tmp_path / "a.webp").icc is None
    assert write(tmp_path / "a.bmp", grey) == ["BMP holds no colour profile: left out"]
