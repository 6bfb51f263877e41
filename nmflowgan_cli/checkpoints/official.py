"""One-way import of checkpoints of the authors' code (.pth), https://github.com/YoungJooHan/NM-FlowGAN.

Only tensors, numbers and containers are read (`weights_only`); nothing in the file is executed.
The optimisers and the critic are left out.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmflowgan_cli.checkpoints import translation
from nmflowgan_cli.checkpoints.format import Header, refuse_names
from nmflowgan_cli.checkpoints.pickled import is_plain, load_pickled
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.files import sha256
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN
from nmflowgan_cli.schemas import reason

TRAINING_INSTANCES = {
    "IP": {100: 8, 400: 5, 800: 8, 1600: 4},
    "GP": {100: 8, 800: 3},
    "S6": {100: 4, 400: 2, 800: 3, 1600: 2, 3200: 3},
    "N6": {100: 1, 800: 1},
    "G4": {100: 2, 800: 2},
}
"""Scene instances of SIDD that the authors trained on: 15 of the 25 codes; 657 038 patches in all."""

PATCHES_PER_INSTANCE = {"IP": 2 * 5292, "GP": 2 * 5355, "S6": 2 * 6993, "N6": 2 * 5720, "G4": 2 * 6993}
"""Two frames an instance, cut into 96x96 patches at a step of 48."""

VOCABULARY = Vocabulary(
    cameras=("IP", "GP", "S6", "N6", "G4"),
    isos=(100, 400, 800, 1600, 3200),
    trained={
        camera: {iso: count * PATCHES_PER_INSTANCE[camera] for iso, count in isos.items()}
        for camera, isos in TRAINING_INSTANCES.items()
    },
)
"""Of the authors' own weights; all official tables have this order of cameras and ISOs, and rows that are ISO-major."""

AUTHORS = {
    "data": ("SIDD (split of the authors, 56 scene instances)",),
    "terms": "weights: as their authors say (code: MIT); trained on SIDD (reported MIT, unverified)",
}
UNKNOWN_DATA = "what it was trained on is not known"
ON_RECORD: frozenset[str] = frozenset()
"""SHA-256 of files that are known to be the authors' own, for which AUTHORS holds; their download is not among them
yet, since nobody could verify it."""

DEEPEST = 16
"""Levels of a U-Net, at most."""

IGNORED = {"pre_bijectors.0.ldj_per_dim", "dist.buffer"}
"""Constants of the official code that are no weights."""

RENAMED = (
    (r"^flow\.layers\.", "bijectors."),
    (r"^unet\.down\.(\d+)\.first\.", r"generator.down_path.\1.block.0."),
    (r"^unet\.down\.(\d+)\.second\.", r"generator.down_path.\1.block.2."),
    (r"^unet\.up\.(\d+)\.up\.", r"generator.up_path.\1.up."),
    (r"^unet\.up\.(\d+)\.pair\.first\.", r"generator.up_path.\1.conv_block.block.0."),
    (r"^unet\.up\.(\d+)\.pair\.second\.", r"generator.up_path.\1.conv_block.block.2."),
    (r"^unet\.last\.", "generator.last."),
    (r"\.code_net\.first\.", ".meta_encoder.initial_layer."),
    (r"\.code_net\.last\.", ".meta_encoder.final_layer."),
    (r"\.code_net\.blocks\.(\d)\.norms\.", r".meta_encoder.blocks.\1.batch_norm_layers."),
    (r"\.code_net\.blocks\.(\d)\.linears\.", r".meta_encoder.blocks.\1.linear_layers."),
    (r"\.structure_net\.", ".structure_encoder.body."),
    (r"^(bijectors\.\d)\.first\.", r"\1.scale_and_bias.body.0."),
    (r"^(bijectors\.\d)\.blocks\.0\.", r"\1.scale_and_bias.body.1."),
    (r"^(bijectors\.\d)\.blocks\.1\.", r"\1.scale_and_bias.body.2."),
    (r"^(bijectors\.\d)\.blocks\.2\.", r"\1.scale_and_bias.body.3."),
    (r"^(bijectors\.\d)\.last\.", r"\1.scale_and_bias.body.4."),
    (r"\.convolution\.", ".0."),
    (r"(body\.[123])\.norm\.", r"\1.1."),
)
"""Substitutions from the names of `PaperNMFlowGAN` to the official ones, applied from top to bottom."""


def official_name(name: str) -> str:
    """The name that the official code gives a tensor of `PaperNMFlowGAN`."""
    return translation.official_name(name, RENAMED)


