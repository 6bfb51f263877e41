"""manifest.jsonl of a folder of pairs: a record a pair, and the pairs that a resumed run skips."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nmflowgan_cli.data.containers import Container
from nmflowgan_cli.errors import DiskError, UsageError
from nmflowgan_cli.files import write_error
from nmflowgan_cli.journal import DONE, FILE_NAME, append, records
from nmflowgan_cli.pairs.make import facts, inputs
from nmflowgan_cli.pairs.plan import Lot
from nmflowgan_cli.synthesis.pipeline import Sampler


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

    def done(self) -> list[dict[str, Any]]:
        """The last record of every pair that is done, by split and key: shards finish in any order."""
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
        return {(record["split"], record["key"]): record for record in self.manifest.done()}

    def finished(self, lot: Lot) -> bool:
        """Whether every pair of the lot is there, made from the same inputs with the same settings."""
        return self.container.holds(lot.volume) and all(
            wanted.items() <= self._records.get((wanted["split"], wanted["key"]), {}).items()
            for wanted in self._wanted(lot)
        )

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

    def _wanted(self, lot: Lot) -> list[dict[str, Any]]:
        """The values that the records must have; paths of inputs may differ."""
        return [
            known | self.container.places(lot.volume, label) | digests
            for cut in lot.cuts
            for digests in [{k: v for k, v in inputs(cut.take).items() if k.endswith("sha256")}]
            for label, known in zip(cut.labels, facts(cut, self.sampler), strict=True)
        ]


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
