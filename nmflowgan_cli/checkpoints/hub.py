"""Weights by name: the registry, and the user's cache.

Weights that come with the package are copied into the cache, the others are downloaded; either way verified by
SHA-256, and then written whole or not at all. The hash of what is in the cache is checked on every use.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from nmflowgan_cli.conditions import CAMERA_NAMES, camera_code
from nmflowgan_cli.errors import ConditionError, WeightsError
from nmflowgan_cli.files import sha256, write_whole
from nmflowgan_cli.schemas import reason

CACHE_VARIABLE = "NMFLOWGAN_CACHE"
OFFLINE_VARIABLE = "NMFLOWGAN_OFFLINE"
SUFFIX = ".safetensors"
TIMEOUT = 30
"""Seconds without an answer after which a download is given up."""

State = Literal["ok", "absent", "differs"]


class CacheError(WeightsError):
    """The cache cannot be written."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Registered weights."""

    name: str
    file: str
    sha256: str
    size: int
    """Bytes."""
    cameras: Mapping[str, tuple[int, ...]]
    """The trained ISOs of each camera, rising."""
    camera_names: Mapping[str, str]
    """Full names of cameras, by code."""
    terms: str
    url: str | None
    """Address to download the file from; None where it comes with the package."""


@dataclass(frozen=True)
class Registry:
    """The weights known by name, and the folder of the packaged ones."""

    entries: tuple[Entry, ...]
    folder: Path

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.entries]

    def entry(self, name: str) -> Entry:
        """The entry of that name; raises WeightsError listing the names."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        listed = ", ".join(self.names) or "none"
        raise WeightsError(f"unknown weights {name!r}", f"known: {listed}; or give the path of a {SUFFIX} file")


def read_registry(path: Path) -> Registry:
    """The registry of a registry.json; raises WeightsError."""
    from nmflowgan_cli.checkpoints.registry_schema import validated

    try:
        return Registry(tuple(Entry(**entry) for entry in validated(path.read_bytes())), path.parent)
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read the registry of weights {path}: {reason(error)}") from None


@cache
def registry() -> Registry:
    """The registry of this installation: inside the package, or beside it in an editable install."""
    packaged = Path(str(files("nmflowgan_cli"))) / "packaged_weights" / "registry.json"
    beside = Path(__file__).parents[2] / "weights" / "registry.json"
    return read_registry(packaged if packaged.is_file() else beside)


def cache_dir(flag: Path | None = None) -> Path:
    """The cache folder: the flag, else NMFLOWGAN_CACHE, else the platform's own place. It need not exist."""
    from platformdirs import user_cache_dir

    return flag or Path(os.environ.get(CACHE_VARIABLE) or user_cache_dir("nmflowgan", appauthor=False))


def for_cameras(cameras: Sequence[str]) -> Entry:
    """The first weights that know all these cameras (codes or names); of no cameras, the first of all.

    Raises ConditionError for a camera that none knows, listing those of all weights, and where no weights know all of
    them, saying which know each; WeightsError where there are no weights.
    """
    entries = registry().entries
    if not entries:
        raise WeightsError("no weights are registered", f"give the path of a {SUFFIX} file by --weights")
    known = tuple(dict.fromkeys(code for entry in entries for code in entry.cameras))
    names = {**CAMERA_NAMES, **{code: name for entry in entries for code, name in entry.camera_names.items()}}
    codes = list(dict.fromkeys(camera_code(camera, known, names) for camera in cameras))
    for entry in entries:
        if entry.cameras.keys() >= set(codes):
            return entry
    holders = {code: " and ".join(entry.name for entry in entries if code in entry.cameras) for code in codes}
    listed = ", ".join(f"{code}: {holder}" for code, holder in holders.items())
    raise ConditionError(f"no weights know all of {', '.join(codes)}", f"{listed}; run once for each weights")


def resolve(name_or_path: str | Path, *, cache_dir: Path | None = None, offline: bool | None = None) -> Path:
    """The weights file that a name or a path means, installed into the cache if need be; raises WeightsError.

    Weights that come with the package are used where they lie if the cache cannot be written.
    `cache_dir`: the user's flag, if there is one. `offline`: no downloads; by default the value of NMFLOWGAN_OFFLINE.
    """
    if not is_path(name_or_path):
        entry = registry().entry(str(name_or_path))
        try:
            return install(entry, registry(), cache_dir, offline=offline)
        except CacheError:
            if (packaged := packaged_file(entry)) is None:
                raise
            return packaged  # where it lies: a cache that cannot be written is no reason to fail
    path = Path(name_or_path)
    if not path.is_file():
        raise WeightsError(f"no such weights file: {path}", f"known by name: {', '.join(registry().names) or 'none'}")
    return path


