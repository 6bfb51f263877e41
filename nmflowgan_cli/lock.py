"""Lock of an output folder: one run writes there at a time, or the shards of one job.

A lock file names its holder, and lists the outputs that the run means to make and that did not exist before. It is
removed when the run ends well, and stays where it does not: so a later run tells a file that this one was about to
record from a file of the user's. Whether a holder is alive is known by flock(2), which ends with its process.
"""

import fcntl
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from nmflowgan_cli.errors import NmflowganError
from nmflowgan_cli.files import write_error
from nmflowgan_cli.schemas import parsed

PREFIX, SUFFIX = ".nmflowgan", ".lock"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a folder, and what it makes there."""

    pid: int
    host: str
    started: float
    """Seconds since 1970."""
    command: str
    job: str = ""
    """Identity of what all shards of a job make together; "" for a run that shares its folder with no other."""
    ended: bool = False
    """The run has ended, but not well."""
    planned: list[str] = field(default_factory=list)
    """Outputs relative to the folder that did not exist when the run, or one before it that was cut off, began."""

    def __str__(self) -> str:
        age = max(0, int(time.time() - self.started))
        text = f"{age // 60} minutes" if age >= 120 else f"{age} seconds"
        return f"process {self.pid} on {self.host}, begun {text} ago: {self.command}"


@contextmanager
def locked(
    folder: Path,
    *,
    job: str = "",
    shard: str | None = None,
    planned: Collection[str] = (),
    check: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold `folder`, which exists, inside the context; see the module.

    `job` and `shard` "K/N": of a run that shares the folder with the other shards of its job. `planned`: outputs
    relative to the folder; those that exist already are not taken for the run's own. `check` is called when no other
    run holds the folder and before anything is written; what it raises ends the run without a trace.
    Raises NmflowganError naming the holder where another run holds it, or where the lock cannot be written.
    """
    path = folder / f"{PREFIX}{'.' + shard.replace('/', '-') if shard else ''}{SUFFIX}"
    holder = Holder(
        pid=os.getpid(),
        host=socket.gethostname(),
        started=time.time(),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:500],
        job=job,
        planned=list(planned),
    )
    try:
        descriptor, holder = _taken(folder, path, holder, check)
    except OSError as error:
        raise write_error(path, error) from None
    try:
        yield
    except BaseException:
        with suppress(OSError), _guarded(folder):
            os.close(_put(path, replace(holder, ended=True)))
        raise
    else:
        _give_back(folder, path, replace(holder, planned=sorted(set(holder.planned) - set(planned)), ended=True))
    finally:
        os.close(descriptor)


def unfinished(folder: Path) -> set[str]:
    """The outputs, relative to `folder`, that runs which hold it or were cut off there mean or meant to make."""
    return {name for path in _lock_files(folder) for name in (_holder(path) or _NOBODY).planned}


def holders(folder: Path) -> list[Holder]:
    """The runs that hold `folder` now."""
    found = [(path, _holder(path)) for path in _lock_files(folder)]
    return [holder for path, holder in found if holder is not None and _is_alive(path, holder)]


def cut_off(folder: Path) -> list[Path]:
    """The lock files of runs that were cut off, and planned outputs that are perhaps not all made."""
    return [path for path in _lock_files(folder) if (found := _holder(path)) is not None and found.planned]


def is_lock(path: Path) -> bool:
    """Whether a path is a lock file by its name."""
    return path.name.startswith(PREFIX) and path.name.endswith(SUFFIX)


_NOBODY = Holder(pid=0, host="", started=0, command="", ended=True)


def _taken(folder: Path, path: Path, holder: Holder, check: Callable[[], None]) -> tuple[int, Holder]:
    """The descriptor of the run's own lock file, and the holder in it, which takes over the plans of runs cut off."""
    with _guarded(folder):
        gone = [other for other in _lock_files(folder) if not _shared(folder, path, holder, other)]
        check()
        new = {name for name in holder.planned if not os.path.lexists(folder / name)}
        taken_over = {name for other in gone for name in (_holder(other) or _NOBODY).planned}
        holder = replace(holder, planned=sorted(new | taken_over))
        descriptor = _put(path, holder)
        for other in gone:
            if other != path:
                other.unlink(missing_ok=True)
        return descriptor, holder


def _shared(folder: Path, path: Path, holder: Holder, other: Path) -> bool:
    """Whether `other` is the lock file of a living shard of the same job; NmflowganError if of any other living run."""
    found = _holder(other)
    if found is None or not _is_alive(other, found):
        return False
    if other == path or not holder.job or holder.job != found.job:
        raise NmflowganError(f"{folder} is in use by {found}", _way_out(found, other))
    return True


def _way_out(holder: Holder, path: Path) -> str:
    if holder.host == socket.gethostname():
        return "wait until it ends, or choose another output folder"
    return f"wait until it ends; if that host runs it no more, remove {path}"


@contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """Only one process at a time looks for locks and takes one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*{SUFFIX}"))


def _holder(path: Path) -> Holder | None:
    """The holder that a lock file names; None where it names none, as after a power cut."""
    try:
        return parsed(path.read_bytes(), Holder)
    except (OSError, ValueError):
        return None


def _is_alive(path: Path, holder: Holder) -> bool:
    """Whether the holder's run goes on; of another host that is believed unless the run has said that it ended."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return not holder.ended and holder.host != socket.gethostname()


def _give_back(folder: Path, path: Path, holder: Holder) -> None:
    """Remove a lock file; it stays while runs that were cut off planned what this run did not mean to make."""
    if not holder.planned:
        path.unlink(missing_ok=True)
        return
    with suppress(OSError), _guarded(folder):
        os.close(_put(path, holder))


def _put(path: Path, holder: Holder) -> int:
    """Have the lock file name `holder`, who holds it by the descriptor that is returned.

    The file is replaced as a whole: were it written anew in place, a process killed meanwhile would lose all plans.
    One that is killed before leaves another lock file with them.
    """
    new = path.with_name(f"{path.name.removesuffix(SUFFIX)}.new{SUFFIX}")
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(json.dumps(asdict(holder)).encode())
        os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        os.close(descriptor)
        new.unlink(missing_ok=True)
        raise
    return descriptor
