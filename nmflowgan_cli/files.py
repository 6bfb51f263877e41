"""Files and folders: hashes, writing whole or not at all, output folders."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from nmflowgan_cli.errors import NmflowganError


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


def write_whole(path: Path, content: bytes | memoryview, error: type[NmflowganError] | None = None) -> None:
    """Write a file whole or not at all, see `replacing`; raises OSError, or `error` in one line where it is given."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as reason:
        if error is None:
            raise
        raise error(f"cannot write {path}: {reason.strerror or reason}") from None


def make_folder(folder: Path, hint: str = "choose another -o", error: type[NmflowganError] = NmflowganError) -> None:
    """Make an output folder and those above it; raises `error` if it cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise error(f"cannot make the output folder {folder}: {reason.strerror}", hint) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise error(f"cannot write to the output folder {folder}: Permission denied", hint)


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits; raises OSError. A file is read again only if it has changed."""
    state = path.stat()
    return _sha256(path.absolute(), state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
