"""Files and folders: hashes, names, writing whole or not at all, output folders."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from threading import Event
from typing import BinaryIO

from nmflowgan_cli.errors import DiskError, NmflowganError
from nmflowgan_cli.interruption import TEMPORARY

DISK_REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room or raise the quota",
    errno.EROFS: "choose another place or make this one writable",
}
"""The errors after which no other file can be written either, and what the user can do about each."""

LONGEST_STEM = 120
MISSING, ALTERED = "missing", "altered"
"""The ways in which a file can differ from its record, see `difference`."""


SYNCED_TOGETHER = 8
KEPT = 80
"""Characters of a name that the name of its temporary file begins with."""
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}
PART = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.part", re.DOTALL)
"""Names of temporary files."""
_later: set[Path] | None = None
"""Folders whose names are synced later, together."""


def kind(path: str | os.PathLike[str]) -> str:
    """The kind of file at a path, links followed: "file", "folder", "FIFO", "socket" or "device"; "" for none.

    None: it does not exist, is a link that dangles or leads back to itself, or lies where nobody may look.
    """
    try:
        return _KINDS.get(stat.S_IFMT(os.stat(path).st_mode), "device")  # noqa: PTH116 - also for plain text
    except (OSError, ValueError):
        return ""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading; raises OSError for anything else, at once: a FIFO would wait for its writer."""
    found = kind(path)
    if found in ("", "file"):
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
        found = kind(path)  # it has become something else meanwhile
    raise OSError(errno.EINVAL, f"it is a {found}, not a regular file", os.fspath(path))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to `path` when the context ends well, and else removed.

    The bytes are on the disk before the name is, and the name before the context is left, unless `names_together`
    holds that back: what is recorded afterwards survives a power cut. Makes the folder.
    Raises OSError where that, or the replacement, is impossible, and for a device, FIFO or socket, which would be gone.
    """
    if (found := kind(path)) not in ("", "file", "folder"):
        raise OSError(errno.EINVAL, f"it is a {found}, not a regular file", str(path))
    _make_synced(path.parent)
    temporary = _beside(path)
    TEMPORARY.add(temporary)
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        if _later is None:
            sync(path.parent)
        else:
            _later.add(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        TEMPORARY.discard(temporary)


@contextmanager
def names_together() -> Iterator[Callable[[], None]]:
    """Inside, `replacing` leaves its names to the function that this yields: it syncs all that were given so far."""
    global _later  # noqa: PLW0603 - of all threads that write
    folders: set[Path] = set()

    def sync_names() -> None:
        for folder in list(folders):
            folders.discard(folder)  # before: another thread may add to it while the disk is at work
            try:
                sync(folder)
            except OSError as error:
                raise write_error(folder, error, DiskError) from None

    _later = folders
    try:
        yield sync_names
    finally:
        _later = None


def _beside(path: Path) -> Path:
    """A new temporary path beside `path`; names have 255 bytes at most, and what makes this one unique must fit."""
    return path.with_name(f".{path.name[:KEPT]}.{secrets.token_hex(6)}.part")


def sweep(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files of `replacing` for these names below `folder`; for a run that no other one writes with."""
    wanted = {(folder / name).parent / (folder / name).name[:KEPT] for name in names}
    for parent in {path.parent for path in wanted}:
        for path in parent.glob(".*.part"):
            named = PART.fullmatch(path.name)
            if named and parent / named["name"] in wanted:
                path.unlink(missing_ok=True)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write several files, all or none (but for a crash, which leaves each whole or as it was); raises OSError.

    As durable as `replacing`, and faster: the disk syncs several at a time.
    """
    folders = {path.parent for path in contents}
    for folder in folders:
        _make_synced(folder)
    temporary = {path: _beside(path) for path in contents}
    TEMPORARY.update(temporary.values())
    placed: list[Path] = []
    abandoned = Event()
    try:
        with ThreadPoolExecutor(SYNCED_TOGETHER, "write") as pool:
            list(pool.map(partial(_write_synced, abandoned), temporary.values(), contents.values()))
        for path, written in temporary.items():
            placed.append(path)
            written.replace(path)
        for folder in folders:
            sync(folder)
    except BaseException:
        abandoned.set()
        for path in placed:  # they would stand there without the others
            path.unlink(missing_ok=True)
        raise
    finally:
        for written in temporary.values():
            with contextlib.suppress(OSError):
                written.unlink(missing_ok=True)
        TEMPORARY.difference_update(temporary.values())


def _write_synced(abandoned: Event, path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if abandoned.is_set():  # an interruption does not wait for every thread
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names in a folder; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync folders
            raise
    finally:
        os.close(descriptor)


def _make_synced(folder: Path) -> None:
    """Make a folder and those above it, each synced into the one that holds it."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync(made.parent)


