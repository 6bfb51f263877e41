"""Journals: JSON records, one a line, of everything that a command has made below a folder."""

import json
from collections.abc import Iterator
from pathlib import Path

FILE_NAME = "manifest.jsonl"
DONE, FAILED, SKIPPED = "done", "failed", "skipped"
"""What a record can say of its picture or pair, as `status`."""


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
