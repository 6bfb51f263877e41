"""Training recipes: one frozen value with every number that decides what a training computes."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.registry import architecture, load_reference
from nmflowgan_cli.training.sources import DataOptions


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all recipes have. Steps count batches; learning rates are those at the start."""

    RATES: ClassVar[tuple[str, ...]] = ()
    """Fields that are learning rates."""

    steps: int
    batch: int
    """Patches a step."""
    patch: int
    """Side of the square patches, pixels."""

    def __post_init__(self) -> None:
        if self.batch < 1 or self.steps < 1:
            raise UsageError(f"batch {self.batch} and steps {self.steps} must be at least 1")

    def scaled(self, factor: float) -> Self:
        """The recipe with `factor` on all learning rates; raises UsageError unless it is positive and finite."""
        if not 0 < factor < math.inf:
            raise UsageError(f"--rate {factor} is no factor on the learning rates", "a positive number, like 0.3")
        return replace(self, **{name: factor * getattr(self, name) for name in self.RATES})

    def model_options(self) -> dict[str, Any]:
        """The options of the model that the recipe decides, by keyword."""
        return {}

    def going_on(self, options: Mapping[str, Any]) -> Self:
        """The recipe for a model that exists already, with the `options` of its header."""
        return self

    def data(self, wanted: DataOptions) -> DataOptions:
        """The data as the model needs them."""
        return wanted

    def settings(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def to_toml(self) -> str:
        """The numbers as TOML, a line each."""
        return "\n".join(f"{name} = {value!r}" for name, value in self.settings().items()).replace("'", '"')


def open_recipe(name: str, preset: str = "", **changes: Any) -> Recipe:
    """The recipe of an architecture with `changes`: its `preset`, or its first one.

    Raises UsageError for a preset that it does not have, and for changes that the preset does not know.
    """
    recipes = architecture(name).recipes
    preset = preset or next(iter(recipes))
    if preset not in recipes:
        raise UsageError(f"{name} has no preset {preset}", f"one of {', '.join(recipes)}")
    make = load_reference(recipes[preset])
    unknown = changes.keys() - inspect.signature(make).parameters.keys()
    if unknown:
        flags = ", ".join(f"--{flag.replace('_', '-')}" for flag in sorted(unknown))
        raise UsageError(f"the preset {preset} has no {flags}", "see nmflowgan train --help")
    return make(**changes)
