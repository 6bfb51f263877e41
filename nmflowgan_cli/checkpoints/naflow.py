"""One-way import of NAFlow checkpoints of the authors' code, https://github.com/dongjinkim9/NAFlow.

A Lightning file, or the state of the bare network; unused tensors are left out. Of the codes only those that the
file has Gaussians for count as trained.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from nmflowgan_cli.checkpoints import translation
from nmflowgan_cli.checkpoints.build import outline
from nmflowgan_cli.checkpoints.format import Header, refuse_names
from nmflowgan_cli.checkpoints.pickled import load_tensors
from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.models.naflow import LATENTS

CLASS = re.compile(r"mean_shift_(([A-Za-z0-9]+)_(\d{1,7}))")
"""The mean of a camera's Gaussian at an ISO."""
TABLES = {"mean": "mean_shift", "std": "cov_shift"}
"""Our tables of Gaussians, and what the authors' names begin with; `cov_shift` holds standard deviations."""
UNUSED = {"I", "flowUpsamplerNet.f.0.weight", "flowUpsamplerNet.f.0.bias"}
TERMS = "code: MIT; weights: as their authors say, not known here"

RENAMED = (
    (r"^layers\.", "flowUpsamplerNet.layers."),
    (r"\.of_features\.", ".affine.fFeatures."),
    (r"\.of_half\.", ".affine.fAffine."),
    (r"(fFeatures|fAffine)\.first\.", r"\1.0."),
    (r"(fFeatures|fAffine)\.block\.spread\.", r"\1.2.body.0."),
    (r"(fFeatures|fAffine)\.block\.join\.", r"\1.2.body.2."),
    (r"(fFeatures|fAffine)\.last\.", r"\1.3."),
)
"""Substitutions from the names of `NAFlow` to the authors', applied from top to bottom; see RENAMED of official.py."""


def official_name(name: str) -> str:
    """The name that the authors' code gives a tensor of `NAFlow`, but for the tables of Gaussians."""
    return translation.official_name(name, RENAMED)


def import_naflow(path: Path) -> tuple[dict[str, Tensor], Header]:
    """State and header of a checkpoint of NAFlow; raises WeightsError."""
    found = {name.removeprefix("model."): tensor for name, tensor in load_tensors(path, "state_dict").items()}
    labels = _labels(found, path)
    header = translation.imported_header(path, "naflow", _vocabulary(labels), _options(found, path), terms=TERMS)
    expected = outline(header).state_dict()
    names = {name: official_name(name) for name in expected if name not in TABLES}
    shapes = {official: expected[name].shape for name, official in names.items()}
    shapes |= {f"{table}_{label}": (LATENTS,) for table in TABLES.values() for label in labels}
    refuse_names(path, "lacks", shapes.keys() - found.keys())
    refuse_names(path, "has unknown", found.keys() - shapes.keys() - UNUSED)
    refuse_names(path, "has wrongly shaped", (name for name, shape in shapes.items() if found[name].shape != shape))
    state = {name: found[official].contiguous() for name, official in names.items()}
    return state | _tables(found, labels, header.vocabulary), header


def _labels(found: Mapping[str, Tensor], path: Path) -> dict[str, Condition]:
    """The camera and ISO of each Gaussian by the authors' label, like S6_01600; raises WeightsError without any."""
    labels = {match[1]: Condition(match[2], int(match[3])) for name in found if (match := CLASS.fullmatch(name))}
    if not labels:
        raise WeightsError(f"{path} holds no Gaussians of cameras and ISOs", "NAFlow calls their means mean_shift_...")
    return labels


def _vocabulary(labels: Mapping[str, Condition]) -> Vocabulary:
    """The codes that have Gaussians, each with one patch: how many there were is not known."""
    conditions = labels.values()
    cameras = tuple(dict.fromkeys(condition.camera for condition in conditions))
    trained = {c: {one.iso: 1 for one in conditions if one.camera == c} for c in cameras}
    return Vocabulary(cameras, tuple(sorted({condition.iso for condition in conditions})), trained)


def _options(found: Mapping[str, Tensor], path: Path) -> dict[str, int]:
    """The widths of the network, by the shapes of its condition net and of its first coupling."""
    sizes = {"features": "cond_net.down1.bias", "hidden": "flowUpsamplerNet.layers.6.affine.fFeatures.2.body.0.bias"}
    refuse_names(path, "lacks", sizes.values() - found.keys())
    return {option: found[name].numel() for option, name in sizes.items()}


def _tables(found: Mapping[str, Tensor], labels: Mapping[str, Condition], vocabulary: Vocabulary) -> dict[str, Tensor]:
    """The Gaussians of all codes, (ISOs, cameras, 192); of those without one a standard normal."""
    shape = len(vocabulary.isos), len(vocabulary.cameras), LATENTS
    tables = {"mean": torch.zeros(shape), "std": torch.ones(shape)}
    for label, condition in labels.items():
        place = vocabulary.isos.index(condition.iso), vocabulary.cameras.index(condition.camera)
        for table, official in TABLES.items():
            tables[table][place] = found[f"{official}_{label}"]
    return tables
