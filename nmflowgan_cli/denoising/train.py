"""Trains a DnCNN: the same clean patches in the same order whatever the noise, so that only the noise differs."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from nmflowgan_cli.checkpoints.format import Header, save_weights
from nmflowgan_cli.data.patches import PairSource
from nmflowgan_cli.denoising.dncnn import DnCNN
from nmflowgan_cli.denoising.noise import REAL, PatchNoise, open_noise
from nmflowgan_cli.denoising.recipe import DenoiserRecipe
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.models.nmflowgan.jpeg_blocks import BLOCK
from nmflowgan_cli.runtime import resolve_device
from nmflowgan_cli.training import card, state
from nmflowgan_cli.training.loop import METRICS, WEIGHTS, Progress, TrainingOutcome, interruptible
from nmflowgan_cli.training.nmflowgan.steps import Metrics
from nmflowgan_cli.training.requests import DenoiserRequest
from nmflowgan_cli.training.run import make_folder, named, refuse_other_training
from nmflowgan_cli.training.sources import pairs_line, read_splits

LOG_EVERY = 50
CHECKPOINT_EVERY = 500
TRIAL_STEPS = 5


class Student:
    """A DnCNN and its optimiser."""

    def __init__(self, recipe: DenoiserRecipe, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.model = DnCNN().to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=recipe.rate)

    def learn(self, clean: Tensor, noisy: Tensor, step: int) -> Metrics:
        """One step on patches (N, 3, P, P), float32 counts; the PSNR in dB before the step, denoised and as it came."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate_at(step)
        loss = mse_loss(self.model(noisy), clean)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return {"psnr": _decibel(loss.item()), "psnr_noisy": _decibel(mse_loss(noisy, clean).item())}

    @contextmanager
    def settled(self) -> Iterator[DnCNN]:
        """The model, whose batch norms take in what it is given."""
        self.model.start_average_statistics()
        with torch.no_grad():
            yield self.model
        self.model.eval()


@dataclass
class _Clock:
    """How long a training has run, in all of its parts."""

    before: float
    began: float

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.began

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.before = state["seconds"]


def run_denoiser(request: DenoiserRequest, *, progress: Progress) -> TrainingOutcome:
    """Train a denoiser as asked.

    Raises UsageError, PictureError or WeightsError for what it cannot learn from, TrainingError where the folder holds
    another training, or nothing can be saved.
    """
    if request.data.pairs is None:
        raise UsageError(
            "--model dncnn learns from pairs", "give DATA; --noise makes other noise for its clean pictures"
        )
    device, recipe = resolve_device(request.device), request.recipe
    pairs = read_splits(request.data)["train"]
    source = PairSource(pairs, recipe.patch, balance=request.data.balance, step=BLOCK)
    refuse_other_training(request.run, resume=request.resume)
    noise = open_noise(request.noise, pairs, device, cache_dir=request.cache_dir)
    header = Header(
        architecture="dncnn",
        options={},
        vocabulary=named(source.vocabulary(recipe.steps * recipe.batch), request.camera_name),
        name=request.name,
        data=(pairs_line(request.data, pairs),),
        terms=request.terms,
        training={**recipe.settings(), "seed": request.seed, "noise": noise.name, "noise_sha256": noise.sha256},
    )
    make_folder(request.run)
    torch.manual_seed(request.seed)  # all denoisers begin alike
    return _train(request, source, noise, header, Student(recipe, device), progress=progress)


def _train(
    request: DenoiserRequest,
    source: PairSource,
    noise: PatchNoise,
    header: Header,
    student: Student,
    *,
    progress: Progress,
) -> TrainingOutcome:
    """The loop: batches in, a weights file out; may stop at any step and go on later."""
    recipe, run, seed = request.recipe, request.run, request.seed
    clock, rng = _Clock(0.0, time.monotonic()), np.random.default_rng(seed)
    parts = {"model": student.model, "optimiser": student.optimiser, "clock": clock, **source.parts}
    settings = {**header.training, **source.settings}
    step = state.restore(run, settings, parts, rng) if request.resume else 0
    deadline = time.monotonic() + request.time_limit

    def patches(step: int) -> tuple[Tensor, Tensor]:
        return noise.noisy(source.batch(recipe.batch, rng), student.device, seed=seed, step=step)

    with interruptible() as interruption, (run / METRICS).open("a", encoding="utf-8") as log:
        while step < recipe.steps and not interruption.asked and time.monotonic() < deadline:
            metrics = student.learn(*patches(step), step)
            _refuse_nan(metrics, step)
            step += 1
            progress(step, metrics)
            if step % LOG_EVERY == 0 or step == recipe.steps:
                print(json.dumps({"step": step, **metrics}), file=log, flush=True)
            if step % CHECKPOINT_EVERY == 0:
                state.save(run, step, settings, parts, rng)
        state.save(run, step, settings, parts, rng)

    finished = step == recipe.steps
    if finished:
        with student.settled() as model:
            for extra in range(recipe.settling):
                model(patches(recipe.steps + extra)[1])
        save_weights(run / WEIGHTS, student.model.state_dict(), header)
        write_whole(run / card.FILE, _card(header, request, clock.seconds).encode(), TrainingError)
    return TrainingOutcome(step, finished, interruption.asked, run / WEIGHTS if finished else None)


def steps_within(seconds: float, recipe: DenoiserRecipe, device: torch.device) -> int:
    """About how many steps of `recipe` take `seconds` here, by the median of a few; at least 1."""
    student, times = Student(recipe, device), []
    patches = torch.full((recipe.batch, 3, recipe.patch, recipe.patch), 128.0, device=device)
    patches = patches.contiguous(memory_format=torch.channels_last)
    for step in range(1 + TRIAL_STEPS):
        began = time.monotonic()
        student.learn(patches, patches, step)
        times.append(time.monotonic() - began)
    return max(1, int(seconds / median(times[1:])))


def _decibel(error: float) -> float:
    """The PSNR of a mean squared error in counts; 100 where there is next to none."""
    return 10 * math.log10(255**2 / max(error, 255**2 / 1e10)) if math.isfinite(error) else math.nan


def _refuse_nan(metrics: Metrics, step: int) -> None:
    if not math.isfinite(metrics["psnr"]):
        raise TrainingError(f"the loss is not a number at step {step}", "a smaller --rate, like 0.3")


def _card(header: Header, request: DenoiserRequest, seconds: float) -> str:
    noise = "real noise" if request.noise == REAL else f"noise of {request.noise}"
    facts = {
        "Command": card.code(request.command),
        "Seed": str(request.seed),
        "Time": f"{seconds / 60:.1f} minutes, {request.recipe.steps} steps of {request.recipe.batch} patches",
    }
    recipe = request.recipe.to_toml()
    return card.draft(header, f"A denoiser (DnCNN) that learned from {noise}", facts, recipe=recipe)
