"""The training loop: batches in, a trained learner out; it may stop at any step and go on later."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nmflowgan_cli.data.batches import Batch, BatchSource
from nmflowgan_cli.errors import TrainingError
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.interruption import asked, deferred
from nmflowgan_cli.journal import append
from nmflowgan_cli.training import distributed, state
from nmflowgan_cli.training.learner import Learner, Metrics
from nmflowgan_cli.training.monitor import Monitor, board
from nmflowgan_cli.training.recipe import Recipe

METRICS = "metrics.jsonl"
Progress = Callable[[int, Metrics], None]
"""Called after every step with its number, from 1, and its metrics."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where a training runs and for how long; nothing here changes what it computes."""

    run: Path
    device: torch.device
    resume: bool = False
    time_limit: float = math.inf
    """Seconds, after which it saves and stops."""
    checkpoint_every: int = 500
    log_every: int = 50
    validate_every: int = 500
    tensorboard: bool = False
    compile: str = ""
    """Backend of `torch.compile` for the learner's networks; none by default."""
    command: str = ""
    """What the user typed, for the card."""


@dataclass(frozen=True)
class TrainingOutcome:
    """How far a training came."""

    step: int
    finished: bool
    interrupted: bool
    weights: Path | None = None


def train(
    learner: Learner,
    recipe: Recipe,
    source: BatchSource,
    monitor: Monitor,
    options: RunOptions,
    *,
    settings: Mapping[str, object],
    seed: int,
    progress: Progress,
) -> TrainingOutcome:
    """Step `learner` through the recipe on batches of `source`, or as far as signals and the time limit allow.

    `settings`: what a resumed training must have in common with the one before, besides recipe and source.
    After a validation the state is saved before pictures and best weights, which a resumed training makes up for.
    Raises TrainingError where a loss is not a number, TrainingError or DiskError where something cannot be written;
    the last checkpoint stays.
    """
    rng, device = np.random.default_rng(seed), options.device
    parts = {**learner.parts, "monitor": monitor, **source.parts}
    settings = {**recipe.settings(), "seed": seed, **settings, **source.settings}
    step = state.restore(options.run, settings, parts, rng) if options.resume else 0
    deadline = time.monotonic() + options.time_limit
    leads, saved = distributed.leads(), -1
    if leads:  # also where a run before was cut off before it had saved anything
        _drop_later(options.run / METRICS, step)
        monitor.make_up(step)
    with deferred(), board(options.run, wanted=options.tensorboard and leads) as show:
        while step < recipe.steps and not distributed.any_of_them(asked() or time.monotonic() >= deadline):
            whole = source.batch(recipe.batch, rng)
            metrics = distributed.mean_metrics(learner.step(_to_device(distributed.part(whole), device), step))
            _refuse_nan(metrics, step, whole, options.run)
            step += 1
            scores = monitor(step) if leads else {}
            metrics |= scores
            progress(step, metrics)
            if leads and (step % options.log_every == 0 or step == recipe.steps or scores):
                show(step, metrics)
                append(options.run / METRICS, (json.dumps({"step": step, **metrics}) + "\n").encode())
            if leads and (step % options.checkpoint_every == 0 or scores):
                saved = state.save(options.run, step, settings, parts, rng)
                monitor.write()
        if leads and saved != step:
            state.save(options.run, step, settings, parts, rng)
        finished = step == recipe.steps
        interrupted = distributed.any_of_them(asked()) and not finished
    if finished:
        learner.finish(lambda: source.batch(recipe.batch, rng))
    return TrainingOutcome(step, finished, interrupted)


def _drop_later(log: Path, step: int) -> None:
    """Drop the lines of steps beyond `step`, which are taken again, and a line that was cut off."""
    if not log.is_file():
        return
    lines = [line for line in log.read_bytes().splitlines(keepends=True) if _step_of(line) <= step]
    write_whole(log, b"".join(lines), TrainingError)


def _step_of(line: bytes) -> float:
    """The step of a line of metrics; infinity where it has none."""
    try:
        return float(json.loads(line)["step"]) if line.endswith(b"\n") else math.inf
    except (ValueError, TypeError, KeyError, RecursionError):
        return math.inf


def _to_device(batch: Batch, device: torch.device) -> Batch:
    clean, noisy = (picture.to(device, memory_format=torch.channels_last) for picture in (batch.clean, batch.noisy))
    rounded = None if batch.rounded is None else batch.rounded.to(device)
    return Batch(clean, noisy, batch.conditions, batch.phase.to(device), rounded, batch.names)


def _refuse_nan(metrics: Metrics, step: int, batch: Batch, run: Path) -> None:
    wrong = [name for name, value in metrics.items() if not math.isfinite(value)]
    if wrong:
        conditions = ", ".join(sorted({str(condition) for condition in batch.conditions}))
        files = f" of {', '.join(sorted(set(batch.names)))}" if batch.names else ""
        raise TrainingError(
            f"{', '.join(wrong)} is not a number at step {step}; the batch held {conditions}{files}",
            f"a smaller --rate, like 0.3; the last good checkpoint is {run / state.FILE}",
        )
