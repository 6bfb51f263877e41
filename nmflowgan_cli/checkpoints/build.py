"""From a weights file to a model: one literal table of architectures."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from nmflowgan_cli.checkpoints.format import Header, load_weights, read_header, refuse_names
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.models.base import NoiseModel

if TYPE_CHECKING:
    from nmflowgan_cli.denoising.dncnn import DnCNN


def _paper(vocabulary: Vocabulary, **options: Any) -> nn.Module:
    from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN

    return PaperNMFlowGAN(vocabulary, **options)


def _lite(vocabulary: Vocabulary, **options: Any) -> nn.Module:
    from nmflowgan_cli.models.nmflowgan.lite import LiteNMFlowGAN

    return LiteNMFlowGAN(vocabulary, **options)


def _gaussian(vocabulary: Vocabulary, **options: Any) -> nn.Module:
    from nmflowgan_cli.models.gaussian import GaussianNoise

    return GaussianNoise(vocabulary, **options)


def _dncnn(_: Vocabulary, **options: Any) -> nn.Module:
    from nmflowgan_cli.denoising.dncnn import DnCNN

    return DnCNN(**options)


BUILDERS: dict[str, Callable[..., nn.Module]] = {"paper": _paper, "lite": _lite, "gaussian": _gaussian, "dncnn": _dncnn}
DENOISERS = ("dncnn",)


def build(header: Header) -> NoiseModel:
    """The noise model that `header` describes, freshly initialised; raises WeightsError, also for a denoiser."""
    if header.architecture in DENOISERS:
        name = header.name or header.architecture
        raise WeightsError(f"{name} is a denoiser, not a noise model", "judge it by nmflowgan evaluate --denoiser")
    return cast(NoiseModel, _built(header))


def load_model(path: Path) -> NoiseModel:
    """The noise model of a weights file, on the CPU and in evaluation mode; raises WeightsError."""
    state, header = load_weights(path)
    return cast(NoiseModel, _filled(path, cast(nn.Module, build(header)), state))


def load_denoiser(path: Path) -> "tuple[DnCNN, Header]":
    """The denoiser of a weights file, on the CPU and in evaluation mode; WeightsError, also for a noise model."""
    header = read_header(path)
    if header.architecture not in DENOISERS:
        raise WeightsError(f"{path} is a noise model, not a denoiser", "train one by nmflowgan train --model dncnn")
    return cast("DnCNN", _filled(path, _built(header), load_weights(path)[0])), header


def parameter_count(header: Header) -> int:
    """How many numbers were learned; a Gaussian model's are its tables."""
    model = _built(header)
    return sum(tensor.numel() for tensor in model.parameters()) or sum(tensor.numel() for tensor in model.buffers())


def _built(header: Header) -> nn.Module:
    if header.architecture not in BUILDERS:
        known = ", ".join(BUILDERS)
        raise WeightsError(f"unknown architecture {header.architecture!r}", f"this tool knows {known}")
    try:
        return BUILDERS[header.architecture](header.vocabulary, **header.options)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"the options of {header.name or header.architecture} do not fit: {error}") from None


def _filled(path: Path, module: nn.Module, state: Any) -> nn.Module:
    """`module` with the tensors of the file, in evaluation mode."""
    expected = module.state_dict()
    refuse_names(path, "lacks", expected.keys() - state.keys())
    refuse_names(path, "has unknown", state.keys() - expected.keys())
    refuse_names(path, "has wrongly shaped", (name for name in expected if expected[name].shape != state[name].shape))
    module.load_state_dict(state)
    return module.eval()
