"""Going on from weights: a model that knows its cameras and ISOs, extended to those of new data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.format import Header, read_header
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import sha256
from nmflowgan_cli.models.extension import merged
from nmflowgan_cli.training.recipe import Recipe


@dataclass(frozen=True)
class Start:
    """The state that a training starts from, extended to the cameras and ISOs of the new data."""

    state: Mapping[str, Tensor]
    sha256: str
    """Of the weights file that it was read from."""


def recipe_from(recipe: Recipe, name: str, weights: Path) -> Recipe:
    """The recipe for going on with `weights`; UsageError where they are not of the architecture `name`."""
    header = read_header(weights)
    if header.architecture != name:
        raise UsageError(
            f"{weights} is of the architecture {header.architecture}, not {name}", f"--preset {header.architecture}"
        )
    return recipe.going_on(header.options)


def start_from(weights: Path, header: Header) -> tuple[Start, Header]:
    """The model of `weights` for what `header` says of the new data; and the header of both.

    The cameras and ISOs of the weights keep their places and their noise. Raises WeightsError, and UsageError for a
    model that cannot be extended.
    """
    before = read_header(weights)
    both = replace(
        header,
        options=before.options,
        vocabulary=merged(before.vocabulary, header.vocabulary),
        data=(f"weights {before.name or weights.stem}", *before.data, *header.data),
        terms="; ".join(dict.fromkeys(terms for terms in (before.terms, header.terms) if terms)),
    )
    return Start(load_model(weights).extended(both.vocabulary), sha256(weights)), both
