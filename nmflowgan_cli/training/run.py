"""A training run: what the user asks for, what is checked before the first step, and what is written in the end."""

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import nn

from nmflowgan_cli.checkpoints.build import build
from nmflowgan_cli.checkpoints.format import Header, save_weights
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.data.batches import BatchSource
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.files import make_folder, sweep, write_whole
from nmflowgan_cli.lock import locked
from nmflowgan_cli.models.registry import architecture, load_reference
from nmflowgan_cli.notices import notice
from nmflowgan_cli.runtime import resolve_device
from nmflowgan_cli.training import card, distributed, state
from nmflowgan_cli.training.extension import Start, start_from
from nmflowgan_cli.training.learner import Learner
from nmflowgan_cli.training.loop import Progress, RunOptions, TrainingOutcome, train
from nmflowgan_cli.training.monitor import BEST, GRIDS, Monitor, require_tensorboard
from nmflowgan_cli.training.recipe import Recipe
from nmflowgan_cli.training.sources import DataOptions, open_source
from nmflowgan_cli.training.validation import Validation, validation_set

WEIGHTS = "model.safetensors"
ELSEWHERE = "choose another --output"


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What a user asks of `train`; each architecture looks at what means something to it."""

    architecture: str
    """A name in the table of architectures."""
    data: DataOptions
    run: Path
    """The folder that everything is written into."""
    name: str
    """Of the weights."""
    recipe: Recipe | None = None
    """None for a model that does not learn step by step."""
    terms: str = ""
    """Of the training data."""
    camera_name: str = ""
    """Full name of the one camera of the data; "" for its code."""
    command: str = ""
    """What the user typed, for the card."""
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    time_limit: float = math.inf
    """Seconds, after which it saves and stops."""
    init: Path | None = None
    """Weights to go on from, for which `recipe` was made by `extension.recipe_from`."""
    validate_every: int = 500
    tensorboard: bool = False
    compiled: bool = False
    noise: str = "real"
    """What a denoiser learns from: "real", a Gaussian model (fitted on the pairs), isp, or weights by name or path."""
    cache_dir: Path | None = None
    """Where weights are kept; None for the usual folder."""

    def options(self, device: torch.device) -> RunOptions:
        """Where the training runs and for how long."""
        return RunOptions(
            run=self.run,
            device=device,
            resume=self.resume,
            time_limit=self.time_limit,
            validate_every=self.validate_every,
            tensorboard=self.tensorboard,
            compile="inductor" if self.compiled else "",
            command=self.command,
        )


def run_training(request: TrainingRequest, *, progress: Progress) -> TrainingOutcome:
    """Train a noise model step by step.

    Raises UsageError or PictureError for bad data or a bad device, TrainingError where the folder holds another
    training.
    """
    recipe, device = request.recipe, resolve_device(request.device)
    assert recipe is not None
    if request.validate_every < 1:
        raise UsageError(f"--validate-every {request.validate_every} is no number of steps", "1 or more, like 500")
    if request.tensorboard:
        require_tensorboard()
    data = recipe.data(request.data)
    source, description = open_source(data, recipe.patch)
    refuse_other_training(request.run, resume=request.resume)
    header = Header(
        architecture=request.architecture,
        options=model_options(request.architecture, recipe),
        vocabulary=named(source.vocabulary(recipe.steps * recipe.batch), request.camera_name),
        name=request.name,
        data=description,
        terms=request.terms,
    )
    start = None
    if request.init is not None:
        start, header = start_from(request.init, header)
    validation = validation_set(data, source, header.vocabulary, recipe.patch)
    if validation is None:
        notice("no validation: no held-out pairs are of a camera and ISO that the model learns, and none are simulated")
    make_folder(request.run, ELSEWHERE, TrainingError)
    options = request.options(device)
    with held(request.run), distributed.processes(device, batch=recipe.batch):
        return train_model(
            recipe, source, header, options, seed=request.seed, progress=progress, start=start, validation=validation
        )


def train_model(
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
    """Train the noise model of `header` by `recipe` on batches of `source`, and write its weights and its card.

    `start`: what to go on from instead of a fresh model. `validation`: what the model is judged by now and then.
    """
    torch.manual_seed(seed)
    learner = open_learner(recipe, header, options.device, start)
    if options.compile:
        for module in learner.compiled:
            module.compile(backend=options.compile)
    every = options.validate_every
    monitor = Monitor(learner, header, options.run, steps=recipe.steps, validation=validation, every=every)
    settings = {"init": start.sha256 if start else ""}
    outcome = train(learner, recipe, source, monitor, options, settings=settings, seed=seed, progress=progress)
    if not outcome.finished or not distributed.leads():
        return outcome
    cameras = len(header.vocabulary.cameras)
    title = f"Noise of {cameras} cameras for clean photographs: {architecture(header.architecture).title}"
    return replace(outcome, weights=export(learner, recipe, monitor, title, command=options.command, seed=seed))


def open_learner(recipe: Recipe, header: Header, device: torch.device, start: Start | None = None) -> Learner:
    """The model of `header` with its losses and optimisers on a device, ready for the first step."""
    model = cast(nn.Module, build(header))
    if start is not None:
        model.load_state_dict(start.state)
    return learner_of(recipe, header.architecture, model, device)


def learner_of(recipe: Recipe, name: str, model: nn.Module, device: torch.device) -> Learner:
    """The learner of an architecture, with its `model` on a device."""
    # Channels last: three times as fast as the default for networks of so few channels.
    model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    distributed.share_batch_norms(model)
    return load_reference(architecture(name).learner)(recipe, model)


def export(learner: Learner, recipe: Recipe, monitor: Monitor, title: str, *, command: str, seed: int) -> Path:
    """Write the model as a weights file, and its card beside it; `title` opens the card."""
    header, path = monitor.described(monitor.last), monitor.run / WEIGHTS
    text = card.card(header, recipe, title, command=command, seed=seed, seconds=monitor.seconds, best=monitor.best)
    write_whole(monitor.run / card.FILE, text.encode(), TrainingError)
    with learner.exported() as model:  # last: a run that has weights is finished
        save_weights(path, model.state_dict(), header, TrainingError)
    return path


def model_options(name: str, recipe: Recipe) -> dict[str, object]:
    """The options of an architecture as a header holds them: all, for defaults may change."""
    parameters = inspect.signature(load_reference(architecture(name).model)).parameters
    defaults = {key: parameter.default for key, parameter in parameters.items() if key != "vocabulary"}
    chosen = defaults | recipe.model_options()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in chosen.items()}


def named(vocabulary: Vocabulary, camera_name: str) -> Vocabulary:
    """The vocabulary with the full name of its one camera; UsageError where there are several."""
    if not camera_name:
        return vocabulary
    if len(vocabulary.cameras) != 1:
        raise UsageError(
            f"--camera-name {camera_name!r} names one camera, the data have {', '.join(vocabulary.cameras)}",
            "say which by --camera",
        )
    return replace(vocabulary, names={vocabulary.cameras[0]: camera_name})


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold the folder of a training, which exists, against other runs; NmflowganError naming the one that has it.

    Temporary files that a run cut off has left there are removed.
    """
    if not distributed.leads():
        yield
        return
    with locked(run):
        sweep(run, (state.FILE, WEIGHTS, BEST, card.FILE))
        for path in (run / GRIDS).glob(".*.png.*.part"):
            path.unlink(missing_ok=True)
        yield


def refuse_other_training(run: Path, *, resume: bool) -> None:
    """Raise TrainingError where `run` holds a training that is not to be resumed."""
    if not resume and (run / state.FILE).exists():
        raise TrainingError(f"{run} holds a training already", "go on with --resume, or choose another --output")