def is_path(name_or_path: str | Path) -> bool:
    """Whether this is the path of a file: it has a folder or a suffix, and is no name of the registry."""
    path = Path(name_or_path)
    return str(name_or_path) not in registry().names and (len(path.parts) > 1 or bool(path.suffix))


def install(entry: Entry, source: Registry, flag: Path | None = None, *, offline: bool | None = None) -> Path:
    """The verified file of `entry` in the cache; fetched where it is absent or differs; raises WeightsError."""
    target = cache_dir(flag) / entry.file
    if state(entry, flag) == "ok":
        return target
    content = _content(entry, source, offline=_offline() if offline is None else offline)
    _verify(entry, content)
    hint = f"set {CACHE_VARIABLE} or --cache-dir to a folder that can be written"
    if target.parts[0] == "~":  # what is left of the user's folder where nobody says which it is
        raise CacheError("the user has no folder for a cache", hint)
    try:
        write_whole(target, content)
    except OSError as error:
        raise CacheError(f"cannot write to the cache {target.parent}: {error.strerror or error}", hint) from None
    return target


def state(entry: Entry, flag: Path | None = None) -> State:
    """The state of the file of `entry` in the cache: as registered, absent, or another one."""
    target = cache_dir(flag) / entry.file
    try:
        return "ok" if sha256(target) == entry.sha256 else "differs"
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError:
        return "differs"


def local_file(entry: Entry, flag: Path | None = None) -> Path | None:
    """The verified file of `entry` without fetching anything: from the cache, or as it came with the package."""
    if state(entry, flag) == "ok":
        return cache_dir(flag) / entry.file
    return packaged_file(entry)


def packaged_file(entry: Entry) -> Path | None:
    """The verified file of `entry` that came with the package; None where there is none."""
    packaged = registry().folder / entry.file
    return packaged if packaged.is_file() and sha256(packaged) == entry.sha256 else None


def read_card(entry: Entry) -> str:
    """The card of `entry` as Markdown, as it came with the package; empty where there is none."""
    path = registry().folder / "cards" / f"{entry.name}.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def entry_for(path: Path, *, url: str | None = None) -> dict[str, Any]:
    """The registry's entry, as JSON values, for a weights file; from its header, size and hash."""
    from nmflowgan_cli.checkpoints.format import read_header

    header = read_header(path)
    known = header.vocabulary
    names = {**CAMERA_NAMES, **known.names}
    cameras = {camera: known.trained_isos(camera) for camera in known.cameras if known.trained_isos(camera)}
    return {
        "name": header.name or path.stem,
        "file": path.name,
        "sha256": sha256(path),
        "size": path.stat().st_size,
        "cameras": cameras,
        "camera_names": {camera: names[camera] for camera in cameras if camera in names},
        "terms": header.terms,
        "url": url,
    }


def _offline() -> bool:
    return os.environ.get(OFFLINE_VARIABLE, "") not in ("", "0")


def _content(entry: Entry, source: Registry, *, offline: bool) -> bytes:
    """The file of `entry`, from the package or from its address; not verified yet."""
    if entry.url is None:
        try:
            return (source.folder / entry.file).read_bytes()
        except OSError:
            raise WeightsError(f"{entry.file} did not come with this installation", "reinstall nmflowgan-cli") from None
    if offline:
        raise WeightsError(
            f"weights {entry.name} are not in the cache and {OFFLINE_VARIABLE} forbids downloads",
            f"unset it, or run once with a network: nmflowgan weights fetch {entry.name}",
        )
    return _downloaded(entry.name, entry.url, entry.size)


def _downloaded(name: str, url: str, size: int) -> bytes:
    """The answer of an address, one byte more than `size` at most."""
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - an address of the registry
            return answer.read(size + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise WeightsError(f"cannot download weights {name} from {url}: {error}") from None


def _verify(entry: Entry, content: bytes) -> None:
    """Raise WeightsError unless this is the file that the registry means."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != entry.sha256:
        source = entry.url or "the file that came with this installation"
        raise WeightsError(
            f"weights {entry.name}: {source} has sha256 {actual[:16]}..., expected {entry.sha256[:16]}...",
            "nothing was installed; try again, or upgrade nmflowgan-cli",
        )
