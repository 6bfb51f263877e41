"""Pictures in and out: every kind of 8-bit file, and what travels with it."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
from fakes import photograph
from PIL import Image

from nmflowgan_cli.errors import DiskError, PictureError
from nmflowgan_cli.imaging import Picture, encode_png, luma, read, size, write

RGB = photograph(37, 53)
ALPHA = np.arange(37 * 53, dtype=np.uint8).reshape(37, 53)
LOSSLESS = ["png", "webp", "tiff", "bmp"]


def saved(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_keep_every_bit(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"a.{suffix}", Picture(RGB))
    picture = read(tmp_path / f"a.{suffix}")
    assert np.array_equal(picture.rgb, RGB)
    assert (picture.alpha, picture.grey) == (None, False)
    assert picture.format == suffix.upper()


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
@pytest.mark.parametrize("grey", [False, True])
def test_alpha_is_untouched_also_where_it_is_zero(tmp_path: Path, suffix: str, grey: bool) -> None:
    rgb = np.repeat(RGB[..., :1], 3, 2) if grey else RGB
    write(tmp_path / f"a.{suffix}", Picture(rgb, ALPHA, grey))
    picture = read(tmp_path / f"a.{suffix}")
    assert np.array_equal(picture.rgb, rgb)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, ALPHA)


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "jpg"])
def test_the_colour_profile_is_kept(tmp_path: Path, suffix: str) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write(tmp_path / f"a.{suffix}", Picture(RGB, icc=profile))
    assert read(tmp_path / f"a.{suffix}").icc == profile


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_the_orientation_is_applied_and_reset(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Maker"
    read_back = read(saved(tmp_path / f"a.{suffix}", RGB, exif=exif))
    flipped = {2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1]}
    turned = {5: RGB.swapaxes(0, 1), 6: np.rot90(RGB, -1), 7: np.rot90(RGB, 2).swapaxes(0, 1), 8: np.rot90(RGB)}
    assert np.array_equal(read_back.rgb, {1: RGB, **flipped, **turned}[orientation])
    write(tmp_path / "b.png", read_back)
    again = read(tmp_path / "b.png")
    assert np.array_equal(again.rgb, read_back.rgb)
    if suffix == "png":
        with Image.open(tmp_path / "b.png") as image:
            assert image.getexif().get(0x010F) == "Maker"
            assert image.getexif().get(0x0112, 1) == 1


def test_grey_stays_grey(tmp_path: Path) -> None:
    for mode in ("L", "1", "LA"):
        picture = read(saved(tmp_path / f"{mode}.png", RGB, mode))
        assert picture.grey
        assert (picture.rgb == picture.rgb[..., :1]).all()
        write(tmp_path / "out.png", picture)
        with Image.open(tmp_path / "out.png") as image:
            assert image.mode == ("LA" if mode == "LA" else "L")


def test_luma_is_that_of_pillow() -> None:
    assert np.array_equal(luma(RGB), np.asarray(Image.fromarray(RGB).convert("L")))
    grey = np.repeat(RGB[..., :1], 3, 2)
    assert np.array_equal(luma(grey), grey[..., 0])


def test_palettes_and_transparent_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "p.png")
    assert np.array_equal(read(tmp_path / "p.png").rgb, np.asarray(palette.convert("RGB")))
    palette.save(tmp_path / "t.png", transparency=3)
    alpha = read(tmp_path / "t.png").alpha
    assert alpha is not None
    assert np.array_equal(alpha == 0, np.asarray(palette) == 3)
    key = tuple(int(value) for value in RGB[0, 0])
    alpha = read(saved(tmp_path / "k.png", RGB, transparency=key)).alpha
    assert alpha is not None
    assert np.array_equal(alpha == 0, (RGB[0, 0] == RGB).all(2))


def test_a_jpeg_is_written_as_it_came(tmp_path: Path) -> None:
    for subsampling in (0, 1, 2):
        first = saved(tmp_path / "a.jpg", RGB, quality=71, subsampling=subsampling)
        write(tmp_path / "b.jpg", read(first))
        one, two = read(first), read(tmp_path / "b.jpg")
        assert one.jpeg == two.jpeg
        assert one.jpeg is not None
        assert one.jpeg[1] == subsampling
    grey = read(saved(tmp_path / "g.jpg", RGB, "L", quality=60))
    write(tmp_path / "h.jpg", grey)
    assert read(tmp_path / "h.jpg").jpeg == grey.jpeg
    write(tmp_path / "i.jpg", Picture(RGB, grey=False, jpeg=grey.jpeg))
    assert read(tmp_path / "i.jpg").rgb.shape == RGB.shape


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "bmp", "jpg"])
@pytest.mark.parametrize("share", [0, 0.05, 0.5, 0.95])
def test_truncated_files_are_told_in_one_line(tmp_path: Path, suffix: str, share: float) -> None:
    path = saved(tmp_path / f"a.{suffix}", np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(PictureError, match=r"a\.\w+ is (damaged|not a picture)") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_nothing_half_written_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Image.Image, file, *_: object, **__: object) -> None:
        file.write(b"begun")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write(tmp_path / "a.png", Picture(RGB))
    before = (tmp_path / "a.png").read_bytes()
    monkeypatch.setattr(Image.Image, "save", full)
    for name in ("a.png", "new.png"):
        with pytest.raises(DiskError, match=rf"cannot write .*{name}: No space left on device \(make room\)"):
            write(tmp_path / name, Picture(RGB))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


def test_unwritable_places_and_unknown_suffixes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PictureError, match="cannot write"):
        write(tmp_path / "file" / "a.png", Picture(RGB))
    with pytest.raises(PictureError, match=r"unknown picture suffix '.xyz'"):
        write(tmp_path / "a.xyz", Picture(RGB))
    with pytest.raises(PictureError, match=r"as WEBP|cannot write"):
        write(tmp_path / "wide.webp", Picture(np.zeros((1, 16400, 3), np.uint8)))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
def test_tiny_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    for suffix in LOSSLESS:
        write(tmp_path / f"a.{suffix}", Picture(photograph(*size)))
        assert np.array_equal(read(tmp_path / f"a.{suffix}").rgb, photograph(*size))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tiff", "a.bmp"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_is_that_of_the_decoded_picture(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photograph(20, 33)).save(tmp_path / name, exif=exif)
    assert size(tmp_path / name) == read(tmp_path / name).rgb.shape[:2]


def test_the_size_of_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(PictureError, match="not a picture"):
        size(tmp_path / "a.png")
    with pytest.raises(PictureError, match="No such file"):
        size(tmp_path / "b.png")


def test_a_png_in_memory_is_lossless() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(rgb[:, ::-1])))), rgb[:, ::-1])
