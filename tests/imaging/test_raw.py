"""Raw files: DNGs made here, developed plainly, against their known light."""

import sys
from pathlib import Path

import numpy as np
import pytest
from raw_files import LIGHT
from raw_files import mosaic_dng as dng
from strange import turned
from typer.testing import CliRunner

from nmflowgan_cli.cli.app import app
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import head, limits, memory, read, size
from nmflowgan_cli.synthesis.inputs import find_pictures


def srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_light_comes_out_as_srgb_at_its_own_level(tmp_path: Path, orientation: int) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", LIGHT, orientation=orientation)
    picture = read(path, deepest=16)
    assert (picture.depth, picture.format, picture.alpha) == (16, "RAW", None)
    assert head(path) == (*picture.rgb.shape[:2], 16)
    expected = turned(np.repeat(srgb(LIGHT)[..., None], 3, 2), orientation)
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(picture.rgb / 65535 - expected)[inner].max() < 0.01
    assert picture.notes == ("developed from raw, its EXIF is left out",)


def test_black_is_black_and_white_is_white(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    for light, level in ((0.0, 0), (1.0, 65535)):
        rgb = read(dng(tmp_path / "a.dng", np.full((40, 64), light)), deepest=16).rgb
        assert np.abs(rgb.astype(int) - level).max() <= 64


def test_memory_and_limits_are_judged_by_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", LIGHT)
    assert LIGHT.size * 12 < memory(path) < LIGHT.size * 60
    limits.set_limit(100)
    try:
        with pytest.raises(PictureError, match="64x40 is more than 100 pixels"):
            read(path, deepest=16)
    finally:
        limits.set_limit(None)


@pytest.mark.parametrize("content", [b"no raw file", None])
def test_what_is_no_raw_file_is_told_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", LIGHT)
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    with pytest.raises(PictureError, match=r"a.dng is (damaged|not supported)") as caught:
        read(path, deepest=16)
    assert "\n" not in str(caught.value)


def test_who_takes_8_bits_gets_no_raw_files(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"is not supported: (16 bits a channel|a raw file without)"):
        size(dng(tmp_path / "a.dng", LIGHT))


def test_without_rawpy_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(PictureError, match=r"without the package rawpy \(pip install nmflowgan-cli\[raw\]\)"):
        read(dng(tmp_path / "a.dng", LIGHT), deepest=16)


def test_raw_files_count_where_there_is_nothing_else(tmp_path: Path) -> None:
    dng(tmp_path / "a.dng", LIGHT)
    (tmp_path / "b.NEF").write_bytes(b"")
    assert [source.path.name for source in find_pictures([str(tmp_path)])] == ["a.dng", "b.NEF"]
    assert [source.path.name for source in find_pictures([str(tmp_path / "*.dng")])] == ["a.dng"]
    (tmp_path / "c.png").write_bytes(b"")
    assert [source.path.name for source in find_pictures([str(tmp_path)])] == ["c.png"]
    assert [source.path.name for source in find_pictures([str(tmp_path / "a.dng")])] == ["a.dng"]


def call(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_a_raw_file_gets_the_noise_that_its_tags_state_in_its_own_light(tmp_path: Path) -> None:
    """Grey light stays grey on average, and green's variance is that of the tags, in the raw file's own unit."""
    pytest.importorskip("rawpy")
    path = dng(tmp_path / "a.dng", np.full((128, 128), 0.3))
    call("synthesize", path, "--profile", path, "--iso", 1600, "-o", tmp_path / "noisy")
    noisy = read(tmp_path / "noisy" / "a.png", deepest=16)
    assert noisy.depth == 16
    noise = (noisy.rgb / 65535 - read(path, deepest=16).rgb / 65535)[8:-8, 8:-8]
    assert np.abs(noise.mean((0, 1))).max() < 0.003
    slope = 1.055 / 2.4 * 0.3 ** (1 / 2.4 - 1)
    measured = np.sqrt(4e-5 * 16 * 0.3) * slope  # of green where it was measured; demosaicing smooths a little
    assert 0.6 * measured < noise[..., 1].std() < 1.3 * measured
    call("verify", tmp_path / "noisy")


def test_raw_files_are_not_written(tmp_path: Path) -> None:
    said = call("synthesize", dng(tmp_path / "a.dng", LIGHT), "-c", "IP", "-i", 800, "-o", tmp_path / "b.dng", code=2)
    assert "b.dng: .dng pictures are not written" in said
