"""What a training starts from, where that is not a fresh model: the weights of another one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from nmflowgan_cli.checkpoints.build import build, load_model
from nmflowgan_cli.checkpoints.format import Header, read_header
from nmflowgan_cli.checkpoints.hub import resolve
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import sha256
from nmflowgan_cli.models.extension import grown, merged
from nmflowgan_cli.training.nmflowgan.recipe import Recipe, without


@dataclass(frozen=True)
class Start:
    """A model to go on from, grown to the cameras and ISOs of the new data."""

    state: Mapping[str, Tensor]
    sha256: str
    """Of the weights file that it was read from."""


def recipe_from(recipe: Recipe, weights: Path) -> Recipe:
    """The recipe for the model of `weights`, which goes without what that does; UsageError for another architecture."""
    header = read_header(weights)
    if header.architecture != recipe.architecture:
        raise UsageError(
            f"{weights} is of the architecture {header.architecture}, not {recipe.architecture}",
            f"--preset {header.architecture}",
        )
    if recipe.ablate:
        raise UsageError("--ablate builds a new model, --init takes one as it is", "leave one of them out")
    recipe = replace(recipe, rendered=header.options.get("rendered", recipe.rendered))
    return without(recipe, tuple(header.options.get("without", ())))


def start_from(weights: Path, header: Header) -> tuple[Start, Header]:
    """The model of `weights` for what `header` says of the new data; and the header of both.

    The cameras and ISOs of the weights keep their places and their noise. Raises WeightsError.
    """
    before = read_header(weights)
    both = replace(
        header,
        options=before.options,
        vocabulary=merged(before.vocabulary, header.vocabulary),
        data=(f"weights {before.name or weights.stem}", *before.data, *header.data),
        terms="; ".join(dict.fromkeys(terms for terms in (before.terms, header.terms) if terms)),
    )
    state = cast(nn.Module, load_model(weights)).state_dict()
    model = cast(nn.Module, build(both))
    return Start(grown(model, state, before.vocabulary, both.vocabulary), sha256(weights)), both


def find(name_or_path: str) -> Path:
    """The weights file of a name or a path; raises WeightsError."""
    return resolve(name_or_path)
