"""Tables III and IV in one go: the bound and a denoiser for every noise model, trained alike and judged alike."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from nmflowgan_cli.checkpoints.format import read_header
from nmflowgan_cli.data.origin import refuse_unreal
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.denoising.noise import REAL, find_noise
from nmflowgan_cli.denoising.recipe import DenoiserRecipe, lite
from nmflowgan_cli.denoising.train import run_denoiser, steps_within
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.files import make_folder, write_whole
from nmflowgan_cli.runtime import resolve_device
from nmflowgan_cli.synthesis.weights import Weights
from nmflowgan_cli.training.loop import Progress
from nmflowgan_cli.training.run import WEIGHTS, TrainingRequest
from nmflowgan_cli.training.sources import DataOptions, read_splits

PLAN = "plan.json"
DENOISER = "dncnn"
"""The architecture of all denoisers of a table."""
Shown = Callable[[str, int], AbstractContextManager[Progress]]
"""From the name of a training and its steps to what is told of each step."""


@dataclass(frozen=True, kw_only=True)
class TableRequest:
    """What a table is made of."""

    data: DataOptions
    models: tuple[str, ...]
    """Noise models, by the names that `train --noise` knows."""
    runs: Path
    """The folder of the trainings, one below it for each."""
    budget: float
    """Seconds for the training of the bound; all take as many steps as it."""
    seed: int = 0
    device: str = "auto"
    cache_dir: Path | None = None
    command: str = ""


def train_table(request: TableRequest, *, shown: Shown) -> list[Path]:
    """The weights of the denoisers, the bound first; trainings that are finished in the folder are taken from there.

    All see the same clean patches in the same order, for the same number of steps: as many as fit into the budget by
    one measurement of a step, which the folder remembers. Raises UsageError before the first step for a model that is
    unknown or does not know the pairs, and for pairs without real noise unless `data` accepts them; TrainingError where
    the folder holds another table, and KeyboardInterrupt.
    """
    splits = read_splits(request.data)
    named = _named(request, splits["train"])
    if not request.data.accept_synthetic:
        refuse_unreal([*splits["train"], *splits["val"]], "--denoising-table")
    make_folder(request.runs, "choose another --runs", TrainingError)
    recipe = _recipe(request)
    return [_trained(request, recipe, name, known, shown) for name, known in named.items()]


def _named(request: TableRequest, pairs: Sequence[Paired]) -> dict[str, Weights | None]:
    """The noise by the names that the user gave, each with its weights if it has some."""
    noises = {name: find_noise(name, pairs, cache_dir=request.cache_dir) for name in (REAL, *request.models)}
    folders = [_folder(name, weights) for name, weights in noises.items()]
    if len(set(folders)) <= len(request.models):
        raise UsageError(f"two models have one name: {', '.join(folders[1:])}", "name weights by train --name")
    return noises


def _folder(name: str, weights: Weights | None) -> str:
    return weights.name if weights else name


def _recipe(request: TableRequest) -> DenoiserRecipe:
    """The recipe of all trainings in the folder: as it was when the first of them began."""
    path = request.runs / PLAN
    if path.is_file():
        plan = json.loads(path.read_text(encoding="utf-8"))
        if plan["budget"] != request.budget:
            raise TrainingError(
                f"{request.runs} holds a table of {plan['budget']:g} seconds a training, not {request.budget:g}",
                "choose another --runs, or that --budget",
            )
        return lite(steps=plan["steps"])
    steps = steps_within(request.budget, lite(), DENOISER, resolve_device(request.device))
    write_whole(path, json.dumps({"budget": request.budget, "steps": steps}).encode(), TrainingError)
    return lite(steps=steps)


def _trained(request: TableRequest, recipe: DenoiserRecipe, noise: str, known: Weights | None, shown: Shown) -> Path:
    """The weights of one training, which is begun, gone on with, or found finished."""
    run = request.runs / _folder(noise, known)
    if (run / WEIGHTS).is_file():
        told = read_header(run / WEIGHTS).training
        expected = {**recipe.settings(), "seed": request.seed, "noise_sha256": known.sha256 if known else ""}
        if any(told.get(key) != value for key, value in expected.items()):
            raise TrainingError(f"{run / WEIGHTS} had another recipe, seed or noise", "choose another --runs")
        return run / WEIGHTS
    training = TrainingRequest(
        architecture=DENOISER,
        data=request.data,
        run=run,
        name=run.name,
        command=request.command,
        seed=request.seed,
        device=request.device,
        resume=True,
        recipe=recipe,
        noise=noise,
        cache_dir=request.cache_dir,
    )
    with shown(run.name, recipe.steps) as progress:
        outcome = run_denoiser(training, progress=progress)
    if outcome.weights is None:
        raise KeyboardInterrupt
    return outcome.weights
