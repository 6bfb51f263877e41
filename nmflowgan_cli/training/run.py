"""From training data to a run: what is checked before the first step."""

from dataclasses import replace
from pathlib import Path

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.runtime import resolve_device
from nmflowgan_cli.training import distributed, state
from nmflowgan_cli.training.extension import start_from
from nmflowgan_cli.training.loop import Progress, RunOptions, TrainingOutcome, train
from nmflowgan_cli.training.monitor import require_tensorboard
from nmflowgan_cli.training.nmflowgan.learners import model_options
from nmflowgan_cli.training.requests import TrainingRequest
from nmflowgan_cli.training.sources import open_source
from nmflowgan_cli.training.validation import validation_set


def run_training(request: TrainingRequest, *, progress: Progress) -> TrainingOutcome:
    """Train flow and GAN as asked.

    Raises UsageError or PictureError for bad data or a bad device, TrainingError where the folder holds another
    training.
    """
    recipe, device = request.recipe, resolve_device(request.device)
    if request.validate_every < 1:
        raise UsageError(f"--validate-every {request.validate_every} is no number of steps", "1 or more, like 500")
    if request.tensorboard:
        require_tensorboard()
    source, description = open_source(request.data, recipe.patch)
    refuse_other_training(request.run, resume=request.resume)
    header = Header(
        architecture=recipe.architecture,
        options=model_options(recipe),
        vocabulary=named(source.vocabulary(recipe.steps * recipe.batch), request.camera_name),
        name=request.name,
        data=description,
        terms=request.terms,
    )
    start = None
    if request.init is not None:
        start, header = start_from(request.init, header)
    validation = validation_set(request.data, source, header.vocabulary, recipe.patch)
    make_folder(request.run)
    options = RunOptions(
        run=request.run,
        device=device,
        resume=request.resume,
        time_limit=request.time_limit,
        validate_every=request.validate_every,
        tensorboard=request.tensorboard,
        compile="inductor" if request.compiled else "",
        command=request.command,
    )
    with distributed.processes(device, batch=recipe.batch):
        return train(
            recipe, source, header, options, seed=request.seed, progress=progress, start=start, validation=validation
        )


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


def refuse_other_training(run: Path, *, resume: bool) -> None:
    """Raise TrainingError where `run` holds a training that is not to be resumed."""
    if not resume and (run / state.FILE).exists():
        raise TrainingError(f"{run} holds a training already", "go on with --resume, or choose another --output")


def make_folder(run: Path) -> None:
    """Make the folder of a run; raises TrainingError."""
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot write into {run}: {error.strerror}", "choose another --output") from None
