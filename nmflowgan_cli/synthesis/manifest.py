"""Manifest of the noisy pictures: one JSON record a line, appended as the pictures are done."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from nmflowgan_cli import __version__
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.files import difference, sha256
from nmflowgan_cli.imaging import head
from nmflowgan_cli.journal import DONE, append, done_records, records
from nmflowgan_cli.lock import unfinished
from nmflowgan_cli.synthesis.plan import Job

SHALLOW = 8
"""Depth of what records are silent about: those of earlier versions."""


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
    input_frame: int | None = None
    """The number of the frame of the input; None where it has one."""
    input_sha256: str | None = None
    output_size: int | None = None
    """Bytes."""
    depth: int = SHALLOW
    """Bits a channel of the output, 8 or 16."""
    output_sha256: str | None = None
    references: tuple[str, ...] = ()
    """SHA-256 of the pictures that a noise profile was estimated from."""
    extrapolated: Mapping[str, float] = field(default_factory=dict)
    """What lies beyond that which a profile's references showed, see `NoiseModel.extrapolated`."""
    precision: str = "float32"
    """Floating point type of the convolutions; others than float32 give other bits."""
    error: str | None = None
    tool_version: str = field(default=__version__)

    def line(self) -> str:
        """The record as one line of JSON, ASCII only, so that any path has a form that can be read back."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Manifest:
    """`manifest.jsonl` of an output folder; paths of outputs stand in it relative to that folder."""

    path: Path

    def append(self, *new: Record) -> None:
        """Add records in one piece, so that several processes may write at once; raises NmflowganError."""
        lines = "".join(self._moved(record).line() + "\n" for record in new)
        append(self.path, lines.encode(), "or use --no-manifest")

    def finished(self, job: Job, *, seed: int, weights_sha256: str) -> bool:
        """Whether `job` was done with the same input, seed, condition and weights, and its output has those bytes."""
        record = self._last.get(self._relative(job.output), {})
        wanted = {"status": DONE, **_settings(job, seed, weights_sha256)}
        return (
            not _others(record, wanted)
            and not difference(job.output, record.get("output_size"), record.get("output_sha256"))
            and record.get("input_sha256") == sha256_or_none(job.input)
        )

    def stranger(self, job: Job, *, seed: int, weights_sha256: str) -> str:
        """Why a file at the output of `job` was not made like it; "" where it was, or where a run cut off made it."""
        name = self._relative(job.output)
        record = self._last_done.get(name)
        if record is None:
            return "" if name in self._unfinished else f"is not listed in {self.path}"
        other = _others(record, _settings(job, seed, weights_sha256))
        return f"was made with other settings: {', '.join(other)}" if other else ""

    @cached_property
    def _unfinished(self) -> set[str]:
        return unfinished(self.path.parent)

    @cached_property
    def _last_done(self) -> dict[str, dict[str, object]]:
        from nmflowgan_cli.data.pair_schema import PicturePlace

        return {str(record["output"]): record for record in done_records(self.path, PicturePlace)}

    @cached_property
    def _last(self) -> dict[str, dict[str, object]]:
        return {str(record.get("output")): record for record in records(self.path)}

    def _relative(self, output: str | Path) -> str:
        return Path(os.path.relpath(output, self.path.parent)).as_posix()

    def _moved(self, record: Record) -> Record:
        return Record(**{**asdict(record), "output": self._relative(record.output)})


def _others(record: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    """The settings of a record that are not those wanted, in words."""
    known = {"depth": SHALLOW, **record}
    return [f"{key} was {known.get(key)}" for key, value in wanted.items() if known.get(key) != value]


def _settings(job: Job, seed: int, weights_sha256: str) -> dict[str, object]:
    """What makes the noise of a job, as its record has it; without the depth, where the input cannot be read."""
    depth: dict[str, object] = {}
    with suppress(PictureError):
        depth = {"depth": job.depth_of(head(job.input, frame=job.frame).depth)}
    return depth | {
        "camera": job.condition.camera,
        "iso": job.condition.iso,
        "seed": seed,
        "repeat": job.repeat,
        "relative_path": job.relative_path,
        "weights_sha256": weights_sha256,
    }


def sha256_or_none(path: Path) -> str | None:
    """The SHA-256 of a file in hexadecimal digits; None if it cannot be read."""
    try:
        return sha256(path)
    except OSError:
        return None
