"""Outputs of records: the files and database values that hold them, compared with size and SHA-256."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nmflowgan_cli.data.containers.base import require
from nmflowgan_cli.data.containers.lmdb import DATABASE_SUFFIX, reading
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import ALTERED, MISSING, difference
from nmflowgan_cli.interruption import check

READERS = 4
"""Files that are hashed at a time."""


@dataclass(frozen=True)
class Output:
    """A file, or a value of a database, with what its record states."""

    path: str
    """Relative to the folder of pairs."""
    size: int | None
    """Bytes; None where an older record has none."""
    sha256: str | None
    """None where an older record has none; nothing then vouches for the bytes."""
    key: str = ""
    """Of the value in the database at `path`; "" for a file."""

    def __str__(self) -> str:
        return f"{self.path}#{self.key}" if self.key else self.path


def outputs(record: Mapping[str, Any]) -> Iterator[Output]:
    """The outputs of a record that is done: a picture, a file of many pairs, two PNG files, or two values.

    Raises KeyError for a record that names none.
    """
    if "output" in record:
        yield Output(str(record["output"]), record.get("output_size"), record.get("output_sha256"))
        return
    if "file" in record:
        yield Output(str(record["file"]), record.get("file_size"), record.get("file_sha256"))
        return
    for side in ("clean", "noisy"):
        key = str(record["key"]) if str(record[side]).endswith(DATABASE_SUFFIX) else ""
        yield Output(str(record[side]), record.get(f"{side}_size"), record.get(f"{side}_sha256"), key)


def differences(folder: Path, expected: Iterable[Output]) -> dict[Output, str]:
    """MISSING or ALTERED by output below `folder`, for those that differ from their records; reads every byte.

    No database may be open in this process. Raises UsageError where lmdb is needed and not installed.
    """
    wanted = list(dict.fromkeys(expected))
    plain, values = [one for one in wanted if not one.key], [one for one in wanted if one.key]
    with ThreadPoolExecutor(READERS, "hash") as pool:
        states = dict(zip(plain, pool.map(partial(_state, folder), plain), strict=True))
    states |= _values(folder, values)
    return {output: state for output, state in states.items() if state}


def _state(folder: Path, output: Output) -> str:
    check()
    return difference(folder / output.path, output.size, output.sha256)


def _values(folder: Path, expected: Iterable[Output]) -> dict[Output, str]:
    """The states of values of databases."""
    states: dict[Output, str] = {}
    by_path: dict[str, list[Output]] = {}
    for output in expected:
        by_path.setdefault(output.path, []).append(output)
    if by_path:
        require("lmdb", "lmdb")
    for path, values in by_path.items():
        try:
            with reading(folder / path) as database, database.begin(buffers=True) as transaction:
                states |= {output: _value_state(transaction, output) for output in values}
        except UsageError:  # no value of a damaged database is worth anything: it cannot be written to either
            states |= dict.fromkeys(values, MISSING)
    return states


def _value_state(transaction: Any, output: Output) -> str:
    check()
    value = transaction.get(output.key.encode())
    if value is None:
        return MISSING
    return "" if output.size in (None, len(value)) and hashlib.sha256(value).hexdigest() == output.sha256 else ALTERED
