"""The checkpoint of a training: all that it needs to go on where it stopped, in one file that appears whole."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmflowgan_cli.checkpoints.pickled import load_pickled
from nmflowgan_cli.errors import TrainingError
from nmflowgan_cli.files import write_error, write_whole
from nmflowgan_cli.schemas import reason
from nmflowgan_cli.training.learner import Stateful

FILE = "checkpoint.pt"


def save(
    run: Path, step: int, settings: Mapping[str, Any], parts: Mapping[str, Stateful], rng: np.random.Generator
) -> int:
    """Write the state after `step` steps, which are returned.

    Raises TrainingError or DiskError, and then the checkpoint before stays.
    """
    state = {
        "step": step,
        "recipe": dict(settings),
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "numpy": rng.bit_generator.state,
        "torch": torch.get_rng_state(),
    }
    content = BytesIO()  # torch's own writer does not say what is wrong with a disk
    torch.save(state, content)
    try:
        write_whole(run / FILE, content.getbuffer())
    except OSError as error:
        raise write_error(run / FILE, error, TrainingError, "the checkpoint before it is kept") from None
    return step


def restore(run: Path, settings: Mapping[str, Any], parts: Mapping[str, Stateful], rng: np.random.Generator) -> int:
    """Put the state of `run` into `parts` and the random generators; returns the number of steps done.

    0 where nothing was saved yet, so that one command can be repeated whatever happened before.
    Raises TrainingError where the checkpoint cannot be read, or belongs to another recipe.
    """
    path = run / FILE
    if not path.is_file():
        return 0
    state = load_pickled(path, TrainingError)
    try:
        recipe, step = dict(state["recipe"]), int(state["step"])
    except Exception as error:  # noqa: BLE001 - a pickled file may hold anything
        raise TrainingError(f"{path} is no checkpoint of a training: {reason(error)}") from None
    changed = [name for name, value in settings.items() if recipe.get(name) != value]
    if changed:
        before, now = recipe.get(changed[0]), settings[changed[0]]
        raise TrainingError(
            f"{path} was made with another recipe: {changed[0]} was {before}, now {now}",
            "resume with the same options, or start a new run",
        )
    try:
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
        rng.bit_generator.state = state["numpy"]
        torch.set_rng_state(state["torch"])
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for a state that does not fit
        raise TrainingError(f"{path} does not fit this training: {type(error).__name__} {reason(error)}") from None
    return step
