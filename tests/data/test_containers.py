"""Containers, read back by their readers' own means: the same pixels, whole or not at all."""

import gc
import io
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
import pyarrow.parquet
import pytest
import webdataset
from fakes import photograph
from PIL import Image

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data import containers
from nmflowgan_cli.data.containers import CONTAINERS, Container, Sample, Volume, open_container
from nmflowgan_cli.data.containers import lmdb as lmdb_container
from nmflowgan_cli.data.containers.hdf5 import read_hdf5
from nmflowgan_cli.data.layouts import Label
from nmflowgan_cli.data.manifest import read_pairs
from nmflowgan_cli.data.origin import Origin
from nmflowgan_cli.data.sidd_instances import SceneInstance
from nmflowgan_cli.errors import UsageError

Pixels = dict[str, tuple[np.ndarray, np.ndarray]]
"""Clean and noisy pixels by key."""

CONDITION = Condition("S6", 800)


def label(picture: int, patch: int, split: str = "train") -> Label:
    return Label(
        stem=f"p{picture}",
        split=split,
        instance=SceneInstance(picture, f"{picture:03d}", CONDITION, 350, 3200, "L"),
        frame=None,
        patch=patch,
    )


def pixels(one: Label) -> tuple[np.ndarray, np.ndarray]:
    clean, noisy = (photograph(16, 12, 100 * one.instance.number + 10 * one.patch + side) for side in (0, 1))
    return clean, noisy


def facts(one: Label) -> dict[str, Any]:
    place = {"top": 0, "left": 12 * one.patch, "height": 16, "width": 12, "weights": "isp"}
    known = {"key": one.key, "split": one.split, "scene": one.stem, "camera": "S6", "iso": 800, "frame": None}
    return {**known, "relative_path": one.stem, "repeat": 0, **place, **Origin("isp", "0a1b", 3).to_json()}


def sample(container: Container, one: Label) -> Sample:
    clean, noisy = (container.encode(patch) for patch in pixels(one))
    return Sample(one, clean, noisy, facts(one))


def volumes(container: Container) -> list[Volume]:
    """Three pictures of two patches each for train, one for val."""
    pictures = [(label(number, 0), label(number, 1)) for number in (1, 2, 3)]
    val = [Volume("val", 0, ((label(4, 0, "val"),),))]
    if container.sharded:
        return [Volume("train", 0, tuple(pictures[:2])), Volume("train", 1, (pictures[2],)), *val]
    return [Volume("train", number, (picture,)) for number, picture in enumerate(pictures)] + val


def filled(name: str, root: Path, layout: str | None = None) -> list[dict[str, Any]]:
    """Write all volumes; the records."""
    records: list[dict[str, Any]] = []
    with open_container(name, root, layout) as container:
        for volume in volumes(container):
            paths = container.write(volume, [[sample(container, one) for one in labels] for labels in volume.labels])
            assert all(path.exists() for path in paths)
            proof = container.proof(volume)
            records += [
                facts(one) | container.places(volume, one) | proof for labels in volume.labels for one in labels
            ]
        container.finish(records)
    return records


