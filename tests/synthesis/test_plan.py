"""From what is asked for to the jobs: inputs, names, conditions, shards, and every mistake before work starts."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fakes import VOCABULARY
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nmflowgan_cli.errors import ConditionError, UsageError
from nmflowgan_cli.synthesis.condition_choice import choices
from nmflowgan_cli.synthesis.inputs import find_pictures
from nmflowgan_cli.synthesis.plan import share
from nmflowgan_cli.synthesis.request import SynthesisRequest, prepare, shard_of


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures, which is the current folder."""
    for name in ("b.png", "a.JPG", "sub/c.tif", "sub/deep/d.webp", ".hidden.png", ".dot/e.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def request(*inputs: str, output: str = "/nowhere/out", **options: object) -> SynthesisRequest:
    options = {"cameras": ("IP",), "isos": ("400",), **options}
    return SynthesisRequest(inputs=inputs, output=Path(output), **options)  # type: ignore[arg-type]


def outputs(*inputs: str, output: str = "/nowhere/out", **options: object) -> list[str]:
    jobs = prepare(request(*inputs, output=output, **options), VOCABULARY).jobs
    return [os.path.relpath(job.output, output) for job in jobs]


def relatives(*inputs: str, listed: bytes = b"") -> list[str]:
    return [source.seed_path for source in find_pictures(inputs, listed)]


def test_what_inputs_mean(tree: Path) -> None:
    everything = ["a.JPG", "b.png", "sub/c.tif", "sub/deep/d.webp"]
    assert relatives(".") == relatives(str(tree)) == everything
    assert relatives("sub/deep/d.webp", "b.png", "b.png") == ["d.webp", "b.png"]
    assert relatives("*.png") == ["b.png"]
    assert relatives("sub/**/*") == ["c.tif", "deep/d.webp"]
    assert relatives("-", listed=b"./b.png\nsub/c.tif\n") == ["b.png", "sub/c.tif"]
    assert relatives("-", listed=b"sub/c.tif\0sub/../b.png\0") == ["sub/c.tif", "b.png"]
    assert relatives("-", listed=f"{tree}/sub/c.tif\nsub\n".encode()) == ["c.tif", "sub/c.tif", "sub/deep/d.webp"]
    os.chdir("sub")
    assert relatives("-", listed=b"../b.png") == ["b.png"]


def test_relative_paths_may_start_from_another_folder(tree: Path) -> None:
    def below(folder: str, *inputs: str, listed: bytes = b"") -> list[str]:
        return [source.seed_path for source in find_pictures(inputs, listed, relative_to=Path(folder))]

    everything = ["sub/c.tif", "sub/deep/d.webp"]
    assert below(".", "sub") == below(str(tree), "sub/**/*") == everything
    assert below(".", "sub/c.tif", str(tree / "sub/deep/d.webp"), "sub/deep") == everything
    assert below("sub", "-", listed=f"sub/deep/d.webp\n{tree}/sub/c.tif".encode()) == ["deep/d.webp", "c.tif"]
    with pytest.raises(UsageError, match=r"b.png is not below sub \(--relative-to"):
        below("sub", "sub", "b.png")


def test_patterns_below_a_folder_with_brackets(tree: Path) -> None:
    for name in ("trip [1]/b.png", "trip [1]/day *[2]/c.png", "trip 1/wrong.png"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).touch()
    assert relatives("trip [1]/*.png") == relatives(f"{tree}/trip [1]/*.png") == ["b.png"]
    assert relatives("trip [1]/day *[2]/[a-c].png") == ["c.png"]
    assert relatives("trip [1]/**/*.png") == ["b.png", "day *[2]/c.png"]
    assert relatives("tri[a-p] 1/*.png") == ["trip 1/wrong.png"]
    with pytest.raises(UsageError, match="matches no pictures"):
        relatives("trip [1]/day *[2]/[d-z].png")


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".dib", ".apng", ".mpo", ".JFIF"])
def test_rarer_suffixes_are_pictures_too(tree: Path, suffix: str) -> None:
    (tree / f"rare{suffix}").touch()
    assert f"rare{suffix}" in relatives(".")
    assert outputs("b.png", output=f"out{suffix}") == ["."]


