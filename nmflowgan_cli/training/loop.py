"""The training loop: batches in, a trained learner out; it may stop at any step and go on later."""

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch

from nmflowgan_cli.data.batches import Batch, BatchSource
from nmflowgan_cli.errors import TrainingError
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


class Interruption:
    """Set by SIGINT or SIGTERM; the loop finishes its step and saves."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.asked = True


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """SIGINT and SIGTERM set the flag inside the context."""
    interruption = Interruption()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interruption) for number in signals]
    try:
        yield interruption
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


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
    Raises TrainingError where a loss is not a number (the last checkpoint stays), or nothing can be saved.
    """
    rng, device = np.random.default_rng(seed), options.device
    parts = {**learner.parts, "monitor": monitor, **source.parts}
    settings = {**recipe.settings(), "seed": seed, **settings, **source.settings}
    step = state.restore(options.run, settings, parts, rng) if options.resume else 0
    deadline = time.monotonic() + options.time_limit
    log_path = options.run / METRICS if distributed.leads() else Path(os.devnull)
    with (
        interruptible() as interruption,
        log_path.open("a", encoding="utf-8") as log,
        board(options.run, wanted=options.tensorboard and distributed.leads()) as show,
    ):
        while step < recipe.steps and not distributed.any_of_them(interruption.asked or time.monotonic() >= deadline):
            whole = source.batch(recipe.batch, rng)
            metrics = distributed.mean_metrics(learner.step(_to_device(distributed.part(whole), device), step))
            _refuse_nan(metrics, step, whole, options.run)
            step += 1
            scores = monitor(step) if distributed.leads() else {}
            metrics |= scores
            progress(step, metrics)
            if step % options.log_every == 0 or step == recipe.steps or scores:
                show(step, metrics)
                print(json.dumps({"step": step, **metrics}), file=log, flush=True)
            if step % options.checkpoint_every == 0 and distributed.leads():
                state.save(options.run, step, settings, parts, rng)
        if distributed.leads():
            state.save(options.run, step, settings, parts, rng)
    finished = step == recipe.steps
    if finished:
        learner.finish(lambda: source.batch(recipe.batch, rng))
    return TrainingOutcome(step, finished, distributed.any_of_them(interruption.asked))


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
