"""Notices: what a user has to know and did not ask for, once a process, by the package's logger.

They reach stderr unless the program's logging says otherwise; `-q` hushes them.
"""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

from nmflowgan_cli.text import one_line, say

LOGGER = logging.getLogger("nmflowgan_cli")
_current = threading.local()
"""`item`: what the thread is reading."""


@cache
def notice(text: str) -> None:
    """Log a line, the first time that it comes up."""
    LOGGER.warning("%s", one_line(text))


@contextmanager
def reading(item: object) -> Iterator[None]:
    """Warnings of libraries in this thread are about `item` within the context."""
    before = getattr(_current, "item", None)
    _current.item = item
    try:
        yield
    finally:
        _current.item = before


@contextmanager
def warnings_logged() -> Iterator[None]:
    """Within the context, in all threads, warnings of libraries are logged, never printed.

    As notices where they are about a picture that is being read, by its name; all others are of no use to a user, and
    go to the log at the level INFO.
    """
    with warnings.catch_warnings():  # settings of the process: entered before there are threads
        warnings.showwarning = _log
        warnings.filterwarnings("always", module=r"PIL\.")  # each picture has its own
        yield


def _log(message: Warning | str, category: type[Warning], *_: object) -> None:
    item = getattr(_current, "item", None)
    if item is not None:
        notice(f"note: {item}: {message}")
    else:
        LOGGER.info("%s: %s", category.__name__, one_line(str(message)))


class _Stderr(logging.Handler):
    """Prints the message alone on stderr, as it is at that time; what stderr does not take is lost."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):
            say(record.getMessage())


@contextmanager
def logs_printed() -> Iterator[None]:
    """Within the context, the package's log goes to stderr, a line each, and the logs of libraries go nowhere."""
    own, others, root = _Stderr(logging.WARNING), logging.NullHandler(), logging.getLogger()
    LOGGER.addHandler(own)
    root.addHandler(others)
    try:
        yield
    finally:
        LOGGER.removeHandler(own)
        root.removeHandler(others)
