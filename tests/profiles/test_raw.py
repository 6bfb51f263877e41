"""Profiles of DNG tags, and of numbers by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from nmflowgan_cli.errors import PictureError, WeightsError
from nmflowgan_cli.profiles.by_hand import by_hand
from nmflowgan_cli.profiles.cameras import profile_of
from nmflowgan_cli.profiles.raw import read_raw

RATIONAL, DOUBLE, SHORT, TEXT = 10, 12, 3, 2
MATRIX = [1.2383, -0.4443, -0.2783, -0.4502, 1.4697, 0.0693, -0.0898, 0.2920, 0.6133]


def dng(path: Path, noise: list[float] | None, **others: object) -> Path:
    """A TIFF with the tags of a DNG."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    values = {50708: (TEXT, "Some Phone"), 34855: (SHORT, 800), 50722: (RATIONAL, tuple(MATRIX))}
    values |= {50728: (RATIONAL, (0.5, 1.0, 0.625)), 50714: (SHORT, 64), 50717: (SHORT, 1023)}
    if noise is not None:
        values[51041] = (DOUBLE, tuple(noise))
    for tag, (kind, value) in values.items():
        tags.tagtype[tag] = kind
        tags[tag] = value
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path, format="TIFF", tiffinfo=tags)
    return path


def test_a_dng_says_noise_light_colours_and_black(tmp_path: Path) -> None:
    profile = read_raw(dng(tmp_path / "a.dng", [3.7e-3, 2e-6]))
    camera = profile.camera
    assert (profile.way, profile.name, profile.iso_known) == ("raw", "Some Phone", True)
    assert camera.noise == {800: pytest.approx((3.7e-3, 2e-6))}
    assert camera.white_balance == ((pytest.approx(2.0),) * 2, (pytest.approx(1.6),) * 2)
    assert np.sum(camera.matrix, 1) == pytest.approx(1)
    assert camera.matrix[0][0] == pytest.approx(0.956, abs=0.002)  # 0.4109 of 0.4297
    assert camera.floor == pytest.approx(-64 / 959)


def test_green_is_taken_of_three_pairs(tmp_path: Path) -> None:
    profile = read_raw(dng(tmp_path / "a.dng", [1e-3, 1e-6, 2e-3, 2e-6, 3e-3, 3e-6]))
    assert profile.camera.noise[800] == pytest.approx((2e-3, 2e-6))


@pytest.mark.parametrize("noise", [None, [1e-3], [-1.0, 0.0], [5.0, 0.0]])
def test_a_file_without_usable_noise_is_refused(tmp_path: Path, noise: list[float] | None) -> None:
    with pytest.raises(PictureError, match="no usable NoiseProfile"):
        read_raw(dng(tmp_path / "a.dng", noise))


def test_what_is_no_dng_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(b"II*\0 nothing")
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    with pytest.raises(PictureError, match="no usable NoiseProfile"):
        read_raw(tmp_path / "a.dng")
    with pytest.raises(PictureError, match="is no DNG"):
        read_raw(tmp_path / "b.png")


def test_numbers_by_hand_with_a_typical_or_another_camera() -> None:
    typical, sister = by_hand(1e-3, 1e-6, 400), by_hand(1e-3, 1e-6, like=profile_of("Nexus 5X"))
    assert typical.camera.noise == {400: (1e-3, 1e-6)}
    assert (sister.iso_known, list(sister.camera.noise.values())) == (False, [(1e-3, 1e-6)])
    with pytest.raises(WeightsError, match="noise"):
        by_hand(2.0, 0.0)
