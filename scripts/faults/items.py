"""Everything that a folder holds, item by item, read without the tool: what an undisturbed run is compared by."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import lmdb
import numpy as np
import torch

JOURNAL = "manifest.jsonl"
LOCK_OF_LMDB = "lock.mdb"
CLOCK = re.compile(rb"(?m)^- \*\*Time\*\*: [\d.]+ \w+|<dt>date</dt><dd>[^<]+")
"""What the clock writes: how long a training took, in the card of weights; the date of a page."""


def items(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below `folder` by its name; of the values in HDF5 files and databases instead.

    Those hold bytes besides, which depend on the order of writing. Journals are left out, see `done`.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or path.name in (JOURNAL, LOCK_OF_LMDB):
            continue
        inside = _inside(path, folder)
        found |= {name: _digest(CLOCK.sub(b"", path.read_bytes()))} if inside is None else inside
    return found


def _inside(path: Path, folder: Path) -> dict[str, str] | None:
    """The values of a container that is not compared byte by byte; None for other files."""
    readers = {".hdf5": _hdf5, ".mdb": _lmdb, ".pt": _checkpoint}
    if path.suffix not in readers:
        return None
    name = path.relative_to(folder).as_posix()
    try:
        return {f"{name}#{key}": value for key, value in readers[path.suffix](path)}
    except Exception as error:  # noqa: BLE001 - damaged files raise all kinds
        return {name: f"unreadable: {error}"}


def _hdf5(path: Path) -> Iterator[tuple[str, str]]:
    with h5py.File(path) as file:
        found: dict[str, str] = {}

        def visit(name: str, value: Any) -> None:
            parts = [repr(sorted((key, str(one)) for key, one in value.attrs.items())).encode()]
            if isinstance(value, h5py.Dataset):
                array = np.asarray(value)
                parts += [str((array.dtype, array.shape)).encode(), array.tobytes()]
            found[name] = _digest(b"".join(parts))

        visit("", file)
        file.visititems(visit)
    yield from found.items()


def _lmdb(path: Path) -> Iterator[tuple[str, str]]:
    with lmdb.open(str(path.parent), readonly=True, lock=False) as database, database.begin() as reading:
        yield from ((key.decode(), _digest(value)) for key, value in reading.cursor())


def _checkpoint(path: Path) -> Iterator[tuple[str, str]]:
    """Every tensor and number of a state of a training."""

    def visit(value: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, Mapping):
            for key, one in value.items():
                yield from visit(one, f"{name}/{key}")
        elif isinstance(value, list | tuple):
            for number, one in enumerate(value):
                yield from visit(one, f"{name}/{number}")
        elif not name.endswith("/seconds"):
            content = value.numpy().tobytes() if isinstance(value, torch.Tensor) else repr(value).encode()
            yield name, _digest(content)

    yield from visit(torch.load(path, weights_only=True), "")


def done(folder: Path) -> dict[str, str]:
    """The outputs that the journal of a folder calls done, each with the SHA-256 of its record."""
    path = folder / JOURNAL
    lines = path.read_bytes().splitlines() if path.exists() else []
    records = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:  # cut off by a kill
            continue
        name = record.get("output") or f"{record.get('split')}/{record.get('key')}"
        if record.get("status") == "done":
            kept = {key: value for key, value in record.items() if not key.startswith("file_")}  # of an HDF5 file
            records[name] = _digest(json.dumps(kept, sort_keys=True).encode())
    return records


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
