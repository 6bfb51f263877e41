"""What a long command shows while it works: results on stdout, the rest on stderr, a bar on a terminal only."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Reporter:
    """Prints results and notes, without disturbing the progress bar if there is one."""

    def __init__(self, progress: "Progress | None" = None, task: "TaskID | None" = None) -> None:
        self._progress = progress
        self._task = task

    def advanced(self, completed: float) -> None:
        """So many pictures are done; a fraction counts the present one."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=completed)

    def result(self, line: str) -> None:
        """A line on stdout. Paths that are not UTF-8 leave as the bytes that they are."""
        self._print(line, to_stderr=False)

    def note(self, line: str) -> None:
        """A line on stderr."""
        self._print(line, to_stderr=True)

    def _print(self, line: str, *, to_stderr: bool) -> None:
        stream = sys.stderr if to_stderr else sys.stdout
        if self._progress is not None and stream.isatty():
            shown = os.fsencode(line).decode(errors="replace")
            self._progress.console.print(shown, markup=False, highlight=False, soft_wrap=True)
        else:
            typer.echo(os.fsencode(line), err=to_stderr)


@contextmanager
def reporter(total: int, *, quiet: bool) -> Iterator[Reporter]:
    """A reporter of `total` pictures, with a bar (rate and time left) if stderr is a terminal outside of CI."""
    if quiet or not sys.stderr.isatty() or os.environ.get("CI"):
        yield Reporter()
        return
    progress = _bar()
    with progress:
        yield Reporter(progress, progress.add_task("synthesize", total=total))


def _bar() -> "Progress":
    from rich.console import Console
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
    return Progress(*columns, console=Console(stderr=True), redirect_stdout=False, redirect_stderr=False)
