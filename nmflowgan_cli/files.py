"""Files that appear whole or not at all."""

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
