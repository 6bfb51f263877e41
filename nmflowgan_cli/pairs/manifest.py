"""manifest.jsonl of a folder of pairs: a record a pair, and the pairs that a resumed run skips."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nmflowgan_cli.data.containers import Container
from nmflowgan_cli.data.manifest import MANIFEST_NAMES
from nmflowgan_cli.errors import DiskError, UsageError
from nmflowgan_cli.files import sweep, write_error
from nmflowgan_cli.journal import DONE, FILE_NAME, append, done_records, records
from nmflowgan_cli.lock import locked, unfinished
from nmflowgan_cli.pairs.make import facts, inputs
from nmflowgan_cli.pairs.outputs import differences, outputs
from nmflowgan_cli.pairs.plan import Cut, Lot
from nmflowgan_cli.synthesis.manifest import SHALLOW
from nmflowgan_cli.synthesis.pipeline import Sampler

SETTINGS = ("camera", "iso", "repeat", "relative_path", "noise", "weights_sha256", "seed", "depth")
"""What makes the noise of a pair; without those of these that its record has, it is another pair."""


@dataclass(frozen=True)
class PairManifest:
    """The records of everything below `folder`."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / FILE_NAME

    def add(self, new: Iterable[Mapping[str, Any]]) -> None:
        """Add the records of a lot in one piece; raises NmflowganError."""
        append(self.path, "".join(json.dumps(record) + "\n" for record in new).encode())

    def size(self) -> int:
        """Bytes of all records; it only ever grows."""
        return self.path.stat().st_size if self.path.exists() else 0

    def outputs(self) -> set[str]:
        """The files and databases of all pairs that were ever done, and the list of pairs that goes with them."""
        from nmflowgan_cli.data.pair_schema import PairPlaces

        done = done_records(self.path, PairPlaces)
        found = {str(record[name]) for record in done for name in ("file", "clean", "noisy") if name in record}
        return found | ({MANIFEST_NAMES[0]} if found else set())

    def done(self) -> list[dict[str, Any]]:
        """The last record of every pair that is done, by split and key: shards finish in any order."""
        from nmflowgan_cli.data.pair_schema import PairPlaces

        for _ in done_records(self.path, PairPlaces):
            pass  # they are as the schema has them
        last = {(str(record.get("split")), str(record.get("key"))): record for record in records(self.path)}
        return [record for _, record in sorted(last.items()) if record.get("status") == DONE]


