"""Journals: JSON records, one a line, of everything that a command has made below a folder."""

import json
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import sync, write_error

FILE_NAME = "manifest.jsonl"
DONE, FAILED, SKIPPED = "done", "failed", "skipped"
"""What a record can say of its picture or pair, as `status`."""
DEPTH = 5
"""Folders above a file that may hold the journal that lists it."""


def records(path: Path) -> Iterator[dict[str, object]]:
    """The records of a journal, oldest first; a line that was cut off by a crash is passed over.

    Raises UsageError naming the line for one that no command of this tool has begun to write.
    """
    for _, record in _numbered(path):
        yield record


def done_records(path: Path, schema: type) -> Iterator[dict[str, Any]]:
    """The records of what was done; UsageError naming line and field for one that is not as its schema has it."""
    from nmflowgan_cli.schemas import SchemaError, converted

    for number, record in _numbered(path):
        if record.get("status") == DONE:
            try:
                converted(record, schema)
            except SchemaError as error:
                raise UsageError(f"{path}, line {number}: {error}", "the manifest of another command?") from None
            yield record


def _numbered(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    from nmflowgan_cli.schemas import SchemaError, lines

    if not path.is_file():
        return
    try:
        for number, line in lines(path):
            try:
                record = json.loads(line)
            except RecursionError:
                raise SchemaError(f"line {number}: nested too deeply") from None
            except ValueError:
                continue
            if isinstance(record, dict):
                yield number, record
    except (SchemaError, OSError) as error:
        raise UsageError(f"cannot read {path}: {error}", "not a manifest of this tool?") from None


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
