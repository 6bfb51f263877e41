"""Journals: JSON records, one a line, of everything that a command has made below a folder."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

FILE_NAME = "manifest.jsonl"
DONE, FAILED, SKIPPED = "done", "failed", "skipped"
"""What a record can say of its picture or pair, as `status`."""
DEPTH = 5
"""Folders above a file that may hold the journal that lists it."""


def records(path: Path) -> Iterator[dict[str, object]]:
    """The records of a journal, oldest first; a line that was cut off by a crash is passed over."""
    if not path.exists():
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
