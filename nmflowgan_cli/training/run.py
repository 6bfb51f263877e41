"""From training data to a run: what is checked before the first step."""

from dataclasses import replace
from pathlib import Path

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.runtime import resolve_device
from nmflowgan_cli.training import distributed, state
from nmflowgan_cli.training.loop import Outcome, Progress, RunOptions, train
from nmflowgan_cli.training.recipe import Recipe
from nmflowgan_cli.training.sources import DataOptions, open_source
from nmflowgan_cli.training.start import start_from
from nmflowgan_cli.training.trainees import model_options
from nmflowgan_cli.training.validation import validation_set
from nmflowgan_cli.training.watching import require_tensorboard


def run_training(
    recipe: Recipe,
    data: DataOptions,
    run: Path,
    *,
    name: str,
    terms: str,
    init: Path | None = None,
    camera_name: str = "",
    seed: int,
    device: str,
    resume: bool,
    time_limit: float,
    validate_every: int = 500,
    tensorboard: bool = False,
    compiled: bool = False,
    command: str = "",
    progress: Progress,
) -> Outcome:
    """Train on `data`; everything is written into `run`.

    `init`: weights to go on from, for which `recipe` was made by `start.recipe_from`. `camera_name`: the full name of
    the one camera of the data.

    Raises UsageError or PictureError for bad data or a bad device, TrainingError where `run` holds another training.
    """
    chosen_device = resolve_device(device)
    if validate_every < 1:
        raise UsageError(f"--validate-every {validate_every} is no number of steps", "1 or more, like 500")
    if tensorboard:
        require_tensorboard()
    source, description = open_source(data, recipe.patch)
    if not resume and (run / state.FILE).exists():
        raise TrainingError(f"{run} holds a training already", "go on with --resume, or choose another --output")
    header = Header(
        architecture=recipe.architecture,
        options=model_options(recipe),
        vocabulary=_named(source.vocabulary(recipe.steps * recipe.batch), camera_name),
        name=name,
        data=description,
        terms=terms,
    )
    start = None
    if init is not None:
        start, header = start_from(init, header)
    validation = validation_set(data, source, header.vocabulary, recipe.patch)
    _make_folder(run)
    options = RunOptions(
        run=run,
        device=chosen_device,
        resume=resume,
        time_limit=time_limit,
        validate_every=validate_every,
        tensorboard=tensorboard,
        compile="inductor" if compiled else "",
        command=command,
    )
    with distributed.processes(chosen_device, batch=recipe.batch):
        return train(recipe, source, header, options, seed=seed, progress=progress, start=start, validation=validation)


def _named(vocabulary: Vocabulary, camera_name: str) -> Vocabulary:
    if not camera_name:
        return vocabulary
    if len(vocabulary.cameras) != 1:
        raise UsageError(
            f"--camera-name {camera_name!r} names one camera, the data have {', '.join(vocabulary.cameras)}",
            "say which by --camera",
        )
    return replace(vocabulary, names={vocabulary.cameras[0]: camera_name})


def _make_folder(run: Path) -> None:
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot write into {run}: {error.strerror}", "choose another --output") from None
