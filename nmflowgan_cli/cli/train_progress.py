"""What `nmflowgan train` shows on stderr: a bar on a terminal, else a line now and then."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from nmflowgan_cli.text import console, say

SECONDS_BETWEEN_LINES = 30.0
SHOWN = ("nll", "std_z", "critic", "generator", "moments", "val_kld", "psnr")

Show = Callable[[int, Mapping[str, float]], None]


def _summary(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {metrics[name]:.3f}" for name in SHOWN if name in metrics)


@contextmanager
def training_progress(steps: int, *, quiet: bool) -> Iterator[Show]:
    """A function that is told every step and its metrics."""
    if quiet:
        yield lambda _step, _metrics: None
    elif sys.stderr.isatty() and not os.environ.get("CI"):
        with _bar(steps) as show:
            yield show
    else:
        yield _lines(steps)


def _lines(steps: int) -> Show:
    began = last_line = time.monotonic()
    first_step: int | None = None

    def show(step: int, metrics: Mapping[str, float]) -> None:
        nonlocal last_line, first_step
        first_step = step - 1 if first_step is None else first_step
        now = time.monotonic()
        if now - last_line >= SECONDS_BETWEEN_LINES or step == steps:
            rate = (step - first_step) / max(now - began, 1e-9)
            left = (steps - step) / rate / 60
            say(f"step {step}/{steps}  {rate:.1f} steps/s  {left:.0f} min left  {_summary(metrics)}")
            last_line = now

    return show


@contextmanager
def _bar(steps: int) -> Iterator[Show]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.fields[summary]}"))
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task("train", total=steps, summary="")
        yield lambda step, metrics: progress.update(task, completed=step, summary=_summary(metrics))