@pytest.mark.parametrize("name", ["noisy.avif", "noisy.HEIC", "noisy.gif"])
def test_outputs_of_formats_that_are_not_written(tree: Path, name: str) -> None:
    with pytest.raises(UsageError, match="pictures are not written"):
        outputs("b.png", output=name)
    (tree / name).mkdir()
    assert outputs("b.png", output=name) == ["b.png"]


def test_names_that_are_not_utf8_have_a_relative_path(tree: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        (tree / "odd").mkdir()
        (tree / "odd" / name).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert relatives("odd") == ["caf\\xe9.png"]
    assert relatives("-", listed=b"odd/caf\xe9.png") == ["odd/caf\\xe9.png"]


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        (("missing.png",), "missing.png does not exist"),
        (("*.bmp",), r"\*.bmp matches no pictures"),
        (("empty",), "empty holds no pictures"),
        (("-",), "standard input is empty"),
        (("b.png", "missing"), "missing does not exist"),
    ],
)
def test_inputs_that_match_nothing(tree: Path, inputs: tuple[str, ...], problem: str) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(UsageError, match=problem):
        find_pictures(inputs, b"\n")


def test_how_outputs_are_named(tree: Path) -> None:
    assert outputs(".") == ["a.png", "b.png", "sub/c.png", "sub/deep/d.png"]
    assert outputs(".", format="same") == ["a.JPG", "b.png", "sub/c.tif", "sub/deep/d.webp"]
    assert outputs("b.png", repeats=3, format="tiff") == ["b_r0.tiff", "b_r1.tiff", "b_r2.tiff"]
    assert outputs("b.png", output="noisy.jpg") == ["."]
    assert outputs("b.png", output="folder") == ["b.png"]
    assert outputs("notes.txt", format="same") == ["notes.png"]


def test_the_output_folder_is_not_searched(tree: Path) -> None:
    (tree / "out").mkdir()
    (tree / "out" / "b.png").touch()
    assert outputs(".", output="out", on_exists="overwrite") == ["a.png", "b.png", "sub/c.png", "sub/deep/d.png"]


@pytest.mark.parametrize(
    ("inputs", "options", "problem"),
    [
        (("b.png", "b.bmp"), {}, "b.png and b.bmp would both be written to"),
        (("b.png", "sub/b.png"), {}, "would both be written to"),
        (("b.png",), {"output": "."}, "on top of an input"),
        (("sub",), {"output": "sub", "format": "same"}, "on top of an input"),
        (("b.png",), {"output": "b.png"}, "on top of an input"),
        (("b.png",), {"output": "link.png"}, "on top of an input"),
        (("b.png", "a.JPG"), {"output": "x.png"}, "cannot all be written to x.png"),
        (("b.png",), {"output": "x.png", "repeats": 2}, "cannot all be written to x.png"),
        (("b.png",), {"output": "x.png", "format": "jpg"}, "does not fit x.png"),
        (("b.png",), {"format": "gif"}, "unknown format 'gif'"),
        (("b.png",), {"repeats": 0}, "0 repeats"),
        (("b.png",), {"on_exists": "ask"}, "'ask' is unknown"),
        (("b.png",), {"shard": "3/2"}, "shard '3/2'"),
        (("b.png",), {"output": "made"}, "made/b.png already exists"),
    ],
)
def test_mistakes_are_told_before_work_starts(
    tree: Path, inputs: tuple[str, ...], options: dict[str, object], problem: str
) -> None:
    for name in ("b.bmp", "sub/b.png", "made/b.png"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).touch()
    (tree / "link.png").symlink_to("b.png")
    with pytest.raises(UsageError, match=problem):
        prepare(request(*inputs, **options), VOCABULARY)


def test_outputs_that_exist_may_be_skipped_or_overwritten(tree: Path) -> None:
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tree / "out.png")
    for on_exists, skipped in (("skip", True), ("overwrite", False)):
        prepared = prepare(request("b.png", output="out.png", on_exists=on_exists), VOCABULARY)
        assert prepared.skip(prepared.jobs[0], "") is skipped


