"""From a weights file to a model: one literal table of architectures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from torch import nn

from nmflowgan_cli.checkpoints.format import Header, load, refuse_names
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.models.base import NoiseModel


def _paper(vocabulary: Vocabulary, **options: Any) -> NoiseModel:
    from nmflowgan_cli.models.paper import PaperNMFlowGAN

    return PaperNMFlowGAN(vocabulary, **options)


def _lite(vocabulary: Vocabulary, **options: Any) -> NoiseModel:
    from nmflowgan_cli.models.lite import LiteNMFlowGAN

    return LiteNMFlowGAN(vocabulary, **options)


BUILDERS: dict[str, Callable[..., NoiseModel]] = {"paper": _paper, "lite": _lite}


def build(header: Header) -> NoiseModel:
    """The model that `header` describes, freshly initialised; raises WeightsError."""
    if header.architecture not in BUILDERS:
        known = ", ".join(BUILDERS)
        raise WeightsError(f"unknown architecture {header.architecture!r}", f"this tool knows {known}")
    try:
        return BUILDERS[header.architecture](header.vocabulary, **header.options)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"the options of {header.name or header.architecture} do not fit: {error}") from None


def load_model(path: Path) -> NoiseModel:
    """The model of a weights file, on the CPU and in evaluation mode; raises WeightsError."""
    state, header = load(path)
    model = build(header)
    module = cast(nn.Module, model)
    expected = module.state_dict()
    refuse_names(path, "lacks", expected.keys() - state.keys())
    refuse_names(path, "has unknown", state.keys() - expected.keys())
    refuse_names(path, "has wrongly shaped", (name for name in expected if expected[name].shape != state[name].shape))
    module.load_state_dict(state)
    module.eval()
    return model


def parameter_count(header: Header) -> int:
    """How many numbers were learned."""
    return sum(parameter.numel() for parameter in cast(nn.Module, build(header)).parameters())
