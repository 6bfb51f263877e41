"""What tests do to the processes that they start."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest


@contextmanager
def interruptible() -> Iterator[None]:
    """Processes that are started inside the context can be interrupted.

    A shell that runs the tests in the background has them ignore SIGINT, and their children inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@cache
def _has_namespaces() -> bool:
    mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    try:
        return subprocess.run(mount, capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        return False


def nmflowgan(*arguments: object) -> str:
    """The command line, quoted for the scripts of `with_disk`."""
    return subprocess.list2cmdline([sys.executable, "-m", "nmflowgan_cli", *map(str, arguments)])


def with_disk(folder: Path, options: str, *script: str) -> subprocess.CompletedProcess[str]:
    """A shell script in `folder` that sees a file system in memory (`options` of its mount) at the folder "disk".

    The mount is the script's own and ends with it. Skips the test where such mounts are not allowed.
    """
    if not _has_namespaces():
        pytest.skip("needs mount namespaces")
    (folder / "disk").mkdir()
    lines: Sequence[str] = (f"mount -t tmpfs -o {options} tmpfs disk", *script)
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", "\n".join(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
