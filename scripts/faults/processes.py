"""Processes of the tool, run to their end or killed at a moment."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
PATIENCE = 120
"""Seconds after which a process that was not killed counts as hanging, and is."""
COMMAND = [sys.executable, "-m", "nmflowgan_cli"]


def environment(**changes: str | None) -> dict[str, str]:
    """That of a process: a processor each, no network, and `changes`; None takes a variable out."""
    fixed = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "NMFLOWGAN_OFFLINE": "1"}
    merged: dict[str, str | None] = {**os.environ, **fixed, **changes}
    return {name: value for name, value in merged.items() if value is not None}


@dataclass(frozen=True)
class Shot:
    """A signal, its moment in seconds from the start, and perhaps another one soon after."""

    signal: int
    at: float
    second: int = 0
    """0: none."""
    after: float = 0.0
    """Seconds from the first to the second."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    code: int
    """As `subprocess` has it: negative for a signal."""
    stdout: str
    stderr: str
    seconds: float
    hit: bool = False
    """It was still running when it was shot."""


class Launcher:
    """Starts processes of the tool, cold or from a fork server of its own; for one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._server: subprocess.Popen[str] | None = None

    def run(self, arguments: Sequence[str], cwd: Path, shot: Shot | None = None, *, cold: bool = False) -> Ended:
        """Run the tool in `cwd`; `cold`: import everything, too."""
        out, err = self.folder / "stdout", self.folder / "stderr"
        begun = time.monotonic()
        code, hit = (self._cold if cold else self._warm)(arguments, cwd, shot, out, err)
        texts = [path.read_text(errors="replace") for path in (out, err)]
        return Ended(code, texts[0], texts[1], time.monotonic() - begun, hit)

    def _cold(self, arguments: Sequence[str], cwd: Path, shot: Shot | None, out: Path, err: Path) -> tuple[int, bool]:
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment(),
            )
        with shooting(process.pid, shot) as shooter:
            code = process.wait()
        return code, shooter.hit

    def _warm(self, arguments: Sequence[str], cwd: Path, shot: Shot | None, out: Path, err: Path) -> tuple[int, bool]:
        order = {"arguments": list(arguments), "cwd": str(cwd), "out": str(out), "err": str(err)}
        stdin, stdout = self._pipes()
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        pid = int(stdout.readline())
        with shooting(pid, shot) as shooter:
            code = int(stdout.readline())
        return code, shooter.hit

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "scripts.faults.warm"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment(),
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        return self._server.stdin, self._server.stdout

    def close(self) -> None:
        if self._server is not None:
            self._server.communicate()


def heed_interrupts() -> None:
    """Have processes that are started from here on heed SIGINT.

    A shell that runs this in the background has it ignored, and they would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


class shooting:  # noqa: N801 - a context manager
    """Sends the signals of a shot to a process; SIGABRT to one that outlasts all patience."""

    def __init__(self, pid: int, shot: Shot | None) -> None:
        self.pid, self.shot, self.hit = pid, shot, False
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._shoot)

    def __enter__(self) -> "shooting":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _shoot(self) -> None:
        if self.shot is not None and not self.over.wait(self.shot.at):
            self.hit = self._send(self.shot.signal)
            if self.shot.second and not self.over.wait(self.shot.after):
                self._send(self.shot.second)
        if not self.over.wait(PATIENCE):
            self._send(signal.SIGABRT)

    def _send(self, number: int) -> bool:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True
