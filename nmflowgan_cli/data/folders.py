"""Reader of folder pairs: two folders with the same names in them, at any depth, as denoisers' own code keeps them.

They lie in the data's folder itself or, for each part of a division, below it (`train/gt`, `val/SIDD/target_crops`).
The camera and the ISO of a pair are those that the journal of a folder above it records, or come from the name of a
SIDD scene instance in its path, or else from the user.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair, pair_origin
from nmflowgan_cli.data.sidd_instances import find_instance
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import FORMATS, is_picture
from nmflowgan_cli.journal import record_of

NAMES = (("clean", "noisy"), ("gt", "lq"), ("GT", "LQ"), ("gt_crops", "input_crops"), ("target_crops", "input_crops"))
"""Folders of clean and of noisy pictures: our own names, BasicSR's, NAFNet's and Restormer's."""
DEPTH = 3
"""Folders between the data's folder and a folder pair, at most."""
HELD_OUT = frozenset({"val", "valid", "validation", "test"})
"""Names of folders whose pairs are not to be trained on."""


def is_folder_pair(folder: Path) -> bool:
    """Whether there is a folder pair in `folder` or a few folders below it."""
    return next(_places(folder), None) is not None


def read_folder_pair(folder: Path, condition: Condition | None = None) -> list[Pair]:
    """All pairs, in the order of their paths; `split` is "val" below a folder of such a name, else "train".

    `condition`: of the pairs that do not state theirs. Partners may differ in their suffix (a.png, a.jpg). Raises
    UsageError naming the file for a picture without its partner or with two, and for one without a condition.
    """
    return [pair for clean, noisy in _places(folder) for pair in _read_place(clean, noisy, folder, condition)]


def part_of(path: Path) -> str:
    """ "val" for a relative path through a folder that is not to be trained on, else "train"."""
    return "val" if HELD_OUT & {part.lower() for part in path.parts} else "train"


def _places(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The folders of clean and of noisy pictures, from the top down; none is looked for within another."""
    for root, folders, _ in os.walk(folder):
        place = Path(root)
        found = next(((place / clean, place / noisy) for clean, noisy in NAMES if {clean, noisy} <= set(folders)), None)
        if found:
            yield found
        searched = len(place.relative_to(folder).parts) < DEPTH and not found
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if searched else []


def _read_place(clean_folder: Path, noisy_folder: Path, root: Path, condition: Condition | None) -> Iterator[Pair]:
    clean, noisy = _pictures(clean_folder), _pictures(noisy_folder)
    for mine, others, other in ((clean, noisy, noisy_folder), (noisy, clean, clean_folder)):
        alone = sorted(mine.keys() - others.keys())
        if alone:
            raise UsageError(f"{mine[alone[0]]} has no partner in {other}", "pairs have the same names")
    if not clean:
        raise UsageError(f"no pictures below {clean_folder}", f"expected {', '.join(FORMATS)}")
    place = noisy_folder.parent.relative_to(root)
    for key in sorted(clean):
        yield _pair(clean[key], noisy[key], (place / noisy[key].relative_to(noisy_folder)).as_posix(), condition)


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures below a folder by their relative path without the suffix."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if is_picture(path):
            key = path.relative_to(folder).with_suffix("").as_posix()
            if key in found:
                raise UsageError(f"{found[key]} and {path} have the same name", "remove or rename one of them")
            found[key] = path
    return found


def _pair(clean: Path, noisy: Path, name: str, condition: Condition | None) -> Pair:
    instance, record = find_instance(Path(name).with_suffix("").as_posix()), record_of(noisy)
    known = _recorded(record) or (instance.condition if instance else condition)
    if known is None:
        raise UsageError(
            f"{noisy} does not name its camera and ISO", "give --camera and --iso, or write a manifest.csv"
        )
    scene = str(record.get("scene") or (instance.name if instance else clean.stem))
    return Pair(clean, noisy, known, scene, part_of(Path(name).parent), name, pair_origin(noisy, instance))


def _recorded(record: Mapping[str, Any]) -> Condition | None:
    """The condition that a noisy picture was made with."""
    camera, iso = record.get("camera"), record.get("iso")
    return Condition(camera, iso) if isinstance(camera, str) and isinstance(iso, int) else None
