"""Manifest of the noisy pictures: one JSON record a line, appended as the pictures are done."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from nmflowgan_cli import __version__
from nmflowgan_cli.files import write_error
from nmflowgan_cli.synthesis.plan import Job

FILE_NAME = "manifest.jsonl"

DONE, FAILED, SKIPPED = "done", "failed", "skipped"


@dataclass(frozen=True, kw_only=True)
class Record:
    """Everything that is needed to make one noisy picture again, and whether it was made."""

    input: str
    output: str
    status: str
    """"done", "failed" or "skipped"."""
    camera: str
    iso: int
    seed: int
    repeat: int
    relative_path: str
    """Names the picture's random numbers, together with seed and repeat."""
    weights: str
    weights_sha256: str
    input_sha256: str | None = None
    output_sha256: str | None = None
    error: str | None = None
    tool_version: str = field(default=__version__)

    def line(self) -> str:
        """The record as one line of JSON, ASCII only, so that any path has a form that can be read back."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Manifest:
    """`manifest.jsonl` of an output folder; paths of outputs stand in it relative to that folder."""

    path: Path

    def append(self, record: Record) -> None:
        """Add a record in one piece, so that several processes may write at once; raises NmflowganError."""
        append(self.path, (self._moved(record).line() + "\n").encode(), "or use --no-manifest")

    def finished(self, job: Job, *, seed: int, weights_sha256: str) -> bool:
        """Whether `job` was done before with the same input, seed, condition and weights, and its output stands."""
        record = self._last.get(self._relative(job.output), {})
        wanted = {
            "status": DONE,
            "camera": job.condition.camera,
            "iso": job.condition.iso,
            "seed": seed,
            "repeat": job.repeat,
            "relative_path": job.relative_path,
            "weights_sha256": weights_sha256,
        }
        return (
            all(record.get(name) == value for name, value in wanted.items())
            and job.output.exists()
            and record.get("input_sha256") == sha256(job.input)
        )

    @cached_property
    def _last(self) -> dict[str, dict[str, object]]:
        return {str(record.get("output")): record for record in records(self.path)}

    def _relative(self, output: str | Path) -> str:
        return Path(os.path.relpath(output, self.path.parent)).as_posix()

    def _moved(self, record: Record) -> Record:
        return Record(**{**asdict(record), "output": self._relative(record.output)})


def append(path: Path, lines: bytes, hint: str = "") -> None:
    """Add whole lines in one piece, so that several processes may write at once; NmflowganError with the `hint`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _mend(descriptor)
            _write_whole(descriptor, lines)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise write_error(path, error, hint=hint) from None


def records(path: Path) -> Iterator[dict[str, object]]:
    """The records of a manifest, oldest first; a line that was cut off by a crash is passed over."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def sha256(path: Path) -> str | None:
    """The SHA-256 of a file in hexadecimal digits; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


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