@dataclass(frozen=True)
class History:
    """The pairs of an earlier run."""

    manifest: PairManifest
    container: Container
    sampler: Sampler | None

    @cached_property
    def _records(self) -> dict[tuple[str, str], dict[str, Any]]:
        return {(record["split"], record["key"]): {"depth": SHALLOW, **record} for record in self.manifest.done()}

    @cached_property
    def _whole(self) -> set[tuple[str, str]]:
        """The pairs whose outputs have the bytes that were recorded, as they were before this run."""
        different = differences(self.manifest.folder, (each for one in self._records.values() for each in outputs(one)))
        return {name for name, record in self._records.items() if different.keys().isdisjoint(outputs(record))}

    def finished(self, lot: Lot) -> bool:
        """Whether every pair of the lot was made from the same inputs with the same settings, and has those bytes.

        To be asked before anything is written: all recorded outputs are read once.
        """
        return all(
            (wanted["split"], wanted["key"]) in self._whole
            and wanted.items() <= self._records[wanted["split"], wanted["key"]].items()
            for wanted in self._wanted(lot)
        )

    @contextmanager
    def held(self, lots: Sequence[Lot], own: Sequence[Lot], *, shard: str | None, resume: bool) -> Iterator[None]:
        """Hold the folder, which exists, against other runs; raises UsageError where `lots` do not go with its pairs.

        `own`: the lots of this shard.
        """

        def check() -> None:
            if resume or shard:
                self.refuse_others(lots)
                self.refuse_other_settings(lots)
                self.refuse_strangers(own)
            if not resume:
                self.refuse_made(own)

        job = self._identity(lots, shard) if shard else ""
        names = self.places(own)
        with locked(self.manifest.folder, job=job, shard=shard, planned=names, check=check):
            if resume:
                sweep(self.manifest.folder, names if shard else {*names, *self.manifest.outputs()})
            yield

    def _identity(self, lots: Iterable[Lot], shard: str) -> str:
        """A hash that the shards of one job have in common, and other jobs do not."""
        made = [(lot.volume.split, lot.volume.number, self._settings(cut)) for lot in lots for cut in lot.cuts]
        return hashlib.sha256(repr((shard.partition("/")[2], made)).encode()).hexdigest()

    def refuse_made(self, lots: Iterable[Lot]) -> None:
        """Raise UsageError where a pair of `lots` was made before."""
        for label in (label for lot in lots for cut in lot.cuts for label in cut.labels):
            if (label.split, label.key) in self._records:
                raise UsageError(
                    f"{self.manifest.folder} holds pair {label.split}/{label.key} already",
                    "--resume goes on with it, or choose another -o",
                )

    def refuse_others(self, lots: Iterable[Lot]) -> None:
        """Raise UsageError where pairs stand in the container that would not be among those of `lots`."""
        places = {
            (label.split, label.key): self.container.places(lot.volume, label)
            for lot in lots
            for cut in lot.cuts
            for label in cut.labels
        }
        for name, record in self._records.items():
            if name not in places or not places[name].items() <= record.items():
                raise UsageError(
                    f"{self.manifest.folder} holds pair {'/'.join(name)}, which this command would not make there",
                    "resume with the same inputs and options, or choose another -o",
                )

    def refuse_other_settings(self, lots: Iterable[Lot]) -> None:
        """Raise UsageError where a pair of `lots` was made with another seed, condition or noise."""
        for wanted in (wanted for lot in lots for cut in lot.cuts for wanted in self._settings(cut)):
            record = self._records.get((wanted["split"], wanted["key"]), {})
            other = [f"{key} was {record[key]}" for key in SETTINGS if record.get(key, wanted[key]) != wanted[key]]
            if other:
                raise UsageError(
                    f"pair {wanted['split']}/{wanted['key']} of {self.manifest.folder} has other settings: "
                    f"{', '.join(other)}",
                    "resume with the same options, or choose another -o",
                )

    def refuse_strangers(self, lots: Iterable[Lot]) -> None:
        """Raise UsageError for a file at the place of an output that no earlier run recorded or was about to make."""
        ours = self.manifest.outputs() | unfinished(self.manifest.folder)
        strangers = [name for name in self.places(lots) if name not in ours and (self.manifest.folder / name).exists()]
        if strangers:
            more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
            raise UsageError(
                f"{self.manifest.folder / strangers[0]}{more} would be replaced, and {FILE_NAME} does not list it",
                "move it away, or choose another -o",
            )

    def places(self, lots: Iterable[Lot]) -> list[str]:
        """The files and databases of `lots`, relative to the folder, and the lists of the container."""
        found = {
            path: None
            for lot in lots
            for cut in lot.cuts
            for label in cut.labels
            for path in self.container.places(lot.volume, label).values()
        }
        return [*found, *self.container.lists]

    def _wanted(self, lot: Lot) -> list[dict[str, Any]]:
        """The values that the records must have; paths of inputs may differ."""
        return [
            known | self.container.places(lot.volume, label) | digests
            for cut in lot.cuts
            for digests in [{k: v for k, v in inputs(cut.take).items() if k.endswith("sha256")}]
            for label, known in zip(cut.labels, self._settings(cut), strict=True)
        ]

    def _settings(self, cut: Cut) -> list[dict[str, Any]]:
        """The facts about each pair of `cut`, and its depth."""
        return [known | {"depth": cut.depth} for known in facts(cut, self.sampler)]


def list_pairs(container: Container, manifest: PairManifest) -> None:
    """Have the container list everything that is done; raises DiskError where it cannot be written.

    Once more where another process has added pairs meanwhile: whoever lists last lists all.
    """
    try:
        while True:
            known = manifest.size()
            container.finish(manifest.done())
            if manifest.size() == known:
                return
    except OSError as error:
        raise write_error(f"to {container.root}", error, DiskError) from None
