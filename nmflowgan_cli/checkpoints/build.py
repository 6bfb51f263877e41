"""Models from weights files, by the table of architectures."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from nmflowgan_cli.checkpoints.format import Header, load_weights, read_header, read_shapes, refuse_names
from nmflowgan_cli.checkpoints.pickled import load_pickled, names_in
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.models.registry import ARCHITECTURES, Architecture, header_names, load_reference, of_header
from nmflowgan_cli.schemas import reason


def build(header: Header) -> NoiseModel:
    """The noise model that `header` describes, freshly initialised; raises WeightsError, also for a denoiser."""
    if _row(header).denoiser:
        name = header.name or header.architecture
        raise WeightsError(f"{name} is a denoiser, not a noise model", "judge it by nmflowgan evaluate --denoiser")
    return cast(NoiseModel, _built(header))


def load_model(path: Path) -> NoiseModel:
    """The noise model of a weights file, on the CPU and in evaluation mode; raises WeightsError."""
    refuse_misfit(path)
    state, header = load_weights(path)
    return cast(NoiseModel, _filled(path, cast(nn.Module, build(header)), state))


def load_denoiser(path: Path) -> tuple[nn.Module, Header]:
    """The denoiser of a weights file, on the CPU and in evaluation mode; WeightsError, also for a noise model."""
    header = read_header(path)
    if not _row(header).denoiser:
        raise WeightsError(f"{path} is a noise model, not a denoiser", "train one by nmflowgan train --arch dncnn")
    refuse_misfit(path)
    return _filled(path, _built(header), load_weights(path)[0]), header


def refuse_misfit(path: Path) -> Header:
    """The header of a weights file whose tensors are those that its options imply; WeightsError for any other.

    Nothing of the size that the options state is allocated.
    """
    header, shapes = read_shapes(path)
    expected = {name: tuple(tensor.shape) for name, tensor in outline(header).state_dict().items()}
    refuse_names(path, "lacks", expected.keys() - shapes.keys())
    refuse_names(path, "has unknown", shapes.keys() - expected.keys())
    refuse_names(path, "has wrongly shaped", (name for name in expected if expected[name] != shapes[name]))
    return header


def parameter_count(header: Header) -> int:
    """How many numbers were learned; a Gaussian model's are its tables."""
    model = outline(header)
    return sum(tensor.numel() for tensor in model.parameters()) or sum(tensor.numel() for tensor in model.buffers())


def import_checkpoint(path: Path) -> tuple[dict[str, Tensor], Header]:
    """State and header of a checkpoint of other code, read by the architecture whose layout it has.

    Raises WeightsError for a layout that no architecture has, and for a malformed checkpoint.
    """
    found = set(names_in(load_pickled(path, WeightsError)))
    rows = {name: row for name, row in ARCHITECTURES.items() if row.importer}
    for row in rows.values():
        if any(re.fullmatch(row.layout, name) for name in found):
            return load_reference(row.importer)(path)
    raise WeightsError(f"{path} holds no noise model", f"checkpoints of these are known: {', '.join(rows)}")


def described(header: Header, *, name: str = "", data: str = "", terms: str = "", cameras: str = "") -> Header:
    """The header of an imported checkpoint with what its maker says of it; ConditionError for an unknown camera.

    `cameras`: the only ones that it was trained on, codes or names with commas.
    """
    known, said = header.vocabulary, "as its maker says: {}"
    codes = [known.code(camera.strip()) for camera in cameras.split(",")] if cameras else known.cameras
    trained = {camera: isos if camera in codes else {} for camera, isos in known.trained.items()}
    return replace(
        header,
        name=name or header.name,
        vocabulary=replace(known, trained=trained),
        data=(said.format(data), *header.data[1:]) if data else header.data,
        terms=said.format(terms) if terms else header.terms,
    )


def _built(header: Header) -> nn.Module:
    """The module that `header` describes, noise model or denoiser, freshly initialised; raises WeightsError."""
    row = _row(header)
    given = () if row.denoiser else (header.vocabulary,)
    try:
        return load_reference(row.model)(*given, **header.options)
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for impossible sizes
        raise WeightsError(f"the options of {header.name or header.architecture} do not fit: {reason(error)}") from None


def outline(header: Header) -> nn.Module:
    """As `_built`, on torch's meta device: names and shapes without memory."""
    with torch.device("meta"):
        return _built(header)


def _row(header: Header) -> Architecture:
    row = of_header(header.architecture)
    if row is None:
        known = ", ".join(header_names())
        raise WeightsError(f"unknown architecture {header.architecture!r}", f"this tool knows {known}")
    return row


def _filled(path: Path, module: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """`module` with the tensors of the file, in evaluation mode."""
    try:
        module.load_state_dict(state)
    except Exception as error:  # noqa: BLE001 - tensors of a kind that cannot be copied
        raise WeightsError(f"{path} does not fit its header: {reason(error)}") from None
    return module.eval()
