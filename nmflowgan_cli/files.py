"""Files and folders: hashes, writing whole or not at all, output folders."""

import contextlib
import errno
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile

from nmflowgan_cli.errors import DiskError, NmflowganError

DISK_REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room or raise the quota",
    errno.EROFS: "choose another place or make this one writable",
}
"""The errors after which no other file can be written either, and what the user can do about each."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to `path` when the context ends well, and else removed.

    Makes the folder. Raises OSError where that, or the replacement, is impossible.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Names have 255 bytes at most; what makes this one unique must fit, too.
    temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(6)}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
