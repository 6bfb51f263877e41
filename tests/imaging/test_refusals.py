"""Three words for three things: not supported, beyond a limit, damaged; each in one line that names the cause."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from strange import encoded, gradient, jpeg_with, long, page, png_chunk, short, tiff

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import Picture, read, refuse_unwritable, size, write

RGB = gradient()
GREY = np.ascontiguousarray(RGB[..., 0])
JPEG = encoded(RGB, "JPEG")
FRAME = JPEG.index(b"\xff\xc0")


def refusal(tmp_path: Path, content: bytes) -> str:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(PictureError) as caught:
        read(tmp_path / "a")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{tmp_path / 'a'} ")


def bmp(bits: int, compression: int, masks: bytes = b"") -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40 + len(masks), 4, 4, 1, bits, compression, 0, 0, 0, 0, 0) + masks
    return struct.pack("<2sIII", b"BM", 14 + len(head) + 64, 0, 14 + len(head)) + head + bytes(64)


def png_of_size(width: int, height: int, depth: int = 8) -> bytes:
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(7)))
    return b"\x89PNG\r\n\x1a\n" + head + pixels + png_chunk(b"IEND", b"")


def several(kind: str, **options: object) -> bytes:
    file, frames = io.BytesIO(), [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], **options)
    return file.getvalue()


def frame(marker: int, bits: int = 8, channels: int = 3) -> bytes:
    """A JPEG that says that it is of another process."""
    changed = bytes([0xFF, marker]) + JPEG[FRAME + 2 : FRAME + 4] + bytes([bits]) + JPEG[FRAME + 5 : FRAME + 9]
    return JPEG[:FRAME] + changed + bytes([channels]) + JPEG[FRAME + 10 :]


@pytest.mark.parametrize(
    ("content", "feature"),
    [
        (encoded(GREY.astype(np.uint16) * 257, "PNG"), "16 bits a channel"),
        (png_of_size(1, 1, depth=16), "16 bits a channel"),  # RGB, which Pillow would open with 8
        (encoded(GREY.astype(np.uint16) * 257, "TIFF"), "16 bits a channel"),
        (encoded(GREY.astype(np.int32), "TIFF"), "32 bits a channel"),
        (encoded(GREY.astype(np.float32), "TIFF"), "floating-point pixels"),
        (tiff(page(GREY, short(258, 12))), "12 bits a channel"),
        (tiff(page(GREY, short(259, 50001)), GREY.tobytes()), "TIFF compressed with WebP"),
        (tiff(page(GREY, short(259, 34712)), GREY.tobytes()), "TIFF compressed with JPEG 2000"),
        (tiff(page(GREY, short(259, 777)), GREY.tobytes()), "TIFF compressed with method 777"),
        (tiff(page(RGB, photometric=9), RGB.tobytes()), "TIFF of photometric interpretation 9, 3 channels, 8 bits a"),
        (tiff(page(RGB, short(530, 2, 2), photometric=6), RGB.tobytes()), "YCbCr with fewer colours than pixels"),
        (tiff(page(np.zeros((4, 4, 9), np.uint8))), "9 channels"),
        (tiff(page(GREY), GREY.tobytes(), then=page(GREY)), "several pages"),
        (tiff(page(GREY), GREY.tobytes(), then=page(GREY, long(254, 5))), "several pages"),
        (several("PNG"), "animation"),
        (several("WEBP"), "animation"),
        (several("TIFF"), "several pages"),
        (frame(0xC1, bits=12), "12 bits a channel"),
        (frame(0xC5), "hierarchical JPEG"),
        (frame(0xC0, channels=2), "JPEG of 2 channels"),
        (bmp(16, 3, struct.pack("<4I", 0xF00, 0xF0, 0xF, 0xF000)), "BMP bitfields layout"),
        (bmp(64, 0), "BMP pixel depth (64)"),
        (bmp(24, 4), "BMP compression (4)"),
        (encoded(RGB, "GIF"), "GIF (PNG, JPEG, WebP, TIFF or BMP)"),
        (encoded(RGB, "AVIF"), "AVIF (PNG, JPEG, WebP, TIFF or BMP)"),
        (b"\0\0\0\x18ftypisom", "not a picture that can be read"),
        (b"no picture", "not a picture that can be read"),
    ],
)
def test_not_supported(tmp_path: Path, content: bytes, feature: str) -> None:
    said = refusal(tmp_path, content)
    assert said.startswith(f"is not supported: {feature}")
    assert "replace" not in said
    with pytest.raises(PictureError, match="is not supported"):
        size(tmp_path / "a")


def test_beyond_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(tmp_path, png_of_size(40000, 30000)).startswith(
        "is beyond a limit: 40000x30000 is more than 268435456"
    )
    assert refusal(tmp_path, png_of_size(2**29, 1)).startswith("is beyond a limit: 536870912x1")
    wide = JPEG[: FRAME + 5] + struct.pack(">HH", 65535, 16) + JPEG[FRAME + 9 :]
    assert "16x65535 pixels, where a JPEG has at most 65500 a side" in refusal(tmp_path, wide)
    monkeypatch.setenv("NMFLOWGAN_MAX_PIXELS", "1000")
    assert "(--max-pixels or NMFLOWGAN_MAX_PIXELS raises the limit, or cut it)" in refusal(tmp_path, JPEG)
    monkeypatch.setenv("NMFLOWGAN_MAX_PIXELS", "4000")
    assert read(tmp_path / "a").rgb.shape == RGB.shape
    monkeypatch.setenv("NMFLOWGAN_MAX_PIXELS", "many")
    with pytest.raises(PictureError, match="NMFLOWGAN_MAX_PIXELS is 'many'"):
        size(tmp_path / "a")


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_pillows_own_limit_is_lifted_while_pictures_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {"compression": compression})):
        (tmp_path / "a").write_bytes(encoded(RGB, kind, **options))
        assert np.array_equal(read(tmp_path / "a").rgb, RGB)
    with pytest.raises(PictureError):
        read(tmp_path / "missing")
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "it is empty"),
        (b"II*\0", "its first directory lies beyond its end"),
        (tiff(page(GREY, long(278, 5)), GREY.tobytes()), "it has 1 of its 10 strips or tiles"),
        (tiff(page(GREY, long(257, 20000), long(278, 48)), GREY.tobytes()), "it has 1 of its 417 strips or tiles"),
        (tiff(page(GREY, (320, 8, 768, bytes([255, 255]) * 768), photometric=3), GREY.tobytes()), "negative numbers"),
        (tiff(page(GREY, photometric=3), GREY.tobytes()), "its colour map is missing"),
        (JPEG[:FRAME] + b"\xff\xc0\0\3\x08" + JPEG[FRAME + 19 :], "it ends too soon"),
        (encoded(RGB, "PNG")[:100], "truncated"),
        (JPEG[:-30], "truncated"),
        (png_chunk(b"IHDR", bytes(13), checksum=1).join([b"\x89PNG\r\n\x1a\n", b""]), "checksum"),
    ],
)
def test_damaged(tmp_path: Path, content: bytes, cause: str) -> None:
    said = refusal(tmp_path, content)
    assert said.startswith("is damaged: ")
    assert cause in said
    assert said.endswith("(replace or remove it)")


def test_neither_there_nor_a_file(tmp_path: Path) -> None:
    for name, problem in (("missing.png", "No such file"), (".", "it is a folder, not a regular file")):
        for work in (read, size):
            with pytest.raises(PictureError, match=f"cannot read .*{problem}"):
                work(tmp_path / name)


def test_what_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    wide = Picture(np.zeros((1, 65501, 3), np.uint8))
    clear = Picture(RGB, np.full(RGB.shape[:2], 254, np.uint8))
    for name, picture, problem in (
        ("a.jpg", wide, "JPEG has at most 65500 pixels a side, not 65501x1"),
        ("a.webp", wide, "WEBP has at most 16383 pixels a side"),
        ("a.jpg", clear, "JPEG holds no transparency"),
        ("a.bmp", clear, "BMP holds no transparency"),
        ("a.xyz", wide, "unknown picture suffix '.xyz'"),
    ):
        for work in (refuse_unwritable, write):
            with pytest.raises(PictureError, match=problem):
                work(tmp_path / name, picture)
    assert list(tmp_path.iterdir()) == []
    write(tmp_path / "a.png", wide)


@pytest.mark.parametrize("kind", ["JPEG", "BMP"])
def test_alpha_that_is_opaque_is_no_transparency(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "a", Picture(RGB, np.full(RGB.shape[:2], 255, np.uint8)), kind)
    assert read(tmp_path / "a").alpha is None


def test_segments_beside_the_pixels_do_not_hide_damage(tmp_path: Path) -> None:
    assert refusal(tmp_path, jpeg_with(JPEG, (0xFE, b"words"))[:150]).startswith("is damaged")
