"""Journals: JSON records, one a line, of everything that a command has made below a folder."""

import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from nmflowgan_cli.files import sync, write_error

FILE_NAME = "manifest.jsonl"
DONE, FAILED, SKIPPED = "done", "failed", "skipped"
"""What a record can say of its picture or pair, as `status`."""
DEPTH = 5
"""Folders above a file that may hold the journal that lists it."""


def records(path: Path) -> Iterator[dict[str, object]]:
    """The records of a journal, oldest first; a line that was cut off by a crash is passed over."""
    if not path.is_file():
        return
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def record_of(written: Path) -> Mapping[str, Any]:
    """The record of a file in the journal of the nearest folder above it that has one; empty where there is none."""
    path = written.absolute()
    for folder in path.parents[:DEPTH]:
        journal = folder / FILE_NAME
        if journal.is_file():
            state = journal.stat()
            return _by_path(journal, state.st_size, state.st_mtime_ns).get(path.relative_to(folder).as_posix(), {})
    return {}


@lru_cache(maxsize=8)
def _by_path(journal: Path, *_: int) -> Mapping[str, Mapping[str, Any]]:
    """The last records of what was written, by its path relative to the journal's folder."""
    return {
        str(record.get("noisy") or record.get("output") or record.get("file")): record
        for record in records(journal)
        if record.get("status") == DONE
    }


def append(path: Path, lines: bytes, hint: str = "") -> None:
    """Add whole lines in one piece, so that several processes may write at once; NmflowganError with the `hint`.

    They are on the disk when this returns.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _mend(descriptor)
            _write_whole(descriptor, lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync(path.parent)
    except OSError as error:
        raise write_error(path, error, hint=hint) from None


def _mend(descriptor: int) -> None:
    """Begin a new line where the last one was cut off by a crash."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")


def _write_whole(descriptor: int, lines: bytes) -> None:
    """Write all of `lines`; where the disk takes only the first of them, those are taken back."""
    begin, rest = os.fstat(descriptor).st_size, memoryview(lines)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        written = len(lines) - len(rest)
        if written and os.fstat(descriptor).st_size == begin + written:  # no other process has written meanwhile
            os.ftruncate(descriptor, begin)
        raise
