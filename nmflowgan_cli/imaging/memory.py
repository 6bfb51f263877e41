"""Memory that pictures may take: what the machine has left, and how much of it those under way share."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from threading import Condition

SHARE = 0.75
"""Of the memory that is available when a run begins, for the pictures that are under way together."""
_CGROUPS = Path("/sys/fs/cgroup")


def available() -> int | float:
    """Bytes that this process may still take; infinite where the system does not say.

    The least of the machine's free memory, the limits of its control groups, and that of its address space.
    """
    return min((*_of_machine(), *_of_groups(), *_of_address_space()), default=math.inf)


def _of_machine() -> Iterator[int]:
    with suppress(OSError, KeyError, ValueError):
        yield _fields(Path("/proc/meminfo"))["MemAvailable:"] * 1024


def _of_address_space() -> Iterator[int]:
    with suppress(ImportError, OSError, KeyError, ValueError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            yield limit - _fields(Path("/proc/self/status"))["VmSize:"] * 1024


def _of_groups() -> Iterator[int]:
    """What is left in the control groups of this process and in those above them, of either version."""
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, place = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        inside = PurePosixPath(place.lstrip("/"))
        for folder in (root / inside, *(root / parent for parent in inside.parents)):
            with suppress(OSError, KeyError, ValueError):  # "max" is no number: no limit
                limit, used = (int((folder / name).read_text()) for name in names)
                cached = _fields(folder / "memory.stat").get("inactive_file", 0)  # which the system gives back
                yield limit - used + cached


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file of names and numbers, a line each."""
    rows = (line.split() for line in _lines(path))
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


class Room:
    """Room in memory for the pictures that several threads work on: who finds too little of it waits for the others.

    `total`: bytes; by default SHARE of what is available. A picture larger than that has to be alone.
    """

    def __init__(self, total: float | None = None) -> None:
        self.total = SHARE * available() if total is None else total
        self._taken = 0
        self._changed = Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Hold `size` bytes within the context, once there is room for them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + size <= self.total)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


def spoken(size: float) -> str:
    """A number of bytes in words, like "1.2 GiB"."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 / 10 else f"{max(size, 0) / 2**20:.0f} MiB"
