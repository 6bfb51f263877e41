"""The training loop: batches in, a weights file out; may stop at any step and go on later."""

import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch

from nmflowgan_cli.checkpoints.format import Header, save_weights
from nmflowgan_cli.data.batches import Batch, BatchSource
from nmflowgan_cli.errors import TrainingError
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.training import card as cards
from nmflowgan_cli.training import distributed, state
from nmflowgan_cli.training.extension import Start
from nmflowgan_cli.training.monitor import Watch, averaged, board
from nmflowgan_cli.training.nmflowgan.learners import Trainee, trainee
from nmflowgan_cli.training.nmflowgan.recipe import Recipe
from nmflowgan_cli.training.nmflowgan.recipe import settings as settings_of
from nmflowgan_cli.training.nmflowgan.steps import AdversarialStep, LikelihoodStep, Metrics
from nmflowgan_cli.training.validation import Validation

WEIGHTS = "model.safetensors"
METRICS = "metrics.jsonl"
Progress = Callable[[int, Metrics], None]


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
    """Backend of `torch.compile` for flow and spatial network; none by default."""
    command: str = ""
    """What the user typed, for the card."""


@dataclass(frozen=True)
class TrainingOutcome:
    """How far a training came."""

    step: int
    finished: bool
    interrupted: bool
    weights: Path | None


class Interruption:
    """Set by SIGINT or SIGTERM; the loop finishes its step and saves."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.asked = True


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """SIGINT and SIGTERM set the flag inside the context; a second SIGINT is obeyed at once."""
    interruption = Interruption()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interruption) for number in signals]
    try:
        yield interruption
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def train(
    recipe: Recipe,
    source: BatchSource,
    header: Header,
    options: RunOptions,
    *,
    seed: int,
    progress: Progress,
    start: Start | None = None,
    validation: Validation | None = None,
) -> TrainingOutcome:
    """Train by `recipe` on batches of `source`; `header` describes the weights file that is written at the end.

    `start`: what to go on from instead of a fresh model. `validation`: what the model is judged by now and then.

    Raises TrainingError where a loss is not a number (the last checkpoint stays), or nothing can be saved.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    learner = _learner(recipe, header, options, start)
    flow_step, spatial_step = LikelihoodStep(learner, recipe), AdversarialStep(learner, recipe)
    watch = Watch(learner, spatial_step, recipe, header, validation, options.run, every=options.validate_every)
    parts = {
        "model": learner.model,
        "critic": learner.critic,
        "flow": flow_step,
        "spatial": spatial_step,
        "watch": watch,
        **source.parts,
    }
    settings = {**settings_of(recipe), "seed": seed, "init": start.sha256 if start else "", **source.settings}
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
            batch = learner.complete(_to_device(distributed.part(whole), options.device))
            metrics: Metrics = {}
            learner.flow.train(mode=step < recipe.flow_until)
            # The game first: in joint training it leaves a gradient to the step of the flow.
            if step >= recipe.spatial_from:
                metrics |= spatial_step(batch, step)
            if step < recipe.flow_until:
                metrics |= flow_step(batch, step)
            metrics = distributed.mean_metrics(metrics)
            _refuse_nan(metrics, step, whole, options.run)
            step += 1
            scores = watch(step) if distributed.leads() else {}
            metrics |= scores
            progress(step, metrics)
            if step % options.log_every == 0 or scores:
                show(step, metrics)
                print(json.dumps({"step": step, **metrics}), file=log, flush=True)
            if step % options.checkpoint_every == 0 and distributed.leads():
                state.save(options.run, step, settings, parts, rng)
        if distributed.leads():
            state.save(options.run, step, settings, parts, rng)

    finished = step == recipe.steps
    writes = finished and distributed.leads()
    weights = export(watch, options, seed=seed) if writes else None
    return TrainingOutcome(step, finished, distributed.any_of_them(interruption.asked), weights)


def _learner(recipe: Recipe, header: Header, options: RunOptions, start: Start | None) -> Trainee:
    """The model and its critic, on their device and ready for the first step."""
    learner = trainee(recipe, header.vocabulary, header.options)
    if start is not None:
        learner.model.load_state_dict(start.state)
    for module in (learner.model, learner.critic):
        # Channels last: three times as fast as the default for networks of so few channels.
        module.to(options.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    distributed.share_batch_norms(learner.model)
    if options.compile:
        # Not the critic: its penalty takes gradients of gradients, which compiled networks do not give.
        for module in (learner.flow, learner.spatial):
            module.compile(backend=options.compile)
    return learner


def export(watch: Watch, options: RunOptions, *, seed: int) -> Path:
    """Write the model, with the averaged spatial network where there is one, as a weights file; and its card."""
    header, path = watch.described(watch.last), options.run / WEIGHTS
    with averaged(watch.learner, watch.game):
        save_weights(path, watch.learner.model.state_dict(), header)
    text = cards.card(header, watch.recipe, command=options.command, seed=seed, seconds=watch.seconds, best=watch.best)
    write_whole(options.run / cards.FILE, text.encode(), TrainingError)
    return path


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
            f"the last good checkpoint is {run / state.FILE}",
        )
