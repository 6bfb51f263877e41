"""Pairs of 16 bits a channel: cut, recorded, resumed and repaired like those of 8."""

import json
from pathlib import Path

import numpy as np
import pytest
from deep_reader import deep_pixels
from fakes import photograph
from typer.testing import CliRunner

from nmflowgan_cli.cli.app import app
from nmflowgan_cli.data.containers.base import decode_png
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import Picture, encode_png, read, with_depth, write
from nmflowgan_cli.pairs.cutting import detail

CLEAN = with_depth(photograph(64, 96), 16) + np.uint16(77)
NOISE = ("-w", "isp", "-c", "IP", "-i", "800")
RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("clean").mkdir()
    write(Path("clean/deep.png"), Picture(CLEAN))
    Path("clean/plain.png").write_bytes(encode_png(with_depth(CLEAN, 8)))
    return tmp_path


def call(*arguments: str, command: str = "make-pairs", code: int = 0) -> str:
    done = RUNNER.invoke(app, [command, *arguments])
    assert done.exit_code == code, done.output
    return done.output


def records(folder: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(folder, "manifest.jsonl").read_text().splitlines()]


def test_a_patch_is_the_crop_of_what_synthesize_writes() -> None:
    call("clean/deep.png", *NOISE, "--patch", "32", "-o", "pairs")
    call("clean/deep.png", *NOISE, "-o", "noisy.png", command="synthesize")
    whole = deep_pixels(Path("noisy.png"))
    assert len(records("pairs")) == 6
    for record in records("pairs"):
        assert record["depth"] == 16
        rows, columns = (slice(record[side], record[side] + 32) for side in ("top", "left"))
        assert np.array_equal(deep_pixels(Path("pairs", str(record["noisy"]))), whole[rows, columns])
        assert np.array_equal(deep_pixels(Path("pairs", str(record["clean"]))), CLEAN[rows, columns])


@pytest.mark.parametrize("depth", ["same", "8", "16"])
def test_pairs_are_as_deep_as_asked_for(depth: str) -> None:
    call("clean", *NOISE, "--patch", "0", "--depth", depth, "-o", "pairs")
    found = {Path(str(record["input"])).stem: record for record in records("pairs")}
    for name, own in (("deep", 16), ("plain", 8)):
        wanted = own if depth == "same" else int(depth)
        assert found[name]["depth"] == wanted
        for side in ("clean", "noisy"):
            assert read(Path("pairs", str(found[name][side])), deepest=16).depth == wanted


@pytest.mark.parametrize("container", ["folder", "webdataset", "parquet", "lmdb"])
def test_resume_and_repair_give_the_same_bytes(container: str) -> None:
    pytest.importorskip({"parquet": "pyarrow", "lmdb": "lmdb"}.get(container, "json"))
    arguments = ("clean/deep.png", *NOISE, "--patch", "32", "--container", container, "-o", "pairs")
    call(*arguments)
    assert "pairs skipped: 6" in call(*arguments, "--resume")
    assert "all as recorded" in call("pairs", command="verify")
    assert "depth was 16" in call(*arguments, "--resume", "--depth", "8", code=2)
    if container == "lmdb":
        return
    victim = Path("pairs", str(records("pairs")[0].get("file") or records("pairs")[0]["noisy"]))
    before = victim.read_bytes()
    victim.write_bytes(before[:-1] + b"x")
    assert "all as recorded" in call("pairs", "--repair", command="verify")
    assert victim.read_bytes() == before


def test_records_without_a_depth_are_of_8_bits() -> None:
    arguments = ("clean/plain.png", *NOISE, "--patch", "32", "-o", "pairs")
    call(*arguments)
    path = Path("pairs/manifest.jsonl")
    path.write_text(path.read_text().replace('"depth": 8, ', ""))
    assert "pairs skipped: 6" in call(*arguments, "--resume")


def test_hdf5_of_the_authors_holds_8_bits() -> None:
    pytest.importorskip("h5py")
    arguments = ("clean/deep.png", *NOISE, "--patch", "32", "--container", "hdf5", "-o", "pairs")
    said = call(*arguments, code=2)
    assert "16 bits a channel of clean/deep.png, where the container holds 8 (--depth 8 rounds them" in said
    call(*arguments, "--depth", "8")


def test_real_pairs_keep_the_depth_of_the_deeper_picture() -> None:
    Path("pair.csv").write_text("clean,noisy,camera,iso\nclean/plain.png,clean/deep.png,IP,800\n")
    call("pair.csv", "--patch", "0", "-o", "pairs")
    [record] = records("pairs")
    assert record["depth"] == 16
    assert np.array_equal(deep_pixels(Path("pairs", str(record["noisy"]))), CLEAN)
    rounded = with_depth(with_depth(CLEAN, 8), 16)
    assert np.array_equal(deep_pixels(Path("pairs", str(record["clean"]))), rounded)


def test_detail_is_in_counts_whatever_the_depth() -> None:
    patch = with_depth(photograph(32, 32), 16)
    assert detail(patch) == pytest.approx(detail(with_depth(patch, 8)), rel=1e-5)


def test_readers_of_8_bits_refuse_pairs_of_16() -> None:
    with pytest.raises(PictureError, match=r"x has 16 bits a channel \(make-pairs --depth 8"):
        decode_png(encode_png(CLEAN), "x")
