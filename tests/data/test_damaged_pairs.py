"""Damaged containers and incomplete folders of pairs: one line that names the place, and exit code 2."""

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import lmdb
import numpy as np
import pyarrow.parquet
import pytest
from writers import ISP, WRITERS, call, made, photographs

KINDS = ("folder-flat", "folder-sidd", "lmdb-nafnet", "webdataset", "parquet", "hdf5")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind."""
    root = tmp_path_factory.mktemp("whole")
    clean = photographs(root / "clean", ("a.png", "b.png"))
    return {name: made(root / name, clean, *ISP, "--patch", 64, *WRITERS[name]) for name in KINDS}


def halved(suffix: str) -> Callable[[Path], Path]:
    return changed(suffix, lambda data: data[: len(data) // 2])


def changed(suffix: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    """Changes the bytes of the first file of that suffix."""

    def damage(root: Path) -> Path:
        path = min(root.rglob(f"*{suffix}"))
        path.write_bytes(change(path.read_bytes()))
        return path

    return damage


def without(pattern: str) -> Callable[[Path], Path]:
    """Removes the first file or folder of that name."""

    def damage(root: Path) -> Path:
        path = min(root.rglob(pattern))
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return path

    return damage


def members(change: Callable[[str, bytes], bytes | None]) -> Callable[[Path], Path]:
    """Writes the first tar file anew with other members, or without them for None."""

    def damage(root: Path) -> Path:
        path = min(root.rglob("*.tar"))
        with tarfile.open(path) as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
            contents = {name: change(name, file.read()) for name, file in files.items() if file}
        with tarfile.open(path, "w") as archive:
            for name, data in contents.items():
                if data is not None:
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return path

    return damage


def headless(root: Path) -> Path:
    """Overwrites the head of a member in the middle of a tar file."""
    path = min(root.rglob("*.tar"))
    with tarfile.open(path) as archive:
        offset = archive.getmembers()[6].offset
    path.write_bytes(path.read_bytes()[:offset] + b"?" * 512 + path.read_bytes()[offset + 512 :])
    return path


def without_camera(name: str, data: bytes) -> bytes:
    if not name.endswith(".json"):
        return data
    return json.dumps({key: value for key, value in json.loads(data).items() if key != "camera"}).encode()


def without_column(root: Path) -> Path:
    path = min(root.rglob("*.parquet"))
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).drop_columns(["noisy"]), path)
    return path


def without_key(root: Path) -> Path:
    path = root / "train" / "input_crops.lmdb"
    with lmdb.open(str(path)) as database, database.begin(write=True) as writing:
        assert writing.delete(b"a_s001")
    return path


def hdf5(change: Callable[[h5py.File], None]) -> Callable[[Path], Path]:
    def damage(root: Path) -> Path:
        path = min(root.rglob("*.hdf5"))
        with h5py.File(path, "a") as file:
            change(file)
        return path

    return damage


def replaced(name: str) -> Callable[[h5py.File], None]:
    """An array in the place of a group, or a group in that of an array."""

    def change(file: h5py.File) -> None:
        was_group = isinstance(file[name], h5py.Group)
        del file[name]
        if was_group:
            file[name] = np.zeros(3, np.uint8)
        else:
            file.create_group(name)

    return change


CASES = {
    "tar cut off": ("webdataset", halved(".tar"), "damaged"),
    "tar cut off between members": ("webdataset", changed(".tar", lambda data: data[:1024]), "damaged"),
    "tar with a broken head": ("webdataset", headless, "damaged"),
    "tar compressed": ("webdataset", changed(".tar", gzip.compress), "is not a tar file"),
    "tar of other things": ("webdataset", members(lambda n, d: d if n.endswith("nothing") else None), "holds no pairs"),
    "no json": ("webdataset", members(lambda n, d: None if n == "a_s001.json" else d), "#a_s001 lacks its json"),
    "no noisy": ("webdataset", members(lambda n, d: None if "noisy" in n else d), "#a_s001 lacks its noisy.png"),
    "json of text": ("webdataset", members(lambda n, d: b"text" if n.endswith("json") else d), "not an object of JSON"),
    "json without camera": ("webdataset", members(without_camera), "#a_s001 is not a pair of make-pairs"),
    "parquet cut off": ("parquet", halved(".parquet"), "damaged"),
    "parquet of text": ("parquet", changed(".parquet", lambda data: b"text"), "is not a Parquet file"),
    "no column": ("parquet", without_column, "has no column noisy"),
    "lmdb cut off": ("lmdb-nafnet", halved(".mdb"), "damaged"),
    "lmdb of text": ("lmdb-nafnet", changed(".mdb", lambda data: b"text" * 4096), "is not a database, or is damaged"),
    "no database": ("lmdb-nafnet", without("gt_crops.lmdb"), "is not a database"),
    "hdf5 cut off": ("hdf5", halved(".hdf5"), "is not an HDF5 file, or is damaged"),
    "hdf5 of text": ("hdf5", changed(".hdf5", lambda data: b"text"), "is not an HDF5 file"),
    "no partner in hdf5": ("hdf5", hdf5(lambda file: file.__delitem__("noisy/1")), "patch '1' has no partner"),
    "no config": ("hdf5", hdf5(lambda file: file.__delitem__("config")), "has no group 'config'"),
    "array for a group": ("hdf5", hdf5(replaced("clean")), "damaged"),
    "group for an array": ("hdf5", hdf5(replaced("clean/0")), "damaged"),
    "no noisy file": ("folder-flat", without("a_s001.png"), "does not exist"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_damaged_is_named(case: str, whole: dict[str, Path], tmp_path: Path) -> None:
    kind, damage, message = CASES[case]
    shutil.copytree(whole[kind], tmp_path / "pairs")
    path = damage(tmp_path / "pairs")
    for command in (("evaluate", "-m", "awgn"), ("train", "-o", tmp_path / "run", "--dry-run")):
        done = call(command[0], tmp_path / "pairs", *command[1:])
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
        named = path.parent if path.suffix == ".mdb" else path
        assert str(named.relative_to(tmp_path / "pairs")).removeprefix("train/") in done.stderr


def test_a_key_that_the_database_lacks(whole: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(whole["lmdb-nafnet"], tmp_path / "pairs")
    without_key(tmp_path / "pairs")
    done = call("evaluate", tmp_path / "pairs", "-m", "awgn", "--patch", 32)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "input_crops.lmdb holds no a_s001, which its journal lists" in done.stderr


def test_a_damaged_picture_in_a_container_is_left_out_like_a_damaged_file(
    whole: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(whole["webdataset"], tmp_path / "pairs")
    members(lambda name, data: b"text" if name == "a_s002.noisy.png" else data)(tmp_path / "pairs")
    done = call("evaluate", tmp_path / "pairs", "-m", "isp", "--patch", 32, "--json", "-q")
    assert (done.exit_code, done.stderr) == (3, "error: train/00000.tar#a_s002 is damaged: it is not a PNG file\n")
    found = json.loads(done.stdout)
    assert found["data"]["failed_pairs"] == ["train/00000.tar#a_s002"]
    assert found["models"][0]["mean_of_cells"]["pictures"] == 7


@pytest.mark.parametrize("kind", ["folder-flat", "folder-sidd"])
def test_partners_that_are_missing_without_a_manifest(kind: str, whole: dict[str, Path], tmp_path: Path) -> None:
    for lost in ("clean", "noisy"):
        shutil.copytree(whole[kind], tmp_path / lost, ignore=shutil.ignore_patterns("manifest.*"))
        side = {"clean": "GT", "noisy": "NOISY"}[lost] if kind == "folder-sidd" else ""
        path = min((tmp_path / lost / "train").rglob(f"*{side}*01?.PNG" if side else f"{lost}/*.png"))
        path.unlink()
        done = call("evaluate", tmp_path / lost, "-m", "awgn", "--camera", "IP", "--iso", 100)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert "has no partner" in done.stderr
