"""Interruption by SIGINT, SIGTERM or SIGHUP: the one way in which every command ends early, with exit code 130.

A command that prepares or measures has nothing to keep, and the first signal ends it at once. Where it writes a folder
(`deferred`) the signal sets a flag that its loops ask for, so that nothing is ever raised within C++ code. A second
signal ends it at once. Imports next to nothing: handlers stand before the rest of the package is imported.
"""

import os
import signal
import sys
import time
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # typing's, whose import takes longer than all others here
if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path
    from typing import NoReturn, TypeVar

    Result = TypeVar("Result")

EXIT_CODE = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME = 0.25
"""Seconds in which further signals belong to the first: timeout(1), torchrun and systemd send more than one."""
POLL = 0.1
"""Seconds after which a thread that waits for another asks for the flag."""
SHOW_CURSOR = "\x1b[?25h"
"""Progress bars hide it."""
TEMPORARY: "set[Path]" = set()
"""Files that a process which ends early removes: those that are being written, by any thread."""

_depth = 0
_first = 0.0


class Interrupted(KeyboardInterrupt):
    """An interruption that states what is kept, and how to go on."""


def install() -> None:
    """Answer the signals from now on, but for those that the parent process had ignored, as nohup does."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _answer)


def ignore() -> None:
    """Ignore the signals from now on: Python gives them back their deadly default while it shuts down."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred() -> "Iterator[None]":
    """Inside, the first signal sets the flag and nothing else. Contexts may be nested."""
    global _depth, _first  # noqa: PLW0603 - signals are the process's
    before = {number: signal.getsignal(number) for number in SIGNALS} if not _depth and _in_main_thread() else {}
    _depth += 1
    if before:
        install()
    try:
        yield
    finally:
        _depth -= 1
        _first = _first if _depth else 0.0
        for number, handler in before.items():
            signal.signal(number, handler)


def asked() -> bool:
    """Whether a signal has come inside of `deferred`."""
    return bool(_first)


def check() -> None:
    """Raise KeyboardInterrupt where a signal has come; may be called by any thread."""
    if _first:
        raise KeyboardInterrupt


def result(future: "Future[Result]") -> "Result":
    """The result of `future`; KeyboardInterrupt, within a moment of a signal, where it is not there yet."""
    while not future.done():
        with suppress(TimeoutError):
            future.exception(POLL)
        if not future.done():
            check()
    return future.result()


def leave(line: str = "") -> "NoReturn":
    """End the process without waiting for its threads; removes temporary files, and prints the line on stderr."""
    for path in list(TEMPORARY):
        with suppress(OSError):
            path.unlink(missing_ok=True)
    with suppress(OSError):  # the terminal may be gone
        cursor = f"{SHOW_CURSOR}\n" if line and os.isatty(2) else ""
        os.write(2, f"{cursor}{line}\n".encode() if line else b"")
    os._exit(EXIT_CODE)


def _answer(*_: object) -> None:
    global _first  # noqa: PLW0603
    if not _depth:
        leave("interrupted: no file is half written; repeat the command")
    now = time.monotonic()
    if not _first:
        _first = now
    elif now - _first > SAME:
        leave("interrupted twice: ended at once; --resume goes on")


def _in_main_thread() -> bool:
    threading = sys.modules.get("threading")
    return threading is None or threading.current_thread() is threading.main_thread()
