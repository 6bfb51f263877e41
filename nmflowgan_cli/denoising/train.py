"""Training of a denoiser: the same clean patches in the same order whatever the noise, which alone differs."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.denoising.lessons import open_lessons
from nmflowgan_cli.denoising.network import Network
from nmflowgan_cli.denoising.noise import REAL, PatchNoise
from nmflowgan_cli.denoising.recipe import DenoiserRecipe
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.files import make_folder
from nmflowgan_cli.models.registry import architecture, load_reference
from nmflowgan_cli.runtime import resolve_device
from nmflowgan_cli.training import distributed
from nmflowgan_cli.training.learner import Learner, Metrics, Stateful
from nmflowgan_cli.training.loop import Progress, TrainingOutcome, train
from nmflowgan_cli.training.monitor import Monitor
from nmflowgan_cli.training.run import ELSEWHERE, TrainingRequest, export, held, named, refuse_other_training

TRIAL_STEPS = 5


class DenoiserLearner(Learner):
    """A denoiser and its optimiser."""

    def __init__(self, recipe: DenoiserRecipe, model: Network, noise: PatchNoise, *, seed: int) -> None:
        """`noise`, `seed`: what the noisy patches are made with."""
        self.recipe, self.model, self.noise, self.seed = recipe, model, noise, seed
        self.optimiser = torch.optim.Adam(model.parameters(), lr=recipe.rate)

    @property
    def parts(self) -> dict[str, Stateful]:
        return {"model": self.model, "optimiser": self.optimiser}

    def step(self, batch: Batch, step: int) -> Metrics:
        """See Learner; the PSNR in dB before the step, denoised and as it came."""
        clean, noisy = self._pair(batch, step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate_at(step)
        loss = mse_loss(self.model(noisy), clean)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return {"psnr": _decibel(loss.item()), "psnr_noisy": _decibel(mse_loss(noisy, clean).item())}

    @torch.no_grad()
    def finish(self, batch: Callable[[], Batch]) -> None:
        """Let the batch norms settle on the mean statistics of further batches."""
        cast(Network, self.model).start_average_statistics()
        for extra in range(self.recipe.settling):
            self.model(self._pair(batch(), self.recipe.steps + extra)[1])

    def _pair(self, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
        return self.noise.noisy(batch, next(self.model.parameters()).device, seed=self.seed, step=step)


def run_denoiser(request: TrainingRequest, *, progress: Progress) -> TrainingOutcome:
    """Train a denoiser.

    Raises UsageError, PictureError or WeightsError for what it cannot learn from, TrainingError where the folder holds
    another training, or nothing can be saved.
    """
    recipe, name = request.recipe, request.architecture
    assert isinstance(recipe, DenoiserRecipe)
    if distributed.launched() > 1:
        raise UsageError(f"--arch {name} learns in one process", "start it without torchrun")
    device = resolve_device(request.device)
    refuse_other_training(request.run, resume=request.resume)
    lessons = open_lessons(request, recipe.patch, device)
    facts = {**recipe.settings(), "seed": request.seed, "noise": lessons.taught, "noise_sha256": lessons.noise.sha256}
    header = Header(
        architecture=name,
        options={},
        vocabulary=named(lessons.source.vocabulary(recipe.steps * recipe.batch), request.camera_name),
        name=request.name,
        data=lessons.data,
        terms=request.terms,
        training=facts,
    )
    make_folder(request.run, ELSEWHERE, TrainingError)
    learner = fresh_learner(recipe, name, lessons.noise, device, seed=request.seed)
    monitor = Monitor(learner, header, request.run, steps=recipe.steps)
    with held(request.run):
        outcome = train(
            learner,
            recipe,
            lessons.source,
            monitor,
            request.options(device),
            settings=facts,
            seed=request.seed,
            progress=progress,
        )
        if not outcome.finished:
            return outcome
        title = f"{architecture(name).title} that learned from {lessons.described}"
        weights = export(learner, recipe, monitor, title, command=request.command, seed=request.seed)
        return replace(outcome, weights=weights)


def fresh_learner(
    recipe: DenoiserRecipe, name: str, noise: PatchNoise, device: torch.device, *, seed: int
) -> DenoiserLearner:
    """A fresh denoiser of an architecture on a device; of one seed all begin alike."""
    torch.manual_seed(seed)
    model = load_reference(architecture(name).model)().to(device, memory_format=torch.channels_last)
    return DenoiserLearner(recipe, model, noise, seed=seed)


def steps_within(seconds: float, recipe: DenoiserRecipe, name: str, device: torch.device) -> int:
    """About how many steps of a denoiser take `seconds` here, by the median of a few; at least 1."""
    learner, times = fresh_learner(recipe, name, PatchNoise(REAL, None, ""), device, seed=0), []
    patches = torch.full((recipe.batch, 3, recipe.patch, recipe.patch), 128.0, device=device)
    patches = patches.contiguous(memory_format=torch.channels_last)
    batch = Batch(patches, patches, [], torch.zeros(recipe.batch, dtype=torch.long))
    for step in range(1 + TRIAL_STEPS):
        began = time.monotonic()
        learner.step(batch, step)
        times.append(time.monotonic() - began)
    return max(1, int(seconds / median(times[1:])))


def _decibel(error: float) -> float:
    """The PSNR of a mean squared error in counts; 100 where there is next to none."""
    return 10 * math.log10(255**2 / max(error, 255**2 / 1e10)) if math.isfinite(error) else math.nan