def import_official(path: Path) -> tuple[dict[str, Tensor], Header]:
    """State and header of the generator in an official checkpoint; raises WeightsError."""
    official = _generator(load_pickled(path, WeightsError), path)
    widths = _widths(official, path)
    expected = _expected(widths, path)
    names = {name: official_name(name) for name in expected}
    refuse_names(path, "lacks", set(names.values()) - set(official))
    refuse_names(path, "has unknown", set(official) - set(names.values()) - IGNORED)
    shapes = {name: official[names[name]].shape for name in expected}
    refuse_names(path, "has wrongly shaped", {names[n] for n in expected if shapes[n] != expected[n].shape})
    state = {name: official[names[name]].contiguous() for name in expected}
    return state, _header(path, widths, state)


def _expected(widths: tuple[int, ...], path: Path) -> dict[str, Tensor]:
    """The state of a model of these widths, shapes without memory; raises WeightsError for impossible ones."""
    if len(widths) > DEEPEST:
        raise WeightsError(f"{path} has {len(widths)} levels of generator.down_path", f"{DEEPEST} at most")
    try:
        with torch.device("meta"):
            return PaperNMFlowGAN(VOCABULARY, widths=widths).state_dict()
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for impossible sizes
        raise WeightsError(f"{path} has impossible widths {widths}: {reason(error)}") from None


def _header(path: Path, widths: tuple[int, ...], state: Mapping[str, Tensor]) -> Header:
    """What is known of a checkpoint; the statement of its authors only for a file that is on record."""
    digest, own = sha256(path), sha256(path) in ON_RECORD
    numbers = sum(tensor.numel() for tensor in state.values())
    file = f"imported from {path.name} (sha256 {digest[:16]}..., {len(state)} tensors, {numbers} numbers)"
    return Header(
        architecture="paper",
        options={"widths": list(widths)},
        vocabulary=VOCABULARY if own else replace(VOCABULARY, trained=learnt_codes(state)),
        name=path.stem,
        data=AUTHORS["data"] if own else (UNKNOWN_DATA, file),
        terms=AUTHORS["terms"] if own else "not known",
        training={"imported": path.name, "imported_sha256": digest, "patches_known": own},
    )


def learnt_codes(state: Mapping[str, Tensor]) -> dict[str, dict[int, int]]:
    """The codes whose rows in the tables have left their zeros, each with one patch: how many there were is not known.

    A code that is not among the training data gets no gradient, so its rows stay as they were made.
    """
    isos, cameras = VOCABULARY.isos, VOCABULARY.cameras
    tables = [tensor for name, tensor in state.items() if name.endswith((".log_scale", ".bias")) and tensor.ndim == 2]
    learnt = torch.stack([table.abs().sum(1) > 0 for table in tables]).any(0).view(len(isos), len(cameras))
    return {c: {iso: int(learnt[row, column]) for row, iso in enumerate(isos)} for column, c in enumerate(cameras)}


def _generator(content: Any, path: Path) -> dict[str, Tensor]:
    """The generator's tensors by official name, without the prefixes that parallel training adds."""
    models = content.get("model_weight") if isinstance(content, Mapping) else None
    if not isinstance(models, Mapping) or "generator" not in models:
        found = (
            ", ".join(sorted(str(name)[:40] for name in list(models)[:8]))
            if isinstance(models, Mapping)
            else "no 'model_weight'"
        )
        raise WeightsError(f"{path} holds no noise model", f"expected 'generator' under 'model_weight', found {found}")
    generator = models["generator"]
    if not isinstance(generator, Mapping) or not all(map(is_plain, generator.values())):
        raise WeightsError(f"{path}: 'generator' is not a table of tensors")
    return {re.sub(r"(^|\.)module\.", r"\1", str(name)): value for name, value in generator.items()}


def _widths(official: Mapping[str, Tensor], path: Path) -> tuple[int, ...]:
    """Channels of the U-Net's levels, from the shapes of its first convolutions."""
    pattern = re.compile(r"generator\.down_path\.(\d+)\.block\.0\.weight")
    levels = {int(match[1]): tensor for name, tensor in official.items() if (match := pattern.fullmatch(name))}
    if not levels or any(tensor.ndim != 4 for tensor in levels.values()):
        raise WeightsError(f"{path} lacks generator.down_path.0.block.0.weight")
    return tuple(levels[level].shape[0] for level in sorted(levels))