@given(st.integers(0, 60), st.integers(1, 9))
def test_shards_partition_the_jobs(count: int, shards: int) -> None:
    jobs = list(range(count))
    parts = [share(jobs, f"{number + 1}/{shards}") for number in range(shards)]  # type: ignore[arg-type]
    assert sorted(job for part in parts for job in part) == jobs


def test_shards_of_torchrun_and_slurm() -> None:
    assert shard_of({}) is None
    assert shard_of({"RANK": "0", "WORLD_SIZE": "1"}) is None
    assert shard_of({"RANK": "2", "WORLD_SIZE": "4"}) == "3/4"
    assert shard_of({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}) is None
    assert shard_of({"SLURM_PROCID": "7", "SLURM_STEP_NUM_TASKS": "8"}) == "8/8"


def draws(cameras: list[str], isos: list[str], count: int = 400) -> list[tuple[str, int]]:
    drawn = choices(VOCABULARY, cameras, isos)
    conditions = [drawn.draw(0, f"{number}.png", 0) for number in range(count)]
    return [(condition.camera, condition.iso) for condition in conditions]


def test_conditions_are_drawn_from_what_was_asked_for() -> None:
    assert set(draws(["IP"], ["400"])) == {("IP", 400)}
    assert set(draws(["google pixel"], ["200"])) == {("GP", 200)}
    assert set(draws(["IP,GP"], ["400,800"])) == {(c, i) for c in ("IP", "GP") for i in (400, 800)}
    assert set(draws(["random"], ["random"])) == {("GP", 100), ("GP", 800), ("IP", 100), ("IP", 400), ("IP", 3200)}
    assert set(draws(["random"], ["3200"])) == {("IP", 3200)}


def test_draws_are_fair() -> None:
    cameras = Counter(camera for camera, _ in draws(["random"], ["random"], 4000))
    assert abs(cameras["IP"] - 2000) < 200
    isos = np.array([iso for _, iso in draws(["IP"], ["200-3200"], 4000)])
    assert isos.min() >= 200
    assert isos.max() <= 3200
    assert abs((isos < 800).mean() - 0.5) < 0.05  # log-uniform: 800 is half-way


def test_a_range_is_cut_to_what_each_camera_knows() -> None:
    drawn = draws(["GP", "IP"], ["100-3200"])
    assert max(iso for camera, iso in drawn if camera == "GP") <= 800
    assert max(iso for camera, iso in drawn if camera == "IP") > 800


@given(st.integers(0, 2**40), st.text(max_size=8), st.integers(0, 5))
def test_a_draw_depends_on_its_arguments_alone(seed: int, path: str, repeat: int) -> None:
    drawn = choices(VOCABULARY, ["random"], ["100-3200", "random"])
    first = drawn.draw(seed, path, repeat)
    drawn.draw(seed + 1, path, repeat)
    assert drawn.draw(seed, path, repeat) == first
    VOCABULARY.check(first)


@pytest.mark.parametrize(
    ("camera", "iso", "problem"),
    [
        ("Nokia", "400", "'Nokia' is unknown.*GP .*IP"),
        ("S6", "400", "never trained on camera S6"),
        ("S6", "random", "never trained on camera S6"),
        ("IP", "0", "ISO 0"),
        ("IP", "1000000000", "ISO 1000000000 is outside.*100 to 3200"),
        ("GP", "1600", "ISO 1600 is outside.*100 to 800"),
        ("GP", "1600-3200", "outside.*100 to 800"),
        ("IP,GP", "1600", "outside"),
        ("random", "6400", "no camera .* knows ISO 6400"),
        ("IP", "high", "'high' is not understood"),
        ("IP", "-5", "'-5' is not understood"),
        ("IP", "800-100", "ISO range 800-100 is empty"),
        ("IP", "9" * 5000, "not understood"),
        ("", "400", "a camera must be chosen"),
    ],
)
def test_unknown_conditions_are_refused(camera: str, iso: str, problem: str) -> None:
    with pytest.raises(ConditionError, match=problem):
        choices(VOCABULARY, [camera], [iso])
