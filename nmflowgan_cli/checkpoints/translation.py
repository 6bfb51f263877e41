"""Checkpoints of other authors' code in the names of this tool's models."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from nmflowgan_cli.checkpoints.build import outline
from nmflowgan_cli.checkpoints.format import Header, refuse_names
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.files import sha256

Substitutions = Sequence[tuple[str, str]]
"""Pattern and replacement, from the names of a model to the authors', applied from top to bottom."""


def official_name(name: str, substitutions: Substitutions) -> str:
    """The name that the authors' code gives a tensor of a model."""
    for pattern, replacement in substitutions:
        name = re.sub(pattern, replacement, name)
    return name


def translated(
    path: Path, found: Mapping[str, Tensor], header: Header, substitutions: Substitutions, *, unused: str = ""
) -> dict[str, Tensor]:
    """The state of the model of `header` from the authors' tensors; those whose whole name is `unused` are left out.

    Raises WeightsError naming what the checkpoint at `path` lacks, has too much, or has in another shape.
    """
    expected = outline(header).state_dict()
    names = {name: official_name(name, substitutions) for name in expected}
    own = {name for name in found if not re.fullmatch(unused, name)}
    refuse_names(path, "lacks", set(names.values()) - own)
    refuse_names(path, "has unknown", own - set(names.values()))
    shapes = {name: found[names[name]].shape for name in expected}
    refuse_names(path, "has wrongly shaped", (names[n] for n in expected if shapes[n] != expected[n].shape))
    return {name: found[names[name]].contiguous() for name in expected}


def imported_header(
    path: Path, architecture: str, vocabulary: Vocabulary, options: Mapping[str, Any], *, terms: str
) -> Header:
    """The header of a checkpoint that says nothing of its data; `terms`: of the authors' own weights and code."""
    return Header(
        architecture=architecture,
        options=options,
        vocabulary=vocabulary,
        name=path.stem,
        data=("what it was trained on is not known", f"imported from {path.name}"),
        terms=terms,
        training={"imported": path.name, "imported_sha256": sha256(path), "patches_known": False},
    )
