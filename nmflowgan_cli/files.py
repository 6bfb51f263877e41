"""Files that appear whole or not at all."""

import contextlib
import errno
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmflowgan_cli.errors import DiskError, NmflowganError

DISK_REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room or raise the quota",
    errno.EROFS: "choose another place or make this one writable",
}
"""The errors after which no other file can be written either, and what the user can do about each."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to; it becomes `path` when the context ends well, else nothing is left of it.

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
