"""Origin of the noise of a pair: a camera, a noise model, or not stated.

`make-pairs` and `synthesize` record it with all that they write; every reader of paired data carries it on.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.journal import DONE, FILE_NAME, records

CAMERA = "real"
"""The origin of noise that a camera made."""
HINT = "give pairs of a camera, state noise=real in their manifest, or use --accept-synthetic"


@dataclass(frozen=True)
class Origin:
    """Where noise comes from."""

    noise: str = ""
    """"real", or the name of the weights or the simulator that made it; "" where it is not stated."""
    sha256: str = ""
    """Of the weights."""
    seed: int | None = None

    @property
    def real(self) -> bool:
        return self.noise == CAMERA

    @property
    def synthetic(self) -> bool:
        return self.noise not in ("", CAMERA)

    def to_json(self) -> dict[str, Any]:
        """JSON values under the names that records and manifests have."""
        return {"noise": self.noise, "weights_sha256": self.sha256 or None, "seed": self.seed}

    def __str__(self) -> str:
        if self.real:
            return "real noise"
        return f"synthetic noise of {self.noise}" if self.synthetic else "noise of unstated origin"


REAL, UNSTATED = Origin(CAMERA), Origin()


class HasOrigin(Protocol):
    @property
    def origin(self) -> Origin: ...


def origin_of(record: Mapping[str, Any]) -> Origin:
    """The origin that a record of a journal or a row of a manifest states.

    `noise` is "real" or a name; records without it name the `weights`, or null for pairs of a camera.
    """
    noise = str(record.get("noise") or "") if "noise" in record else str(record.get("weights", "") or CAMERA)
    if not noise or ("noise" not in record and "weights" not in record):
        return UNSTATED
    if noise == CAMERA:
        return REAL
    seed = record.get("seed")
    return Origin(noise, str(record.get("weights_sha256") or ""), None if seed in (None, "") else int(seed))


def recorded_origin(noisy: Path) -> Origin:
    """The origin of a noisy picture that the journal of one of the folders above it records; UNSTATED without."""
    for folder in noisy.absolute().parents[:5]:
        journal = folder / FILE_NAME
        if journal.is_file():
            state = journal.stat()
            found = _journal(journal, state.st_size, state.st_mtime_ns)
            return found.get(noisy.absolute().relative_to(folder).as_posix(), UNSTATED)
    return UNSTATED


@lru_cache(maxsize=8)
def _journal(path: Path, *_: int) -> Mapping[str, Origin]:
    """Origins by the path of what was written, relative to the journal's folder."""
    return {
        str(record.get("noisy") or record.get("output") or record.get("file")): origin_of(record)
        for record in records(path)
        if record.get("status") == DONE
    }


def census_of(pairs: Iterable[HasOrigin]) -> dict[Origin, int]:
    """How many pairs are of each origin, the most frequent first."""
    return dict(Counter(pair.origin for pair in pairs).most_common())


def stated(origins: Mapping[Origin, int]) -> str:
    """Origins in words, with the number of pairs of each."""
    words: Counter[str] = Counter()
    for origin, count in origins.items():
        words[str(origin)] += count
    return ", ".join(f"{name} ({count} pairs)" for name, count in words.items()) or "no pairs"


def refuse_unreal(pairs: Iterable[HasOrigin], purpose: str) -> None:
    """Raise UsageError unless all pairs are of a camera; `purpose`: for what they have to be."""
    origins = census_of(pairs)
    if any(not origin.real for origin in origins):
        raise UsageError(f"{purpose} needs real noise, and the data hold {stated(origins)}", HINT)
