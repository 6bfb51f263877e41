"""What every container of pairs has in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from nmflowgan_cli.data.layouts import Label
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import Bytes, encode_png


@dataclass(frozen=True)
class Sample:
    """A pair of patches as it is put into a container."""

    label: Label
    clean: bytes
    """A PNG file, or what else `Container.encode` makes."""
    noisy: bytes
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON values: where the pair comes from."""


@dataclass(frozen=True)
class Volume:
    """What is written at a time, and is there whole or not at all: the pairs of one picture or of several."""

    split: str
    number: int
    """Within the split, from 0."""
    labels: tuple[tuple[Label, ...], ...]
    """Of each picture, of each of its patches; no picture is without patches."""


class Container(ABC):
    """Writes pairs below the folder `root`; a context manager, which is left when all is written."""

    sharded = False
    """Whether several pictures go into one volume."""
    shareable = True
    """Whether several processes may write to it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def encode(self, patch: Bytes) -> bytes:
        """A patch (H, W, 3) uint8 RGB as it is kept: a PNG file. May be called from any thread."""
        return encode_png(patch)

    @abstractmethod
    def places(self, volume: Volume, label: Label) -> dict[str, str]:
        """Where a pair is to be found, relative to `root`, by what the manifest calls it."""

    @abstractmethod
    def holds(self, volume: Volume) -> bool:
        """Whether everything of the volume is there."""

    @abstractmethod
    def write(self, volume: Volume, pictures: Iterable[Sequence[Sample]]) -> list[Path]:
        """Write the samples of each picture, whole or not at all; the paths that a user would look for.

        `pictures` may lack some of the volume, but not all. Raises OSError where it cannot be written.
        """

    def finish(self, records: Sequence[Mapping[str, Any]]) -> None:  # noqa: B027 - most have nothing to do
        """Write what lists all pairs; `records`: everything that is done, as in the manifest."""

    def close(self) -> None:  # noqa: B027
        """Let go of what is open."""

    def __enter__(self) -> "Container":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FileContainer(Container):
    """A container with a file a volume."""

    suffix = ""

    def name(self, volume: Volume) -> str:
        """Path of the volume's file, relative to `root`."""
        return f"{volume.split}/{volume.number:05d}{self.suffix}"

    def places(self, volume: Volume, label: Label) -> dict[str, str]:
        return {"file": self.name(volume)}

    def holds(self, volume: Volume) -> bool:
        return (self.root / self.name(volume)).is_file()


def require(module: str, extra: str) -> Any:
    """The module of an optional package; raises UsageError telling how to install it."""
    try:
        return import_module(module)
    except ImportError:
        raise UsageError(
            f"container {extra} needs the package {module}", f"pip install 'nmflowgan-cli[{extra}]'"
        ) from None
