"""Strange pictures among good ones, as a user meets them: every good one is made, and each bad one is one line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from strange import encoded, exif, gradient, jpeg_with, page, png_chunk, png_with, short, tiff

from nmflowgan_cli.imaging import read

RGB = gradient()
GREY = np.ascontiguousarray(RGB[..., 0])
LINEAR = png_chunk(b"gAMA", bytes([0, 1, 0x86, 0xA0]))

GOOD = {
    "deep.png": encoded(GREY.astype(np.uint16), "PNG"),
    "turned make.jpg": jpeg_with(encoded(RGB, "JPEG"), (0xE1, exif(short(274, 6), (271, 5, 1, bytes(8))))),
    "turned.tif": tiff(page(GREY, short(274, 6)), GREY.tobytes()),
    "late.png": png_with(encoded(RGB, "PNG"), after=png_chunk(b"eXIf", exif(short(274, 6))[6:])),
    "corrupt exif.jpg": jpeg_with(encoded(RGB, "JPEG"), (0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x0f\1")),
    "linear.png": png_with(encoded(RGB, "PNG"), before=LINEAR),
    "jfif.jfif": encoded(RGB, "JPEG"),
    "dib.dib": encoded(RGB, "DIB"),
}
BAD = {
    "colours.tif": tiff(page(GREY, (320, 8, 768, bytes([255, 255]) * 768), photometric=3), GREY.tobytes()),
    "cut.png": encoded(RGB, "PNG")[:100],
    "lzw.tif": encoded(RGB, "TIFF", compression="tiff_lzw")[:-2000],
    "empty.jpg": b"",
    "gif.png": encoded(RGB, "GIF"),
    "float.tif": encoded(GREY.astype(np.float32), "TIFF"),
    "inks.tif": tiff(page(np.dstack([RGB, GREY]), photometric=5), np.dstack([RGB, GREY]).tobytes()),
    "samples.tif": tiff(page(np.zeros((4, 4, 9), np.uint8))),
    "text.png": b"no picture",
}
"""One of each kind that is refused."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (GOOD | BAD).items():
        (tmp_path / "clean" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "clean" / name).write_bytes(content)
    return tmp_path


def call(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nmflowgan_cli", *map(str, arguments), "-c", "IP", "-i", 800, "--weights", "isp"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=200
    )


def test_the_good_ones_of_a_folder_are_made(folder: Path) -> None:
    done = call(folder, "synthesize", "clean", "-o", "noisy", "-q")
    assert done.returncode == 3
    assert sorted(path.name for path in (folder / "noisy").glob("*.png")) == sorted(
        Path(name).with_suffix(".png").name for name in GOOD
    )
    lines = done.stderr.splitlines()
    assert all(line.startswith("error: clean/") for line in lines)
    assert [next(name for name in BAD if name in line) for line in lines] == sorted(BAD)
    for name in ("turned make", "turned", "late"):
        assert read(folder / "noisy" / f"{name}.png").rgb.shape == (64, 48, 3)


def test_pairs_are_cut_of_the_good_ones(folder: Path) -> None:
    done = call(folder, "make-pairs", "clean", "-o", "pairs", "--patch", 0, "-q")
    assert done.returncode == 3
    noisy = sorted((folder / "pairs/train/noisy").iterdir())
    assert len(noisy) == len(GOOD)
    assert len(done.stderr.splitlines()) == len(BAD)
    assert call(folder, "make-pairs", "clean", "-o", "pairs", "--patch", 0, "-q", "--resume").returncode == 3
    assert sorted((folder / "pairs/train/noisy").iterdir()) == noisy


def test_what_a_picture_loses_is_told(folder: Path) -> None:
    done = call(folder, "synthesize", "clean/linear.png", "-o", "noisy.jpg")
    assert done.returncode == 0
    assert "note: clean/linear.png: JPEG cannot say its gamma or colour space: left out" in done.stderr.splitlines()
    assert call(folder, "synthesize", "clean/linear.png", "-o", "quiet.jpg", "-q").stderr == ""
    assert call(folder, "synthesize", "clean/linear.png", "-o", "noisy.png").returncode == 0
    assert LINEAR in (folder / "noisy.png").read_bytes()


def test_pictures_that_cannot_be_written_take_no_work(folder: Path) -> None:
    Image.new("L", (65501, 1)).save(folder / "wide.png")
    done = call(folder, "synthesize", "wide.png", "-o", "wide.jpg", "-q")
    assert done.returncode == 3
    assert done.stderr.startswith("error: cannot write wide.jpg: JPEG has at most 65500 pixels a side, not 65501x1")
