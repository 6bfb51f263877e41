"""Paired data of any kind behind one interface, and its division into train and val."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from nmflowgan_cli.conditions import Condition, camera_code
from nmflowgan_cli.data import folders, manifest, sidd, sidd_blocks
from nmflowgan_cli.data.containers import hdf5, parquet, webdataset
from nmflowgan_cli.data.containers.lmdb import read_lmdb
from nmflowgan_cli.data.origin import Origin
from nmflowgan_cli.data.sidd_instances import DENOISER_ISOS, TEST_INSTANCES, TRAIN_INSTANCES, find_instance
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import kind
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.journal import DONE, FILE_NAME, records
from nmflowgan_cli.notices import notice

NAMED_SPLITS = ("all", "nm-flowgan", "denoiser")


class Paired(Protocol):
    """Clean and noisy pictures of one size and scene, taken with one condition; nothing is read until `load`."""

    @property
    def condition(self) -> Condition: ...

    @property
    def scene(self) -> str:
        """Pairs of one scene show the same thing."""
        ...

    @property
    def split(self) -> str:
        """The data's own split: "train" or "val"."""
        ...

    @property
    def name(self) -> str:
        """Path in the data set."""
        ...

    @property
    def origin(self) -> Origin:
        """Of the noise."""
        ...

    def size(self) -> tuple[int, int, int]:
        """Number of pictures, height and width, without decoding them."""
        ...

    def load(self) -> tuple[Bytes, Bytes]:
        """Clean and noisy, each (H, W, 3) or (N, H, W, 3) uint8 RGB."""
        ...


Splits = dict[str, list[Paired]]
"""The pairs of "train" and of "val"."""


WANTED = (
    "expected SIDD's folders, a manifest, clean/ and noisy/ (or gt/ and lq/ and the like), or HDF5, LMDB, tar or "
    "Parquet of make-pairs"
)


def read_paired(data: Path, *, condition: Condition | None = None) -> tuple[Sequence[Paired], str]:
    """The pairs that `data` names, in their order, and the split that is usual for them.

    `data`: a manifest, or a folder with one; what `make-pairs` writes, in any container; HDF5 files of the authors'
    preparation; SIDD's folders or validation blocks; folder pairs. `condition`: of the pairs of a folder pair that do
    not name theirs. Raises UsageError for data of no such kind, and what the readers raise.
    """
    if not data.exists():
        raise UsageError(f"{data} does not exist", WANTED)
    if kind(data) != "folder":
        refuse_irregular(data)
        read = SHARDS.get(data.suffix.lower())
        return (list(read(data, data.parent)) if read else manifest.read_pairs(data)), ""
    for fits, read, usual in READERS:
        if fits(data):
            return read(data, condition), usual
    raise UsageError(f"{data} is not paired data", f"{WANTED}; make-pairs takes clean pictures with --camera")


def refuse_irregular(path: Path) -> None:
    """Raise UsageError for what readers of files would wait for: a FIFO, a socket, a device."""
    if (found := kind(path)) != "file":
        what = f"is a {found}, not a regular file" if found else "is a link that leads to no file"
        raise UsageError(f"{path} {what}", WANTED)


