"""Lots rebuilt from the records of their pairs, so that `pairs.make` makes them again with the same bytes.

Separate files and values of databases are made again one by one, files of many pairs whole.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.containers import Container, Volume, open_container
from nmflowgan_cli.data.containers.hdf5 import HDF5_SUFFIXES
from nmflowgan_cli.data.containers.lmdb import DATABASE_SUFFIX
from nmflowgan_cli.data.containers.parquet import SUFFIX as PARQUET_SUFFIX
from nmflowgan_cli.data.layouts import LAYOUTS, Label
from nmflowgan_cli.data.origin import origin_of
from nmflowgan_cli.data.sidd_instances import SceneInstance, find_instance
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import head
from nmflowgan_cli.pairs.plan import Cut, Lot, Take
from nmflowgan_cli.synthesis.manifest import SHALLOW
from nmflowgan_cli.tiling import Box

Record = dict[str, Any]

_KEY = re.compile(r"(?P<stem>.+)_s(?P<patch>\d{3,})")
_FRAME = re.compile(r"_SRGB_(?P<frame>\d{3})\d*\.PNG|_[LNH]_(?P<file_frame>\d{3})\.h")
"""The frame in the name of SIDD's files, and in that of an HDF5 file."""


def groups(records: Sequence[Record], damaged: Iterable[Record]) -> list[list[Record]]:
    """The records of each lot that has to be made again: those of a file, or the damaged ones of a picture."""
    files = {record["file"] for record in damaged if "file" in record}
    keys = {(record["split"], record["key"]) for record in damaged if "file" not in record}
    found: dict[object, list[Record]] = {}
    for record in records:
        if record.get("file") in files:
            found.setdefault(record["file"], []).append(record)
        elif "clean" in record and (record["split"], record["key"]) in keys:
            found.setdefault((record["split"], *_picture(record)), []).append(record)
    return list(found.values())


def container_of(record: Record) -> tuple[str, str | None]:
    """The names of the container and of the layout that a record stands for; raises UsageError for an unknown one."""
    suffix = PurePosixPath(record.get("file") or record["clean"]).suffix
    if "file" in record:
        return {PARQUET_SUFFIX: "parquet", **dict.fromkeys(HDF5_SUFFIXES, "hdf5")}.get(suffix, "webdataset"), None
    label, databases = _label(record), suffix == DATABASE_SUFFIX
    for name, layout in LAYOUTS.items():
        clean, noisy = layout.database_paths(label) if databases else layout.paths(label)
        if (str(clean), str(noisy)) == (record["clean"], record["noisy"]):
            return ("lmdb" if databases else "folder"), name
    raise UsageError(f"{record['clean']} and {record['noisy']} are of no layout that this version knows")


def container(folder: Path, records: Iterable[Record]) -> Container | None:
    """The container of the pairs among the records of `folder`; None where all are of pictures."""
    first = next((record for record in records if "output" not in record), None)
    if first is None:
        return None
    name, layout = container_of(first)
    return open_container(name, folder, layout)


def lot(records: Sequence[Record]) -> Lot:
    """The lot of these pairs; reads the heads of the clean pictures. Raises PictureError, KeyError, ValueError."""
    cuts = tuple(_cut(list(of_picture)) for _, of_picture in groupby(records, _picture))
    name = PurePosixPath(records[0].get("file", "")).stem
    number = int(name) if name.isdecimal() else 0
    return Lot(Volume(records[0]["split"], number, tuple(cut.labels for cut in cuts)), cuts)


def _picture(record: Record) -> tuple[str, str, int]:
    return record["input"], record["relative_path"], record["repeat"]


def _cut(records: Sequence[Record]) -> Cut:
    first, labels = records[0], tuple(map(_label, records))
    noisy = first.get("noisy_input")
    take = Take(
        clean=Path(first["input"]),
        noisy=Path(noisy) if noisy else None,
        relative_path=first["relative_path"],
        repeat=first["repeat"],
        condition=Condition(first["camera"], first["iso"]),
        scene=first["scene"],
        split=first["split"],
        stem=labels[0].stem,
        frame=first["frame"],
        origin=origin_of(first),
        input_frame=first.get("input_frame"),
    )
    boxes = tuple(Box(r["top"], r["left"], r["top"] + r["height"], r["left"] + r["width"]) for r in records)
    height, width, _ = head(take.clean, frame=take.input_frame)
    return Cut(take, height, width, boxes, labels, first.get("depth", SHALLOW))


def _label(record: Record) -> Label:
    named = _KEY.fullmatch(record["key"])
    if named is None:
        raise ValueError(f"{record['key']} is no key of a patch")
    path, condition = record.get("file") or record["noisy"], Condition(record["camera"], record["iso"])
    found = find_instance(path)
    instance = SceneInstance(
        found.number if found else 0,
        found.scene if found else "",
        condition,
        found.shutter if found else 0,
        found.temperature if found else 0,
        found.brightness if found else "N",
    )
    frame = _FRAME.search(path) if instance.published else None
    return Label(
        stem=named["stem"],
        split=record["split"],
        instance=instance,
        frame=int(frame["frame"] or frame["file_frame"]) if frame else None,
        patch=int(named["patch"]) - 1,
    )