def write_error(
    target: object, error: OSError, otherwise: type[NmflowganError] = NmflowganError, hint: str = ""
) -> NmflowganError:
    """The error for a failed write to `target`: DiskError for those of DISK_REMEDIES, else `otherwise` and `hint`."""
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    kind = DiskError if error.errno in DISK_REMEDIES else otherwise
    return kind(f"cannot write {target}: {reason}", DISK_REMEDIES.get(error.errno or 0, hint))


def write_whole(path: Path, content: bytes | memoryview, error: type[NmflowganError] | None = None) -> None:
    """Write a file whole or not at all, see `replacing`; raises OSError, or `error` in one line where it is given."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as reason:
        if error is None:
            raise
        raise write_error(path, reason, error) from None


def make_folder(folder: Path, hint: str = "choose another -o", error: type[NmflowganError] = NmflowganError) -> None:
    """Make an output folder and those above it; raises `error` if it cannot be made or written to."""
    doing = "make"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        doing = "write to"
        with TemporaryFile(dir=folder):  # tells a missing permission from a read-only or full disk, as access() cannot
            pass
    except OSError as reason:
        raise error(f"cannot {doing} the output folder {folder}: {reason.strerror}", hint) from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits; raises OSError. A file is read again only if it has changed."""
    state = path.stat()
    return _sha256(path.absolute(), state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, *_: int) -> str:
    return digest(path)


def digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits, from its bytes as they are now; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def difference(path: Path, size: object, sha256: object) -> str:
    """ "" where a file has the recorded size and SHA-256, else "missing" or "altered".

    `size`: None where it was not recorded. Without a recorded SHA-256 nothing vouches for the bytes: "altered".
    """
    if not path.is_file():
        return MISSING
    try:
        same = sha256 is not None and size in (None, path.stat().st_size) and digest(path) == sha256
    except OSError:
        return ALTERED
    return "" if same else ALTERED


def stem(relative_path: str, repeat: int | None = None, *, apart: bool = False) -> str:
    """A name for a file out of any path: ASCII letters, digits, "_" and "-", at most 140 characters.

    Folders are joined by "_", the suffix is dropped, and `repeat` becomes "_r0", "_r1" ... Where other characters had
    to be replaced, the path is absolute or climbs, the name is too long, or `apart`, eight digits of a hash keep it
    apart from others.
    """
    path = PurePosixPath(relative_path)
    joined = "_".join((*path.parent.parts, path.stem))
    plain = re.sub(r"[. ]", "_", joined)
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", plain)
    if apart or safe != plain or len(safe) > LONGEST_STEM or ".." in path.parts or not safe:
        hashed = relative_path.encode("utf-8", "surrogatepass")
        safe = f"{safe[:LONGEST_STEM]}_{hashlib.sha256(hashed).hexdigest()[:8]}"
    return safe if repeat is None else f"{safe}_r{repeat}"


def shared_stems(paths: Iterable[str]) -> set[str]:
    """The stems, in lower case, that several paths have: those of a/b.png and a_b.png."""
    counts = Counter(stem(path).lower() for path in paths)
    return {name for name, count in counts.items() if count > 1}
