"""Base classes of the containers of pairs."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.layouts import Label
from nmflowgan_cli.data.origin import Origin, origin_of, refuse_iso
from nmflowgan_cli.errors import NmflowganError, PictureError, UsageError
from nmflowgan_cli.files import digest
from nmflowgan_cli.imaging import Bytes, encode_png
from nmflowgan_cli.schemas import SchemaError, converted, reason

LARGEST_RATIO, SMALL = 100, 2**24
"""Uncompressed bytes for each byte of a file, and those that any file may have besides."""


@dataclass(frozen=True)
class Sample:
    """An encoded pair of patches."""

    label: Label
    clean: bytes
    """A PNG file, or another encoding by `Container.encode`."""
    noisy: bytes
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON values: the origin of the pair."""


@dataclass(frozen=True)
class Volume:
    """The unit of writing, whole or not at all: the pairs of one picture or of several."""

    split: str
    number: int
    """Within the split, from 0."""
    labels: tuple[tuple[Label, ...], ...]
    """The labels of each picture's patches; no picture is without patches."""


class Container(ABC):
    """Writes pairs below the folder `root`; a context manager, which is left when all is written."""

    sharded = False
    """Whether several pictures go into one volume."""
    shareable = True
    """Whether several processes may write to it at once."""

    lists: tuple[str, ...] = ()
    """The lists of all pairs that `finish` writes beside them, relative to `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def encode(self, patch: Bytes) -> bytes:
        """A patch (H, W, 3) uint8 RGB as it is kept: a PNG file. May be called from any thread."""
        return encode_png(patch)

    @abstractmethod
    def places(self, volume: Volume, label: Label) -> dict[str, str]:
        """The paths of a pair relative to `root`, by their names in the manifest."""

    @abstractmethod
    def write(self, volume: Volume, pictures: Iterable[Sequence[Sample]]) -> list[Path]:
        """Write the samples of each picture, whole or not at all; the paths that a user would look for.

        `pictures` may lack some of the volume, but not all. Raises OSError where it cannot be written.
        """

    def proof(self, volume: Volume) -> dict[str, Any]:
        """Size and SHA-256 of the file of a volume that is written; nothing where its patches are found one by one."""
        return {}

    def unsupported(self, condition: Condition) -> str:
        """Why code that reads the container cannot know a camera and ISO; "" where it can."""
        return ""

    def finish(self, records: Sequence[Mapping[str, Any]]) -> None:  # noqa: B027 - most have nothing to do
        """Write the lists of all pairs; `records`: those of the manifest that are done."""

    def close(self) -> None:  # noqa: B027
        """Close the files that are open."""

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

    def proof(self, volume: Volume) -> dict[str, Any]:
        path = self.root / self.name(volume)
        return {"file_size": path.stat().st_size, "file_sha256": digest(path)}


@dataclass(frozen=True)
class EncodedPair:
    """A pair of patches in a container, as `data.reading.Paired`; nothing is decoded until `load`."""

    condition: Condition
    scene: str
    split: str
    name: str
    origin: Origin
    sides: tuple[int, int]
    """Height and width."""
    read: Callable[[], tuple[bytes, bytes]] = field(compare=False)
    """The PNG files of the clean and the noisy patch; raises UsageError for a damaged container."""

    def size(self) -> tuple[int, int, int]:
        """One picture, its height and width."""
        return 1, *self.sides

    def load(self) -> tuple[Bytes, Bytes]:
        """The clean and the noisy patch, each (H, W, 3) uint8 RGB; PictureError for a damaged one."""
        clean, noisy = (decode_png(data, self.name, self.sides) for data in self.read())
        return clean, noisy


def decode_png(data: bytes, name: str, sides: tuple[int, int] | None = None) -> Bytes:
    """The pixels (H, W, 3) uint8 RGB of a PNG file in memory; PictureError naming the pair for a damaged one.

    `sides`: height and width that it must have, judged before it is decoded.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if sides not in (None, (image.height, image.width)):
                raise PictureError(f"{name}: the patches are not of {sides[1]}x{sides[0]} pixels")
            return np.asarray(image.convert("RGB"))
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{name} is damaged: it is not a PNG file") from None
    except Exception as error:  # noqa: BLE001 - Pillow raises many kinds for a damaged file
        raise PictureError(f"{name} is damaged: {reason(error)}") from None


@contextmanager
def damage_named(path: Path, kind: str) -> Iterator[None]:
    """Whatever a library raises for a damaged file of this kind, as a UsageError that names the file."""
    try:
        yield
    except NmflowganError:
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise many kinds for a damaged file
        raise UsageError(f"{path} is not {kind}, or is damaged: {reason(error)}") from None


def refuse_bomb(path: Path, size: int, what: str = "its arrays") -> None:
    """Raise UsageError where a file claims to hold far more bytes than it has: compression of pictures is no such."""
    limit = LARGEST_RATIO * path.stat().st_size + SMALL
    if size > limit:
        raise UsageError(f"{path} is damaged: {what} claim {size} bytes of a file of {path.stat().st_size}")


def pair_of(facts: Mapping[str, Any], name: str, read: Callable[[], tuple[bytes, bytes]]) -> EncodedPair:
    """The pair that `facts` describe, see `pairs.make.facts`; UsageError where one of them is missing or wrong."""
    from nmflowgan_cli.data.pair_schema import PairFacts

    try:
        found: PairFacts = converted(dict(facts), PairFacts)
    except SchemaError as error:
        raise UsageError(f"{name} is not a pair of make-pairs: {error}") from None
    origin = origin_of(facts)
    refuse_iso(found.iso, origin, name)
    condition, sides = Condition(found.camera, found.iso), (found.height, found.width)
    return EncodedPair(condition, found.scene, found.split, name, origin, sides, read)


def require(module: str, extra: str) -> Any:
    """The module of an optional package; raises UsageError with the command that installs it."""
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise UsageError(f"{extra} needs the package {package}", f"pip install {package}") from None
