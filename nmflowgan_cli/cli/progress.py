"""Output of a long command: results on stdout, the rest on stderr, a bar on a terminal only."""

import os
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import typer

from nmflowgan_cli.errors import DiskError, NmflowganError
from nmflowgan_cli.interruption import Interrupted
from nmflowgan_cli.text import console, one_line, shown

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def error_line(error: NmflowganError) -> str:
    """The error as one line, even where it quotes a name with a newline."""
    return one_line(f"error: {error}")


@contextmanager
def counted(done: Callable[[], str], resume: str) -> Iterator[None]:
    """A DiskError or an interruption inside the context also states what is `done`, and how to go on with it.

    `resume`: the option that goes on, or more words.
    """
    try:
        yield
    except DiskError as error:
        remedy = error.hint or "mend that"
        raise DiskError(error.message, f"{done()}; {remedy}, then go on with {resume}") from None
    except KeyboardInterrupt:
        raise Interrupted(f"{done()}; go on with {resume}") from None


class Reporter:
    """Prints results and notes, without disturbing the progress bar if there is one.

    `results`: whether results are printed at all. `null`: whether NUL ends each of them, not a newline.
    """

    def __init__(
        self,
        progress: "Progress | None" = None,
        task: "TaskID | None" = None,
        *,
        results: bool = True,
        null: bool = False,
    ) -> None:
        self._progress = progress
        self._task = task
        self._results = results
        self._end = "\0" if null else "\n"
        self._lock = Lock()
        self._finished = 0
        self._shares: dict[Hashable, float] = {}

    def advance(self, item: Hashable, share: float) -> None:
        """Show the share of `item` that is done, in [0, 1]; may be called from any thread."""
        self._show({item: share}, finished=0)

    def finish(self, item: Hashable) -> None:
        """Show that `item` is done."""
        self._show({item: 0.0}, finished=1)

    def _show(self, shares: dict[Hashable, float], *, finished: int) -> None:
        if self._progress is None or self._task is None:
            return
        with self._lock:
            self._finished += finished
            self._shares |= shares
            self._shares = {item: share for item, share in self._shares.items() if share}
            self._progress.update(self._task, completed=self._finished + sum(self._shares.values()))

    def result(self, line: str) -> None:
        """Print a line on stdout: as it is for programs, also with bytes that are not UTF-8; `shown` on a terminal."""
        if self._results:
            self._print((shown(line) if sys.stdout.isatty() else line) + self._end, to_stderr=False)

    def error(self, error: NmflowganError) -> None:
        """Print the error as one line on stderr."""
        self._print(error_line(error) + "\n", to_stderr=True)

    def note(self, line: str) -> None:
        """Print a line on stderr."""
        self._print(one_line(f"note: {line}") + "\n", to_stderr=True)

    def _print(self, text: str, *, to_stderr: bool) -> None:
        stream = sys.stderr if to_stderr else sys.stdout
        if self._progress is not None and stream.isatty():
            self._progress.console.print(text, end="", soft_wrap=True)
        else:
            typer.echo(os.fsencode(text), nl=False, err=to_stderr)


@contextmanager
def reporter(total: int, *, quiet: bool, results: bool = True, null: bool = False) -> Iterator[Reporter]:
    """A reporter of `total` pictures, with a bar (rate and time left) if stderr is a terminal outside of CI."""
    if quiet or not (sys.stderr and sys.stderr.isatty()) or os.environ.get("CI"):
        yield Reporter(results=results, null=null)
        return
    progress = _bar()
    with progress:
        yield Reporter(progress, progress.add_task("synthesize", total=total), results=results, null=null)


def _bar() -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Pictures a second, or seconds a picture where they take long."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("-- pictures/s")
            return Text(f"{speed:.1f} pictures/s" if speed >= 1 else f"{1 / speed:.1f} s/picture")

    columns = (BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    return Progress(*columns, console=console(stderr=True), redirect_stdout=False, redirect_stderr=False)
