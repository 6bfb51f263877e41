"""Repair of a verified folder: pictures are made again from their records, temporary files are removed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import NmflowganError, PictureError, UsageError, WeightsError
from nmflowgan_cli.files import MISSING, sha256, sweep
from nmflowgan_cli.journal import DONE, FILE_NAME
from nmflowgan_cli.lock import locked
from nmflowgan_cli.pairs.verification import Verified
from nmflowgan_cli.synthesis.manifest import Manifest
from nmflowgan_cli.synthesis.pipeline import run
from nmflowgan_cli.synthesis.plan import Job
from nmflowgan_cli.synthesis.weights import find_weights, kept_name

Record = dict[str, Any]


def repair(
    folder: Path, verified: Verified, *, device: str = "auto", cache_dir: Path | None = None
) -> Iterator[NmflowganError]:
    """Remove temporary files, and make the pictures that are missing or altered again; yields what prevents it.

    Pairs, and pictures that were never recorded, are made by the command that began them, with --resume.
    """
    findings = verified.findings
    damaged = [finding for finding in findings if finding.record is not None]
    pictures = [finding.record for finding in damaged if finding.record and "output" in finding.record]
    with locked(folder):
        sweep(folder, verified.names)
        for records in _alike(pictures).values():
            yield from _make(folder, records, device=device, cache_dir=cache_dir)
    unmade = [f for f in findings if f.state == MISSING and f.record is None]
    if len(pictures) < len(damaged) or unmade:
        first = next(f for f in findings if f in unmade or (f.record is not None and "output" not in f.record))
        yield UsageError(
            f"{first.path} is made by the command that began {folder}", "run that command again with --resume"
        )


def _alike(records: Iterable[Record]) -> dict[tuple[str, str, int], list[Record]]:
    """The records by weights and seed."""
    groups: dict[tuple[str, str, int], list[Record]] = defaultdict(list)
    for record in records:
        groups[record["weights"], record["weights_sha256"], record["seed"]].append(record)
    return groups


def _make(folder: Path, records: Sequence[Record], *, device: str, cache_dir: Path | None) -> Iterator[NmflowganError]:
    """Make pictures of one seed and weights again, and record them."""
    name, seed, digest = records[0]["weights"], records[0]["seed"], records[0]["weights_sha256"]
    try:
        kept = folder / kept_name(digest)
        weights = find_weights(str(kept) if kept.is_file() else name, cache_dir=cache_dir)
    except NmflowganError as error:
        yield error
        return
    if weights.sha256 != digest:
        yield WeightsError(f"weights {name} are not those of {len(records)} pictures: sha256 {digest} is recorded")
        return
    jobs: list[Job] = []
    for record in records:
        problem = _problem(record)
        if problem:
            yield PictureError(f"cannot make {folder / record['output']} again: {problem}")
        else:
            jobs.append(_job(folder, record))
    manifest = Manifest(folder / FILE_NAME)
    for item in run(jobs, weights.sampler(seed=seed, device=device)):
        if item.record.status == DONE:
            manifest.append(item.record)
        if item.error is not None:
            yield item.error


def _problem(record: Record) -> str:
    """Why the input of a record is not what it was; "" where it is."""
    path = Path(record["input"])
    try:
        changed = sha256(path) != record["input_sha256"]
    except OSError as error:
        return f"its input {path} cannot be read: {error.strerror}"
    return f"its input {path} has changed" if changed else ""


def _job(folder: Path, record: Record) -> Job:
    condition = Condition(record["camera"], record["iso"])
    return Job(Path(record["input"]), record["relative_path"], record["repeat"], condition, folder / record["output"])
