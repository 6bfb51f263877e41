"""What a user asks of `train`, as one frozen value for each kind of model."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nmflowgan_cli.denoising.recipe import DenoiserRecipe
from nmflowgan_cli.training.nmflowgan.recipe import Recipe
from nmflowgan_cli.training.sources import DataOptions


@dataclass(frozen=True, kw_only=True)
class Request:
    """What all trainings are told."""

    data: DataOptions
    run: Path
    """The folder that everything is written into."""
    name: str
    """Of the weights."""
    terms: str = ""
    """Of the training data."""
    camera_name: str = ""
    """Full name of the one camera of the data; "" for its code."""
    command: str = ""
    """What the user typed, for the card."""


@dataclass(frozen=True, kw_only=True)
class FitRequest(Request):
    """A Gaussian reference model, fitted in one pass over the data."""

    model: Literal["awgn", "heteroscedastic"]


@dataclass(frozen=True, kw_only=True)
class LearningRequest(Request):
    """A network that learns step by step."""

    seed: int = 0
    device: str = "auto"
    resume: bool = False
    time_limit: float = math.inf
    """Seconds, after which it saves and stops."""


@dataclass(frozen=True, kw_only=True)
class TrainingRequest(LearningRequest):
    """Flow and GAN."""

    recipe: Recipe
    init: Path | None = None
    """Weights to go on from, for which `recipe` was made by `start.recipe_from`."""
    validate_every: int = 500
    tensorboard: bool = False
    compiled: bool = False


@dataclass(frozen=True, kw_only=True)
class DenoiserRequest(LearningRequest):
    """A DnCNN."""

    recipe: DenoiserRecipe
    noise: str
    """"real", awgn or heteroscedastic (fitted on the pairs to train on), isp, or weights by name or path."""
    cache_dir: Path | None = None
    """Where weights are kept; None for the usual folder."""
