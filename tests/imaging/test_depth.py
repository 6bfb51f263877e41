"""16 bits a channel: every bit in and out, by readers and writers that share no code with ours."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from deep_reader import deep_pixels
from PIL import Image, ImageCms
from strange import png_chunk, turned

from nmflowgan_cli.errors import PictureError, PictureMemoryError
from nmflowgan_cli.imaging import Picture, encode_png, head, limits, luma, memory, read, size, with_depth, write

RGB = np.random.default_rng(0).integers(0, 65536, (37, 53, 3), np.uint16)
GREY = np.ascontiguousarray(RGB[..., 1])
ALPHA = RGB[::-1, ::-1, 2] | 1


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("alpha", [None, ALPHA])
def test_every_bit_comes_back(tmp_path: Path, suffix: str, grey: bool, alpha: np.ndarray | None) -> None:
    path, rgb = tmp_path / f"a.{suffix}", np.repeat(GREY[..., None], 3, 2) if grey else RGB
    assert write(path, Picture(rgb, alpha, grey)) == []
    picture = read(path, deepest=16)
    assert (picture.depth, picture.grey, picture.format) == (16, grey, suffix.upper())
    assert np.array_equal(picture.rgb, rgb)
    assert (picture.alpha is None) == (alpha is None)
    assert alpha is None or np.array_equal(picture.alpha, alpha)
    assert head(path) == (*rgb.shape[:2], 16)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_independent_readers_see_what_was_written(tmp_path: Path, suffix: str) -> None:
    for name, picture, expected in (
        ("rgb", Picture(RGB), RGB),
        ("rgba", Picture(RGB, ALPHA), np.dstack([RGB, ALPHA])),
        ("grey", Picture(np.repeat(GREY[..., None], 3, 2), grey=True), GREY),
    ):
        write(tmp_path / f"{name}.{suffix}", picture)
        assert np.array_equal(deep_pixels(tmp_path / f"{name}.{suffix}"), expected), name


KINDS = {
    "grey": (GREY, {"photometric": "minisblack"}),
    "white is 0": (65535 - GREY, {"photometric": "miniswhite"}),
    "rgb": (RGB, {"photometric": "rgb"}),
    "planes": (np.moveaxis(RGB, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
    "rgba": (np.dstack([RGB, ALPHA]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "grey and alpha": (
        np.dstack([GREY, ALPHA]),
        {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]},
    ),
    "tiles": (RGB, {"photometric": "rgb", "tile": (16, 32)}),
    "strips": (RGB, {"photometric": "rgb", "rowsperstrip": 5}),
    "unknown channel": (np.dstack([RGB, ALPHA]), {"photometric": "rgb", "extrasamples": ["unspecified"]}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_tiffs_of_another_writer(tmp_path: Path, kind: str) -> None:
    stored, options = KINDS[kind]
    expected = np.repeat(GREY[..., None], 3, 2) if "grey" in kind or "white" in kind else RGB
    for order, compression, predictor, turn in (("<", None, None, 1), (">", "zlib", 2, 6), ("<", "lzw", 2, 8)):
        tags = [(274, "H", 1, turn, True)]
        tifffile.imwrite(
            tmp_path / "a.tif",
            stored,
            byteorder=order,
            compression=compression,
            predictor=predictor,
            extratags=tags,
            metadata=None,
            **options,
        )
        picture = read(tmp_path / "a.tif", deepest=16)
        assert np.array_equal(picture.rgb, turned(expected, turn))
        assert head(tmp_path / "a.tif")[:2] == picture.rgb.shape[:2]
        assert (picture.alpha is not None) == ("alpha" in kind or kind == "rgba")
        assert picture.alpha is None or np.array_equal(picture.alpha, turned(ALPHA, turn))


def test_alpha_that_is_multiplied_in(tmp_path: Path) -> None:
    multiplied = (RGB.astype(np.uint64) * ALPHA[..., None] // 65535).astype(np.uint16)
    stored = np.dstack([multiplied, ALPHA])
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    picture = read(tmp_path / "a.tif", deepest=16)
    assert np.array_equal(picture.alpha, ALPHA)
    strong = ALPHA > 20000
    assert np.abs(picture.rgb.astype(int) - RGB)[strong].max() <= 4


def test_a_transparent_colour_becomes_alpha(tmp_path: Path) -> None:
    content = encode_png(RGB)
    key = png_chunk(b"tRNS", RGB[2, 3].astype(">u2").tobytes())
    (tmp_path / "a.png").write_bytes(content[:33] + key + content[33:])
    picture = read(tmp_path / "a.png", deepest=16)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, (RGB[2, 3] == RGB).all(2))
    assert set(np.unique(picture.alpha)) == {0, 65535}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_and_what_stands_beside_the_pixels_is_kept(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "b.png").write_bytes(beside(encode_png(RGB), b"eXIf", exif.tobytes()[6:]))
    picture = read(tmp_path / "b.png", deepest=16)
    assert np.array_equal(picture.rgb, turned(RGB, orientation))
    write(tmp_path / "c.png", Picture(picture.rgb, icc=icc, exif=picture.exif))
    with Image.open(tmp_path / "c.png") as image:
        image.load()
        assert image.info["icc_profile"] == icc
        assert image.getexif().get(0x010F) == "Maker"
        assert image.getexif().get(0x0112, 1) == 1
    write(tmp_path / "c.tiff", Picture(RGB, icc=icc))
    with Image.open(tmp_path / "c.tiff") as image:
        assert image.info["icc_profile"] == icc


def beside(png: bytes, name: bytes, content: bytes) -> bytes:
    return png[:33] + png_chunk(name, content) + png[33:]


def test_a_gamma_that_is_not_that_of_srgb_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(beside(encode_png(RGB), b"gAMA", struct.pack(">I", 100000)))
    write(tmp_path / "b.png", read(tmp_path / "a.png", deepest=16))
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["gamma"] == 1.0


def test_who_takes_8_bits_gets_no_others(tmp_path: Path) -> None:
    write(tmp_path / "a.png", Picture(RGB))
    for work in (read, size):
        with pytest.raises(PictureError, match="not supported: 16 bits a channel"):
            work(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["jpg", "webp", "bmp"])
def test_other_formats_hold_8_bits(tmp_path: Path, kind: str) -> None:
    with pytest.raises(PictureError, match=r"holds 8 bits a channel, not 16 \(use --format png, or --depth 8\)"):
        write(tmp_path / f"a.{kind}", Picture(RGB))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["png", "tiff"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_truncated_files_are_told_in_one_line(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a.{suffix}"
    write(path, Picture(RGB))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(PictureError, match="is damaged: ") as caught:
        read(path, deepest=16)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("stored", "options", "feature"),
    [
        (RGB.astype(np.uint32), {"photometric": "rgb"}, "32 bits a channel"),
        (RGB.astype(np.float32), {"photometric": "rgb"}, "floating-point pixels"),
        (RGB.view(np.int16), {"photometric": "rgb"}, "16 bits a channel of photometric interpretation 2"),
        (np.dstack([RGB, ALPHA]), {"photometric": "separated"}, "16 bits a channel of photometric interpretation 5"),
        (RGB, {"photometric": "cielab"}, "16 bits a channel of photometric interpretation 8"),
    ],
)
def test_deep_pixels_that_are_not_read_have_a_name(tmp_path: Path, stored: np.ndarray, options, feature: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    with pytest.raises(PictureError, match=f"is not supported: {feature}"):
        read(tmp_path / "a.tif", deepest=16)


def test_size_and_memory_are_judged_by_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed = struct.pack(">IIBBBBB", 2**13, 2**13, 16, 2, 0, 0, 0)
    signature, end = b"\x89PNG\r\n\x1a\n", png_chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(signature + png_chunk(b"IHDR", claimed) + png_chunk(b"IDAT", bytes(99)) + end)
    with pytest.raises(PictureError, match=r"beyond a limit: 8192x8192 pixels \(67108864\) in a file of"):
        head(tmp_path / "a.png")
    monkeypatch.setenv("NMFLOWGAN_MAX_PIXELS", str(2**26))
    assert 2**26 * 12 < memory(tmp_path / "a.png") < 2**26 * 30
    monkeypatch.setattr(limits, "available", lambda: 2**20)
    with pytest.raises(PictureMemoryError, match="8192x8192 pixels take"):
        read(tmp_path / "a.png", deepest=16)


def test_depths_are_changed_by_rounding_once() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(with_depth(with_depth(levels, 16), 8), levels)
    assert with_depth(levels, 16).max() == 65535
    deep = np.arange(65536, dtype=np.uint16)
    assert np.array_equal(with_depth(deep, 8), np.floor(deep / 257 + 0.5))


def test_luma_of_16_bits_is_that_of_8() -> None:
    eight = with_depth(RGB, 8)
    assert np.abs(luma(with_depth(eight, 16)) / 257 - luma(eight)).max() <= 0.5
    white = np.full((1, 1, 3), 65535, np.uint16)
    assert luma(white) == 65535
