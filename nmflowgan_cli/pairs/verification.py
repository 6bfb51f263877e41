"""Verification of a folder of pictures or pairs against its manifest: every byte is read."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nmflowgan_cli.data.containers.lmdb import DATABASE_SUFFIX, META_INFO
from nmflowgan_cli.data.layouts import METADATA
from nmflowgan_cli.data.manifest import MANIFEST_NAMES
from nmflowgan_cli.errors import NmflowganError, UsageError
from nmflowgan_cli.files import MISSING, PART, difference
from nmflowgan_cli.journal import FILE_NAME, done_records
from nmflowgan_cli.lock import cut_off, holders, is_lock, unfinished
from nmflowgan_cli.pairs.manifest import PairManifest
from nmflowgan_cli.pairs.outputs import differences, outputs
from nmflowgan_cli.pairs.rebuild import container
from nmflowgan_cli.synthesis.weights import kept_name

FOREIGN, LEFTOVER = "foreign", "leftover"
LISTS = (*MANIFEST_NAMES, META_INFO, METADATA)


@dataclass(frozen=True)
class Finding:
    """One thing in a folder that is not as its manifest has it."""

    state: str
    """"missing" or "altered" of what is recorded; "foreign" for a file that is not; "leftover" of a run cut off."""
    path: str
    """Relative to the folder; "#" and a key follow for a value of a database."""
    record: dict[str, Any] | None = None
    """The record of an output that is missing or altered; None where a run was cut off before it recorded one."""


@dataclass(frozen=True)
class Verified:
    """The outputs that a manifest lists, and the findings, by path."""

    outputs: int
    findings: list[Finding]
    names: set[str]
    """All files that a run may have written there, relative to the folder."""
    records: list[dict[str, Any]]
    """The last records of everything that is done, in the order in which they were written."""


def verify(folder: Path) -> Verified:
    """Compare `folder` with its manifest.

    Outputs that failed are not expected. Raises UsageError where there is no manifest of this tool, or it lists a path
    outside of the folder, NmflowganError while a run holds the folder.
    """
    refuse_held(folder)
    done = _done(folder)
    planned = unfinished(folder)
    if not done and not planned and not (folder / FILE_NAME).is_file():
        raise UsageError(f"{folder} holds no {FILE_NAME}", "name a folder that synthesize or make-pairs has written")
    by_output = {output: record for record in done for output in outputs(record)}
    _refuse_outside(folder, [*(output.path for output in by_output), *planned])
    findings = [Finding(state, str(one), by_output[one]) for one, state in differences(folder, by_output).items()]
    known = {output.path for output in by_output}
    names = known | planned | {FILE_NAME, *LISTS} | {f"{path}/{META_INFO}" for path in known}
    findings += [Finding(MISSING, name) for name in planned - known - set(LISTS) if not (folder / name).exists()]
    findings += _lists(folder, done)
    findings += [Finding(LEFTOVER, path.name) for path in cut_off(folder)]
    profiles = {kept_name(digest): digest for record in done if (digest := str(record.get("weights_sha256") or ""))}
    findings += _unlisted(folder, known, planned, profiles)
    return Verified(len(by_output), sorted(findings, key=lambda finding: (finding.path, finding.state)), names, done)


def refuse_held(folder: Path) -> None:
    """Raise NmflowganError while a run holds the folder: what is there now is not what will be."""
    for holder in holders(folder):
        raise NmflowganError(f"{folder} is in use by {holder}", "verify it when that run has ended")


def _done(folder: Path) -> list[dict[str, Any]]:
    """The last record of every output or pair, of those that are done."""
    from nmflowgan_cli.data.pair_schema import Made

    last: dict[tuple[str, ...], dict[str, Any]] = {}
    for record in done_records(folder / FILE_NAME, Made):
        name = (record["output"],) if record.get("output") else (record["split"], record["key"])
        last.pop(name, None)  # the order is that of the last records
        last[name] = record
    return list(last.values())


def _refuse_outside(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise UsageError(
                f"{folder / FILE_NAME} lists {name}, outside of its folder", "not a manifest of this tool?"
            )


def _lists(folder: Path, records: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    """The lists of pairs that are not there, or do not list what the manifest does: a run was cut off before."""
    made = container(folder, records)
    if made is None:
        return
    for path, content in made.listings(PairManifest(folder).done()).items():
        state = difference(folder / path, len(content), hashlib.sha256(content).hexdigest())
        yield from [Finding(state, path)] * bool(state)


def _unlisted(folder: Path, known: set[str], planned: set[str], profiles: Mapping[str, str]) -> Iterator[Finding]:
    """The files that no record lists, and profiles that are not what they were; `profiles`: their SHA-256 by name."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        in_database = name.parent.as_posix() in known | planned and name.parent.suffix == DATABASE_SUFFIX
        if path.is_dir() or name.as_posix() in known or in_database or path.name in LISTS or is_lock(path):
            continue
        if name.as_posix() in profiles:
            state = difference(path, None, profiles[path.name])
            yield from [Finding(state, path.name)] * bool(state)
            continue
        is_leftover = PART.fullmatch(path.name) or name.as_posix() in planned
        yield Finding(LEFTOVER if is_leftover else FOREIGN, name.as_posix())