def _files(folder: Path) -> list[Path]:
    """The files below `folder` that hold many pairs."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SHARDS)


def _read_files(folder: Path, _: Condition | None) -> list[Paired]:
    for path in _files(folder):
        refuse_irregular(path)
    return [pair for path in _files(folder) for pair in SHARDS[path.suffix.lower()](path, folder)]


def _made_as(key: str, suffix: str, folder: Path) -> bool:
    """Whether the journal of a folder lists pairs in files (or databases) of this kind under `key`."""
    first = next((record for record in records(folder / FILE_NAME) if record.get("status") == DONE), {})
    return key in first and str(first[key]).endswith(suffix)


SHARDS: Mapping[str, Callable[[Path, Path], Iterable[Paired]]] = {
    **dict.fromkeys(hdf5.HDF5_SUFFIXES, hdf5.read_hdf5),
    webdataset.SUFFIX: webdataset.read_webdataset,
    parquet.SUFFIX: parquet.read_parquet,
}
"""Readers of files that hold many pairs, by suffix: from the file and the folder that names are relative to."""
READERS: Sequence[tuple[Callable[[Path], bool], Callable[[Path, Condition | None], Sequence[Paired]], str]] = (
    (lambda folder: _made_as("file", "", folder) and bool(_files(folder)), _read_files, ""),
    (lambda folder: _made_as("noisy", ".lmdb", folder), lambda folder, _: read_lmdb(folder / FILE_NAME), ""),
    (manifest.has_manifest, lambda folder, _: manifest.read_pairs(folder), ""),
    (sidd_blocks.is_sidd_blocks, lambda folder, _: sidd_blocks.read_sidd_blocks(folder), ""),
    (sidd.is_sidd, lambda folder, _: sidd.read_sidd(folder), "nm-flowgan"),
    (folders.is_folder_pair, folders.read_folder_pair, ""),
    (lambda folder: bool(_files(folder)), _read_files, ""),
)
"""Kinds of folders in the order in which they are recognised: test, reader, and the split that is usual."""


def of_camera(pairs: Sequence[Paired], camera: str) -> Sequence[Paired]:
    """The pairs of a camera, by its code or name; all where it is empty. ConditionError for one that none is of."""
    if not camera:
        return pairs
    code = camera_code(camera, tuple(dict.fromkeys(pair.condition.camera for pair in pairs)))
    return [pair for pair in pairs if pair.condition.camera == code]


def divide(found: Iterable[Paired], split: str = "") -> Splits:
    """Train and val. `split`: "" is the data's own; "all" trains on everything; "nm-flowgan" and "denoiser"
    are the paper's, by the name of SIDD's scene instances, and leave out synthetic pairs; else the scenes to hold out,
    separated by commas.

    Raises UsageError where nothing is left to train on, and for a scene that would be in both splits.
    """
    found = list(found)
    chosen = allot(found, split)
    if reason := left_out(found, chosen, split):
        notice(reason)
    if not chosen["train"]:
        hint = "it divides SIDD's own pairs; try --split all" if split in NAMED_SPLITS else "try --split all"
        raise UsageError(f"no train pairs of {len(found)} in the split {split or 'of the data'!r}", hint)
    _refuse_leaks(chosen)
    return chosen


def allot(found: Sequence[Paired], split: str = "") -> Splits:
    """As `divide`, but either part may be empty, and a scene may be in both. UsageError for a scene that is nowhere."""
    if split and split not in NAMED_SPLITS:
        _refuse_unknown_scenes(split.split(","), found)
    chosen: Splits = {"train": [], "val": []}
    for pair in found:
        part = _part(pair, split)
        if part:
            chosen[part].append(pair)
    return chosen


def left_out(found: Sequence[Paired], chosen: Splits, split: str) -> str:
    """How many pairs are in neither part of a split, and why, as a sentence; "" where there are none."""
    kept = {id(pair) for members in chosen.values() for pair in members}
    lost = [pair for pair in found if id(pair) not in kept]
    if not lost:
        return ""
    instances = [find_instance(pair.scene) or find_instance(pair.name) for pair in lost]
    if split == "denoiser":
        what, names = "camera and ISO", {str(pair.condition) for pair in lost}
    else:
        what, names = "scene instance", {f"{instance.number:04d}" for instance in instances if instance}
    listed = ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
    return f"{len(lost)} of {len(found)} pairs are in neither part of the split {split}, by their {what}: {listed}"


def scene_of(pair: Paired) -> str:
    """The scene; that of a SIDD scene instance is its three digits."""
    instance = find_instance(pair.scene)
    return instance.scene if instance else pair.scene


def _part(pair: Paired, split: str) -> str:
    """ "train", "val", or nothing for a pair that is left out."""
    if split in ("", "all"):
        return "train" if split else pair.split
    if split not in NAMED_SPLITS:
        return "val" if scene_of(pair) in split.split(",") else "train"
    if pair.origin.synthetic:
        return ""
    instance = find_instance(pair.scene) or find_instance(pair.name)
    if instance is None:
        raise UsageError(f"{pair.name} names no SIDD scene instance, which --split {split} needs", "try --split all")
    if split == "denoiser":
        return "train" if pair.condition.iso in DENOISER_ISOS.get(pair.condition.camera, ()) else ""
    return "train" if instance.number in TRAIN_INSTANCES else "val" * (instance.number in TEST_INSTANCES)


def _refuse_unknown_scenes(scenes: Sequence[str], found: Iterable[Paired]) -> None:
    known = {scene_of(pair) for pair in found}
    unknown = [scene for scene in scenes if scene not in known]
    if unknown:
        listed = ", ".join(sorted(known)[:20])
        raise UsageError(f"{unknown[0]!r} is no split and no scene", f"{', '.join(NAMED_SPLITS)}, or scenes: {listed}")


def _refuse_leaks(chosen: Splits) -> None:
    parts: dict[str, dict[str, str]] = defaultdict(dict)
    for part, members in chosen.items():
        for pair in members:
            parts[scene_of(pair)][part] = pair.name
    for scene, names in parts.items():
        if len(names) > 1:
            raise UsageError(
                f"scene {scene} is in both splits: {names['train']} trains, {names['val']} validates",
                "validation on a scene that was trained on measures nothing: mend the manifest, or use --split",
            )
