"""Origin of the noise of a pair: a camera, a noise model, or not stated.

`make-pairs` and `synthesize` record it with all that they write; every reader of paired data carries it on.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from nmflowgan_cli.conditions import UNKNOWN_ISO
from nmflowgan_cli.errors import UsageError

CAMERA = "real"
"""The origin of noise that a camera made."""
HINT = "give pairs of a camera, state noise=real in their manifest, or use --accept-synthetic"


@dataclass(frozen=True)
class Origin:
    """Where noise comes from."""

    noise: str = ""
    """"real", or the name of the weights or the simulator that made it; "" where it is not stated."""
    sha256: str = ""
    """Of the weights, which may be named "real", too."""
    seed: int | None = None

    @property
    def real(self) -> bool:
        return self.noise == CAMERA and not self.sha256

    @property
    def synthetic(self) -> bool:
        return bool(self.noise) and not self.real

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

    `noise` is "real" or a name. Records of earlier versions name the `weights` instead, and say nothing of pairs that
    were there before.
    """
    noise = str(record.get("noise" if "noise" in record else "weights") or "").strip()
    if not noise:
        return UNSTATED
    sha256 = str(record.get("weights_sha256") or "")
    if noise.lower() == CAMERA and not sha256:
        return REAL
    return Origin(noise, sha256, _integer(record.get("seed")))


def refuse_iso(iso: int, origin: Origin, place: str) -> None:
    """Raise UsageError for what is no ISO speed; that of noise which was made may be unknown, 0."""
    if iso <= 0 and not (origin.synthetic and iso == UNKNOWN_ISO):
        raise UsageError(f"{place}: {iso} is not an ISO speed", "a positive whole number, like 800")


def _integer(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def census_of(pairs: Iterable[HasOrigin]) -> dict[Origin, int]:
    """How many pairs are of each origin, the most frequent first."""
    return dict(Counter(pair.origin for pair in pairs).most_common())


def stated(origins: Mapping[Origin, int]) -> str:
    """Origins in words, with the number of pairs of each."""
    words: Counter[str] = Counter()
    for origin, count in origins.items():
        words[str(origin)] += count
    return ", ".join(f"{name} ({count} pair{'s' * (count != 1)})" for name, count in words.items()) or "no pairs"


def all_real(pairs: Iterable[HasOrigin]) -> bool:
    """Whether the noise of all pairs is stated to be of a camera."""
    return all(pair.origin.real for pair in pairs)


def refuse_unreal(pairs: Collection[HasOrigin], purpose: str) -> None:
    """Raise UsageError unless all pairs are of a camera; `purpose`: for what they have to be."""
    if not all_real(pairs):
        raise UsageError(f"{purpose} needs real noise, and the data hold {stated(census_of(pairs))}", HINT)