def decoded(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.mode == "RGB"
    return np.asarray(image)


def of_folder(root: Path, split: str) -> Pixels:
    names = sorted(path.name for path in (root / split / "clean").iterdir())
    assert names == sorted(path.name for path in (root / split / "noisy").iterdir())
    return {
        name[:-4]: tuple(decoded((root / split / side / name).read_bytes()) for side in ("clean", "noisy"))  # type: ignore[misc]
        for name in names
    }


def of_lmdb(root: Path, split: str) -> Pixels:
    """As BasicSR reads: keys from meta_info.txt up to the first dot, equal sets, values by ASCII key."""
    metas = [(root / split / f"{side}.lmdb" / "meta_info.txt").read_text() for side in ("gt", "lq")]
    assert metas[0] == metas[1]
    keys = [line.split(".")[0] for line in metas[0].splitlines()]
    sides = []
    for side in ("gt", "lq"):
        path = str(root / split / f"{side}.lmdb")
        with lmdb.open(path, readonly=True, lock=False, readahead=False) as database, database.begin() as reading:
            assert reading.stat()["entries"] == len(keys)
            sides.append({key: decoded(bytes(reading.get(key.encode("ascii")))) for key in keys})
    for line, key in zip(metas[0].splitlines(), keys, strict=True):
        assert line == f"{key}.png ({','.join(map(str, sides[0][key].shape))}) 1"
    return {key: (sides[0][key], sides[1][key]) for key in keys}


def of_hdf5(root: Path, split: str) -> Pixels:
    found: Pixels = {}
    for path in sorted((root / "noise_gen" / {"train": "train", "val": "test"}[split]).glob("*.hdf5")):
        with h5py.File(path) as file:
            assert dict(file["config"].attrs) == {
                "scene-instance-number": int(path.name[:4]),
                "scene-number": int(path.name[:4]),
                "smartphone-code": 2,
                "ISO-level": 800,
                "shutter-speed": 350,
                "illuminant-temperature": 3200,
                "illuminant-brightness-code": 0,
            }
            for number in file["clean"]:
                clean, noisy = file[f"clean/{number}"][()], file[f"noisy/{number}"][()]
                assert (clean.dtype, clean.shape[0]) == (np.uint8, 3)
                key = f"p{int(path.name[:4])}_s{int(number) + 1:03d}"
                found[key] = clean.transpose(1, 2, 0), noisy.transpose(1, 2, 0)
    return found


def of_webdataset(root: Path, split: str) -> Pixels:
    urls = [str(path) for path in sorted((root / split).glob("*.tar"))]
    found: Pixels = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # webdataset leaves its tar files to the collector
        items = list(webdataset.WebDataset(urls, shardshuffle=False))
        gc.collect()
    for item in items:
        about = json.loads(item["json"])
        assert about["key"] == item["__key__"]
        assert (about["camera"], about["iso"], about["split"]) == ("S6", 800, split)
        found[item["__key__"]] = decoded(item["clean.png"]), decoded(item["noisy.png"])
    return found


def of_parquet(root: Path, split: str) -> Pixels:
    rows = pyarrow.parquet.read_table(root / split).to_pylist()
    assert {(row["camera"], row["iso"], row["height"]) for row in rows} == {("S6", 800, 16)}
    return {row["key"]: (decoded(row["clean"]["bytes"]), decoded(row["noisy"]["bytes"])) for row in rows}


READERS: dict[str, Callable[[Path, str], Pixels]] = {
    "folder": of_folder,
    "lmdb": of_lmdb,
    "hdf5": of_hdf5,
    "webdataset": of_webdataset,
    "parquet": of_parquet,
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_readers_get_the_pixels_that_were_written(name: str, tmp_path: Path) -> None:
    filled(name, tmp_path)
    expected = {
        "train": [label(number, patch) for number in (1, 2, 3) for patch in (0, 1)],
        "val": [label(4, 0, "val")],
    }
    for split, labels in expected.items():
        found = READERS[name](tmp_path, split)
        assert sorted(found) == [one.key for one in labels]
        for one in labels:
            for got, wanted in zip(found[one.key], pixels(one), strict=True):
                assert np.array_equal(got, wanted)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_volume_that_fails_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    """The disk is full, or the user interrupts, in the middle of a volume."""
    filled(name, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock.mdb"}
    with open_container(name, tmp_path) as container:
        last = volumes(container)[-2]
        moved = tuple(tuple(label(9, one.patch) for one in labels) for labels in last.labels)
        other = Volume("train", 7, moved)

        def interrupted() -> Iterator[list[Sample]]:
            yield [sample(container, one) for one in moved[0]]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            container.write(other, interrupted())
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock.mdb"}
    assert after == before


@pytest.mark.parametrize("name", ["webdataset", "hdf5", "folder"])
def test_the_same_pairs_give_the_same_files(name: str, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        filled(name, tmp_path / folder)
    files = [path.relative_to(tmp_path / "one") for path in sorted((tmp_path / "one").rglob("*")) if path.is_file()]
    assert files
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_a_database_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_container, "FIRST_MAP", 2**14)
    filled("lmdb", tmp_path)
    assert len(of_lmdb(tmp_path, "train")) == 6


def test_a_folder_is_paired_data(tmp_path: Path) -> None:
    filled("folder", tmp_path, "restormer")
    pairs = read_pairs(tmp_path)
    assert [pair.condition for pair in pairs] == [CONDITION] * 7
    assert [pair.split for pair in pairs] == ["train"] * 6 + ["val"]
    assert np.array_equal(pairs[3].load()[1], pixels(label(2, 1))[1])


def test_basicsrs_list_of_pairs(tmp_path: Path) -> None:
    filled("folder", tmp_path, "basicsr")
    lines = (tmp_path / "train/meta_info.txt").read_text().splitlines()
    assert lines[0] == "p1_s001.png (16,12,3)"
    names = [line.split(" ")[0] for line in lines]
    for side in ("gt", "lq"):
        assert names == sorted(path.name for path in (tmp_path / "train" / side).iterdir())


def test_the_reader_of_this_tool_reads_its_hdf5(tmp_path: Path) -> None:
    filled("hdf5", tmp_path)
    stacks = [stack for path in sorted(tmp_path.rglob("*.hdf5")) for stack in read_hdf5(path, tmp_path)]
    stacks.sort(key=lambda stack: stack.scene)
    assert {stack.origin for stack in stacks} == {Origin("isp", "0a1b", 3)}
    assert [stack.split for stack in stacks] == ["train"] * 3 + ["val"]
    assert {stack.condition for stack in stacks} == {CONDITION}
    assert np.array_equal(stacks[1].load()[1][1], pixels(label(2, 1))[1])


@pytest.mark.parametrize(
    ("name", "layout", "message"),
    [
        ("zip", None, "unknown container 'zip'"),
        ("hdf5", "nafnet", "has a layout of its own"),
        ("lmdb", "sidd", "no databases"),
        ("folder", "mine", "unknown layout 'mine'"),
    ],
)
def test_what_does_not_fit_together(name: str, layout: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        open_container(name, tmp_path / "out", layout)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "package"), [("hdf5", "h5py"), ("lmdb", "lmdb"), ("parquet", "pyarrow")])
def test_a_missing_package_is_told_with_the_way_to_it(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError(module)

    monkeypatch.setattr(containers.base, "import_module", missing)
    with pytest.raises(UsageError, match=rf"needs the package {package} \(pip install {package}\)"):
        open_container(name, tmp_path)
