"""--frames: every frame of animations and page of TIFF is a picture of its own, with noise of its own."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from fakes import photograph
from PIL import Image
from typer.testing import CliRunner

from nmflowgan_cli.cli.app import app
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import encode_png, frames, read, with_depth

CLIP = [photograph(48, 64, seed) for seed in range(3)]
NOISE = ("-w", "isp", "-c", "IP", "-i", "800")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    pages = [Image.fromarray(page) for page in CLIP]
    for name, options in (("a.webp", {"lossless": True}), ("b.png", {}), ("c.tif", {})):
        pages[0].save(Path("in", name), save_all=True, append_images=pages[1:], **options)
    tifffile.imwrite("in/deep.tif", np.stack([with_depth(page, 16) for page in CLIP]), photometric="rgb")
    Path("in/one.png").write_bytes(encode_png(CLIP[0]))
    return tmp_path


def call(command: str, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, [command, *arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("name", ["a.webp", "b.png", "c.tif", "deep.tif"])
def test_each_frame_is_read(name: str) -> None:
    path = Path("in", name)
    assert frames(path) == 3
    for number in (2, 0, 1):
        rgb = read(path, deepest=16, frame=number).rgb
        assert np.array_equal(with_depth(rgb, 8), CLIP[number])
    with pytest.raises(PictureError, match=r"in/.* is damaged: "):
        read(path, deepest=16, frame=3)
    with pytest.raises(PictureError, match=r"not supported: (animation|several pages) \(--frames makes all of "):
        read(path, deepest=16)


def test_the_noise_of_each_frame_is_that_of_a_picture_of_its_name() -> None:
    call("synthesize", "in", *NOISE, "--frames", "--format", "same", "-o", "out")
    names = [f"{stem}_f{number:04d}{suffix}" for stem, suffix in CLIPS for number in range(3)]
    assert sorted(path.name for path in Path("out").iterdir()) == sorted([*names, "manifest.jsonl", "one.png"])
    Path("apart").mkdir()
    Path("apart/b_f0001.png").write_bytes(encode_png(CLIP[1]))
    call("synthesize", "apart/b_f0001.png", *NOISE, "-o", "same")
    assert Path("same/b_f0001.png").read_bytes() == Path("out/b_f0001.png").read_bytes()


CLIPS = (("a", ".webp"), ("b", ".png"), ("c", ".tif"), ("deep", ".tif"))


def test_noise_is_independent_in_time() -> None:
    tifffile.imwrite("still.tif", np.stack([CLIP[0]] * 2), photometric="rgb")
    call("synthesize", "still.tif", *NOISE, "--frames", "-o", "out")
    first, second = (read(Path("out", f"still_f000{number}.png")).rgb.astype(float) - CLIP[0] for number in (0, 1))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_without_the_option_they_fail_one_by_one() -> None:
    said = call("synthesize", "in", *NOISE, "-o", "out", code=3)
    assert "done: 1, failed: 4" in said
    assert said.count("--frames makes all of") == 4


def test_resume_and_repair_make_the_same_frame_again() -> None:
    arguments = ("in/c.tif", *NOISE, "--frames", "-o", "out")
    call("synthesize", *arguments)
    before = Path("out/c_f0002.png").read_bytes()
    Path("out/c_f0002.png").unlink()
    assert "done: 1, skipped: 2" in call("synthesize", *arguments, "--resume")
    Path("out/c_f0002.png").write_bytes(b"altered")
    call("verify", "out", "--repair")
    assert Path("out/c_f0002.png").read_bytes() == before
    assert [json.loads(line)["input_frame"] for line in Path("out/manifest.jsonl").read_text().splitlines()][:3] == [
        0,
        1,
        2,
    ]


def test_several_frames_are_not_one_file() -> None:
    assert "several pictures cannot all be written to x.png" in call(
        "synthesize", "in/c.tif", *NOISE, "--frames", "-o", "x.png", code=2
    )


def test_pairs_of_frames_share_a_scene() -> None:
    arguments = ("in/c.tif", "in/one.png", *NOISE, "--frames", "--patch", "32", "--val-share", "0.5", "-o", "pairs")
    call("make-pairs", *arguments)
    records = [json.loads(line) for line in Path("pairs/manifest.jsonl").read_text().splitlines()]
    splits = {record["split"] for record in records if record["input"] == "in/c.tif"}
    assert len(splits) == 1
    assert {record.get("input_frame") for record in records} == {0, 1, 2, None}
    victim = next(record for record in records if record.get("input_frame") == 1)
    path = Path("pairs", victim["noisy"])
    before = path.read_bytes()
    path.unlink()
    call("verify", "pairs", "--repair")
    assert path.read_bytes() == before
    assert "pairs skipped: 16" in call("make-pairs", *arguments, "--resume")
