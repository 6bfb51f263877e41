"""Each reader against each writer: pairs that went through a container or a layout are the pairs that went in."""

import tomllib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import photograph
from profile_examples import UNKNOWN
from writers import ISP, WRITERS, call, made, photographs, pictures

from nmflowgan_cli.conditions import UNKNOWN_ISO, Condition
from nmflowgan_cli.data.containers.base import pair_of
from nmflowgan_cli.data.folders import NAMES
from nmflowgan_cli.data.origin import REAL, UNSTATED, Origin
from nmflowgan_cli.data.reading import Paired, divide, read_paired, scene_of
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import Picture, read, write
from nmflowgan_cli.profiles.files import write_profile

FOUR = ("a.png", "b.jpg", "sub/c.png", "sub/d.png")
TWICE = ("--patch", 64, "--step", 16, "--val-share", 0.5, "--repeats", 2)
"""Four patches of each of two noisy pictures of each photograph, half of them for val."""

Pixels = tuple[bytes, bytes]


def contents(pairs: Sequence[Paired]) -> dict[Pixels, tuple[Condition, str, Origin]]:
    """What is known of each pair of patches, by its pixels."""
    return {one: (pair.condition, pair.split, pair.origin) for pair in pairs for one in pictures(pair)}


def scenes(pairs: Sequence[Paired]) -> set[frozenset[Pixels]]:
    """The patches that are of one scene, without the names of the scenes: HDF5 has numbers for them."""
    found = defaultdict(set)
    for pair in pairs:
        found[scene_of(pair)].update(pictures(pair))
    return {frozenset(patches) for patches in found.values()}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("photographs") / "clean", FOUR)


@pytest.fixture(scope="module")
def synthetic(clean: Path) -> Sequence[Paired]:
    """Pairs of the simulator as separate files."""
    return read_paired(made(clean.parent / "synthetic", clean, *ISP, *TWICE))[0]


@pytest.fixture(scope="module")
def paired(clean: Path) -> Path:
    """A manifest of three real pairs, two of one scene, and one that does not state its noise."""
    rows = ["clean,noisy,camera,iso,scene,split,noise"]
    for number, (scene, noise) in enumerate((("x", "real"), ("x", "real"), ("y", ""), ("z", "Real"))):
        picture = read(clean / FOUR[number]).rgb
        for side, rgb in (("clean", picture), ("noisy", picture // 2)):
            write(clean.parent / f"paired/{side}{number}.png", Picture(rgb))
        rows.append(f"clean{number}.png,noisy{number}.png,Canon 5D2,{400 + 400 * number},{scene},train,{noise}")
    (clean.parent / "paired" / "manifest.csv").write_text("\n".join(rows))
    return clean.parent / "paired"


@pytest.mark.parametrize("writer", WRITERS)
def test_synthetic_pairs_come_back_as_they_are(
    writer: str, clean: Path, synthetic: Sequence[Paired], tmp_path: Path
) -> None:
    found, usual = read_paired(made(tmp_path / "pairs", clean, *ISP, *TWICE, *WRITERS[writer]))
    assert usual == ""
    assert contents(found) == contents(synthetic)
    assert len(contents(found)) == 4 * 2 * 4
    assert scenes(found) == scenes(synthetic)
    assert len(scenes(found)) == 4
    assert len({pair.name for pair in found}) == len(found)
    [origin] = {pair.origin for pair in found}
    assert (origin.noise, len(origin.sha256), origin.seed) == ("isp", 64, 5)
    assert {part: len(contents(pairs)) for part, pairs in divide(found).items()} == {"train": 16, "val": 16}


@pytest.mark.parametrize("writer", WRITERS)
def test_made_noise_of_an_unknown_iso_comes_back(writer: str, clean: Path, tmp_path: Path) -> None:
    write_profile(tmp_path / "unknown.json", UNKNOWN)
    options = ("--profile", tmp_path / "unknown.json", "--patch", 64, "--step", 16, "--device", "cpu")
    found, _ = read_paired(made(tmp_path / "pairs", clean, *options, *WRITERS[writer]))
    assert len(contents(found)) == 4 * 4
    assert {pair.condition for pair in found} == {Condition(UNKNOWN.name, UNKNOWN_ISO)}


@pytest.mark.parametrize("stated", [{}, {"noise": "real"}])
def test_camera_noise_of_an_unknown_iso_is_refused(stated: dict[str, str]) -> None:
    facts = {"camera": "X1", "iso": UNKNOWN_ISO, "height": 8, "width": 8, "scene": "s", "split": "train", **stated}
    with pytest.raises(UsageError, match="0 is not an ISO speed"):
        pair_of(facts, "a", lambda: (b"", b""))


@pytest.mark.parametrize("writer", WRITERS)
def test_real_pairs_stay_real_and_unstated_ones_unstated(writer: str, paired: Path, tmp_path: Path) -> None:
    originals = read_paired(paired)[0]
    assert [pair.origin for pair in originals] == [REAL, REAL, UNSTATED, REAL]
    found, _ = read_paired(made(tmp_path / "pairs", paired, "--patch", 0, *WRITERS[writer]))
    assert contents(found) == contents(originals)
    assert scenes(found) == scenes(originals)


@pytest.mark.parametrize("writer", WRITERS)
def test_train_and_evaluate_take_every_container(writer: str, clean: Path, tmp_path: Path) -> None:
    root = made(tmp_path / "pairs", clean, *ISP, *TWICE, *WRITERS[writer])
    counted = call("train", root, "-o", tmp_path / "run", "--dry-run")
    assert counted.exit_code == 0, counted.stderr
    patches = tomllib.loads(counted.stdout)["patches"]
    assert {part: patches[part]["all"] for part in patches} == {"train": 16, "val": 16}
    done = call("evaluate", root, "-m", "awgn", "--patch", 32, "--split", "val")
    assert (done.exit_code, done.stderr.count("\n")) == (0, 1), done.stderr
    assert done.stdout.startswith("compared with synthetic noise of isp (")


@pytest.mark.parametrize("names", NAMES, ids="-".join)
@pytest.mark.parametrize("place", ["", "SIDD/", "crops/of 64/"])
def test_folders_as_people_keep_them(names: tuple[str, str], place: str, tmp_path: Path) -> None:
    parts = {"train": "train", "val": "val", "Test": "val"}
    expected = {}
    for number, part in enumerate(parts):
        for picture in ("a.png", "more/b.png"):
            for side, folder in enumerate(names):
                rgb = photograph(8, 9, 10 * number + len(picture) + 100 * side)
                write(tmp_path / part / place / folder / picture, Picture(rgb))
                expected[f"{part}/{place}{picture}", side] = rgb.tobytes()
    found, _ = read_paired(tmp_path, condition=Condition("X1", 640))
    assert {(pair.name, side): one for pair in found for side, one in enumerate(pictures(pair)[0])} == expected
    assert all(pair.split == parts[pair.name.partition("/")[0]] for pair in found)
    alone, _ = read_paired(tmp_path / "train" / place, condition=Condition("X1", 640))
    assert [(pair.name, pair.split) for pair in alone] == [("a.png", "train"), ("more/b.png", "train")]
