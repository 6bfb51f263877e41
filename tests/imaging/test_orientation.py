"""Turned pictures are turned, wherever the file says it, and `size` knows it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from strange import encoded, exif, gradient, jpeg_with, page, png_chunk, png_with, short, tiff, turned

from nmflowgan_cli.imaging import Picture, read, size, write

RGB = gradient()
GREY = np.ascontiguousarray(RGB[..., 0])
XMP = '<x:xmpmeta><rdf:Description tiff:Orientation="{}"/></x:xmpmeta>'
ELEMENT = "<rdf:Description><tiff:Orientation>{}</tiff:Orientation></rdf:Description>"


def upright(tmp_path: Path, content: bytes) -> Picture:
    """The picture, whose size is what `size` says, and which is upright when it has been written and read again."""
    (tmp_path / "a").write_bytes(content)
    picture = read(tmp_path / "a")
    assert size(tmp_path / "a") == picture.rgb.shape[:2]
    write(tmp_path / "b.png", picture)
    again = read(tmp_path / "b.png")
    assert np.array_equal(again.rgb, picture.rgb)
    with Image.open(tmp_path / "b.png") as image:
        assert image.getexif().get(274, 1) == 1
    return picture


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "1"])
def test_tiffs_of_all_modes(tmp_path: Path, mode: str, compression: str, orientation: int) -> None:
    image = Image.fromarray(RGB).quantize(50) if mode == "P" else Image.fromarray(RGB).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression, tiffinfo={274: orientation})
    picture = upright(tmp_path, (tmp_path / "a.tif").read_bytes())
    assert np.array_equal(picture.rgb, turned(np.asarray(image.convert("RGB")), orientation))


def ycc_tiff(orientation: int) -> bytes:
    """YCbCr in a TIFF with LZW, whose orientation libtiff looks at, too."""
    import io

    file = io.BytesIO()
    Image.fromarray(RGB).convert("YCbCr").save(file, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation})
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_not_turned_twice(tmp_path: Path, orientation: int) -> None:
    stored = upright(tmp_path, ycc_tiff(1)).rgb
    assert np.array_equal(upright(tmp_path, ycc_tiff(orientation)).rgb, turned(stored, orientation))


def jpeg_of_exif(orientation: int) -> bytes:
    return jpeg_with(encoded(RGB, "JPEG"), (0xE1, exif(short(274, orientation))))


def png_of_exif_after_the_pixels(orientation: int) -> bytes:
    return png_with(encoded(RGB, "PNG"), after=png_chunk(b"eXIf", exif(short(274, orientation))[6:]))


def png_of_raw_profile(orientation: int) -> bytes:
    block = exif(short(274, orientation))
    text = b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(block), block.hex().encode())
    return png_with(encoded(RGB, "PNG"), before=png_chunk(b"tEXt", text))


def png_of_xmp(orientation: int) -> bytes:
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.format(orientation).encode()
    return png_with(encoded(RGB, "PNG"), after=png_chunk(b"iTXt", text))


def jpeg_of_xmp(orientation: int) -> bytes:
    text = b"http://ns.adobe.com/xap/1.0/\0" + ELEMENT.format(orientation).encode()
    return jpeg_with(encoded(RGB, "JPEG"), (0xE1, text))


def webp_of_exif(orientation: int) -> bytes:
    return encoded(RGB, "WEBP", lossless=True, exif=exif(short(274, orientation)))


def webp_of_xmp(orientation: int) -> bytes:
    return encoded(RGB, "WEBP", lossless=True, xmp=XMP.format(orientation).encode())


def tiff_of_xmp(orientation: int) -> bytes:
    text = XMP.format(orientation).encode()
    return tiff(page(RGB, (700, 1, len(text), text), photometric=2), RGB.tobytes())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "build",
    [
        jpeg_of_exif,
        jpeg_of_xmp,
        png_of_exif_after_the_pixels,
        png_of_raw_profile,
        png_of_xmp,
        tiff_of_xmp,
        webp_of_exif,
        webp_of_xmp,
    ],
)
def test_wherever_the_file_says_it(tmp_path: Path, build, orientation: int) -> None:
    stored = upright(tmp_path, build(1)).rgb
    assert np.array_equal(upright(tmp_path, build(orientation)).rgb, turned(stored, orientation))


def test_exif_counts_before_xmp(tmp_path: Path) -> None:
    text = b"http://ns.adobe.com/xap/1.0/\0" + XMP.format(3).encode()
    content = jpeg_with(encoded(RGB, "JPEG"), (0xE1, text), (0xE1, exif(short(274, 6))))
    assert upright(tmp_path, content).rgb.shape == (64, 48, 3)


@pytest.mark.parametrize("kind", [1, 3, 4])
def test_any_type_of_number_will_do(tmp_path: Path, kind: int) -> None:
    content = jpeg_with(encoded(RGB, "JPEG"), (0xE1, exif((274, kind, 1, bytes([6, 0, 0, 0])))))
    assert upright(tmp_path, content).rgb.shape == (64, 48, 3)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_numbers_that_mean_nothing_turn_nothing(tmp_path: Path, orientation: int) -> None:
    assert upright(tmp_path, jpeg_of_exif(orientation)).rgb.shape == RGB.shape
    assert upright(tmp_path, tiff(page(GREY, short(274, orientation)), GREY.tobytes())).rgb.shape == RGB.shape
