"""Paired data of any kind behind one interface, and its division into train and val."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from nmflowgan_cli.conditions import Condition, camera_code
from nmflowgan_cli.data import folders, hdf5, manifest, sidd, sidd_blocks
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import Bytes

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

    def size(self) -> tuple[int, int, int]:
        """Number of pictures, height and width, without decoding them."""
        ...

    def load(self) -> tuple[Bytes, Bytes]:
        """Clean and noisy, each (H, W, 3) or (N, H, W, 3) uint8 RGB."""
        ...


Splits = dict[str, list[Paired]]
"""The pairs of "train" and of "val"."""


def read_paired(data: Path, *, condition: Condition | None = None) -> tuple[Sequence[Paired], str]:
    """The pairs that `data` names, in their order, and the split that is usual for them.

    `data`: a manifest, or a folder with one; SIDD's folders or validation blocks; a folder pair; HDF5 files.
    `condition`: of the pairs of a folder pair that do not name theirs. Raises UsageError for data of no such kind, and
    what the readers raise.
    """
    if not data.exists():
        raise UsageError(f"{data} does not exist", "expected a SIDD folder, a manifest, a folder pair or HDF5 files")
    if data.is_file():
        return (hdf5.read_hdf5(data) if hdf5.is_hdf5(data) else manifest.read_pairs(data)), ""
    if hdf5.is_hdf5(data):  # before manifests: one beside HDF5 files lists no pictures
        return hdf5.read_hdf5(data), ""
    if any((data / name).is_file() for name in manifest.MANIFEST_NAMES):
        return manifest.read_pairs(data), ""
    if sidd_blocks.is_sidd_blocks(data):
        return sidd_blocks.read_sidd_blocks(data), ""
    if sidd.is_sidd(data):
        return sidd.read_sidd(data), "nm-flowgan"
    if folders.is_folder_pair(data):
        return folders.read_folder_pair(data, condition), ""
    wanted = (
        "expected SIDD's folders, a manifest, clean/ and noisy/, or HDF5; make-pairs takes clean pictures with --camera"
    )
    raise UsageError(f"{data} is not paired data", wanted)


def of_camera(pairs: Sequence[Paired], camera: str) -> Sequence[Paired]:
    """The pairs of a camera, by its code or name; all where it is empty. ConditionError for one that none is of."""
    if not camera:
        return pairs
    code = camera_code(camera, tuple(dict.fromkeys(pair.condition.camera for pair in pairs)))
    return [pair for pair in pairs if pair.condition.camera == code]


def divide(found: Iterable[Paired], split: str = "") -> Splits:
    """Train and val. `split`: "" is the data's own; "all" trains on everything; "nm-flowgan" and "denoiser"
    are the paper's, by the name of SIDD's scene instances; else the scenes to hold out, separated by commas.

    Raises UsageError where nothing is left to train on, and for a scene that would be in both splits.
    """
    found = list(found)
    chosen = allot(found, split)
    if not chosen["train"]:
        raise UsageError(f"no train pairs of {len(found)} in the split {split or 'of the data'!r}", "try --split all")
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


def scene_of(pair: Paired) -> str:
    """The scene; that of a SIDD scene instance is its three digits."""
    instance = sidd.find_instance(pair.scene)
    return instance.scene if instance else pair.scene


def _part(pair: Paired, split: str) -> str:
    """ "train", "val", or nothing for a pair that is left out."""
    if split in ("", "all"):
        return "train" if split else pair.split
    if split not in NAMED_SPLITS:
        return "val" if scene_of(pair) in split.split(",") else "train"
    instance = sidd.find_instance(pair.scene) or sidd.find_instance(pair.name)
    if instance is None:
        raise UsageError(f"{pair.name} names no SIDD scene instance, which --split {split} needs", "try --split all")
    if split == "denoiser":
        return "train" if instance.condition.iso in sidd.DENOISER_ISOS.get(instance.condition.camera, ()) else ""
    return "train" if instance.number in sidd.TRAIN_INSTANCES else "val" * (instance.number in sidd.TEST_INSTANCES)


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
