"""Repair of a verified folder: outputs are made again from their records, temporary files are removed."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.containers.lmdb import DATABASE_SUFFIX
from nmflowgan_cli.errors import NmflowganError, PictureError, UsageError, WeightsError
from nmflowgan_cli.files import MISSING, sha256, sweep
from nmflowgan_cli.journal import DONE, FILE_NAME
from nmflowgan_cli.lock import cut_off, locked
from nmflowgan_cli.pairs import rebuild
from nmflowgan_cli.pairs.make import make
from nmflowgan_cli.pairs.manifest import PairManifest, list_pairs
from nmflowgan_cli.pairs.outputs import outputs
from nmflowgan_cli.pairs.verification import LISTS, Finding, Verified
from nmflowgan_cli.synthesis.manifest import SHALLOW, Manifest
from nmflowgan_cli.synthesis.pipeline import Sampler, run
from nmflowgan_cli.synthesis.plan import Job
from nmflowgan_cli.synthesis.weights import find_weights, kept_name

Record = dict[str, Any]
Item = TypeVar("Item")
Open = Callable[[Record], Sampler | None]
"""Opens the sampler that made the noise of a record; None for noise that was there already; raises NmflowganError."""


def repair(
    folder: Path, verified: Verified, *, device: str = "auto", cache_dir: Path | None = None
) -> Iterator[NmflowganError]:
    """Remove temporary files, and make what is missing or altered again; yields what prevents it.

    Outputs that were never recorded are made by the command that began them, with --resume.
    """
    damaged = {id(f.record): f.record for f in verified.findings if f.record is not None}.values()
    pictures = [[record] for record in damaged if "output" in record]
    pairs = [record for record in damaged if "output" not in record]

    def opened(record: Record) -> Sampler | None:
        return _sampler(folder, record, device, cache_dir)

    recorded = {output.path for record in verified.records for output in outputs(record)}
    with locked(folder, planned={*LISTS, *(path for path in recorded if not path.endswith(DATABASE_SUFFIX))}):
        sweep(folder, verified.names)
        _remove_unreadable(folder, verified.findings, verified.records)
        for records in _alike(pictures):
            yield from _make_pictures(folder, [one for [one] in records], opened)
        for records in _alike(rebuild.groups(verified.records, pairs)):
            yield from _make_pairs(folder, records, opened)
        container = rebuild.container(folder, verified.records)
        if container is not None:
            list_pairs(container, PairManifest(folder))
    if cut_off(folder):
        yield UsageError(f"{folder} was never finished", "run the command that began it again with --resume")


def _remove_unreadable(folder: Path, findings: Iterable[Finding], records: Iterable[Record]) -> None:
    """Remove databases of which no value can be read: no value could be written to them either."""
    missing = {finding.path for finding in findings if finding.state == MISSING}
    values = [output for record in records for output in outputs(record) if output.path.endswith(DATABASE_SUFFIX)]
    readable = {output.path for output in values if str(output) not in missing}
    for path in {output.path for output in values} - readable:
        shutil.rmtree(folder / path, ignore_errors=True)


def _alike(groups: Iterable[list[Record]]) -> list[list[list[Record]]]:
    """Groups of records that are made together, by weights and seed."""
    found: dict[tuple[Any, ...], list[list[Record]]] = defaultdict(list)
    for records in groups:
        found[tuple(records[0].get(name) for name in ("weights", "weights_sha256", "seed"))].append(records)
    return list(found.values())


def _sampler(folder: Path, record: Record, device: str, cache_dir: Path | None) -> Sampler | None:
    """The sampler of a record; that of a noise profile by the profile beside the manifest."""
    if record.get("noisy_input"):
        return None
    kept = folder / kept_name(str(record["weights_sha256"]))
    weights = find_weights(str(kept) if kept.is_file() else record["weights"], cache_dir=cache_dir)
    if weights.sha256 != record["weights_sha256"]:
        recorded = f"sha256 {record['weights_sha256']} is recorded"
        raise WeightsError(f"weights {record['weights']} are not those that made the noise: {recorded}")
    return weights.sampler(seed=record["seed"], device=device, precision=record.get("precision") or "auto")


def _make_pictures(folder: Path, records: Sequence[Record], opened: Open) -> Iterator[NmflowganError]:
    """Make pictures of one seed and weights again, and record them."""
    try:
        sampler = opened(records[0])
    except NmflowganError as error:
        yield error
        return
    problems = {record["output"]: _problem(record) for record in records}
    yield from (_impossible(folder / name, problem) for name, problem in problems.items() if problem)
    assert sampler is not None
    manifest = Manifest(folder / FILE_NAME)
    for item in run([_job(folder, record) for record in records if not problems[record["output"]]], sampler):
        if item.record.status == DONE:
            manifest.append(item.record)
        if item.error is not None:
            yield item.error


def _make_pairs(folder: Path, groups: Sequence[list[Record]], opened: Open) -> Iterator[NmflowganError]:
    """Make lots of pairs of one seed and weights again, and record them."""
    lots = []
    for records in groups:
        problem = next(filter(None, map(_problem, records)), "")
        name = str(records[0].get("file") or records[0]["noisy"])
        try:
            if problem:
                raise _impossible(folder / name, problem)
            lots.append(rebuild.lot(records))
        except NmflowganError as error:
            yield error
        except (KeyError, ValueError, TypeError) as error:
            yield _impossible(folder / name, f"its record is of another version ({type(error).__name__} {error})")
    if not lots:
        return
    try:
        sampler = opened(groups[0][0])
        container = rebuild.container(folder, groups[0])
    except NmflowganError as error:
        yield error
        return
    assert container is not None
    manifest = PairManifest(folder)
    with container:
        for outcome in make(lots, container, sampler):
            manifest.add(outcome.records)
            yield from outcome.errors


def _impossible(path: Path, problem: str) -> PictureError:
    return PictureError(f"cannot make {path} again: {problem}")


def _problem(record: Record) -> str:
    """Why the inputs of a record are not what they were; "" where they are."""
    for side in ("input", "noisy_input"):
        if not record.get(side):
            continue
        path = Path(record[side])
        try:
            changed = sha256(path) != record.get(f"{side}_sha256")
        except OSError as error:
            return f"its input {path} cannot be read: {error.strerror}"
        if changed:
            return f"its input {path} has changed"
    return ""


def _job(folder: Path, record: Record) -> Job:
    condition = Condition(record["camera"], record["iso"])
    output, depth = folder / record["output"], record.get("depth", SHALLOW)
    path, name, repeat = Path(record["input"]), record["relative_path"], record["repeat"]
    return Job(path, name, repeat, condition, output, depth, record.get("input_frame"))
