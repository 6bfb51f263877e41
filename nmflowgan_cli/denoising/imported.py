"""One-way import of DnCNN denoisers in the layout that the field's repositories share (`model.N.weight`).

So NAFlow's authors publish theirs, https://github.com/dongjinkim9/NAFlow (MIT): RGB in [0, 1], the noise predicted.
Only tensors, numbers and containers are read (`weights_only`); nothing in the file is executed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmflowgan_cli.checkpoints.format import Header, refuse_names
from nmflowgan_cli.checkpoints.pickled import load_pickled
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.denoising.dncnn import EPSILON, DnCNN
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.files import sha256
from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.flow import LEVELS

STATE = "model_state_dict"
USUAL_EPSILON = 1e-5
"""Of torch's batch norm, which such files do not state."""
LAYERS = 64
"""The deepest network that is believed."""


def import_dncnn(path: Path) -> tuple[dict[str, Tensor], Header]:
    """State and header of a DnCNN for RGB in [0, 1]; raises WeightsError for any other file."""
    found = _state(load_pickled(path, WeightsError), path)
    depth, width = _shape(found, path)
    with torch.device("meta"):
        expected = DnCNN(depth=depth, width=width).state_dict()
    refuse_names(path, "lacks", expected.keys() - found.keys())
    refuse_names(path, "has unknown", found.keys() - expected.keys())
    refuse_names(path, "has wrongly shaped", (name for name in expected if found[name].shape != expected[name].shape))
    return _in_counts(found, depth), _header(path, depth, width)


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    """The tensors by our names; `model.N` is our `layers.N`."""
    state = content.get(STATE, content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds no state of a DnCNN", f"expected {STATE} with model.0.weight")
    return {re.sub(r"^model\.", "layers.", str(name)): value for name, value in state.items()}


def _shape(state: Mapping[str, Tensor], path: Path) -> tuple[int, int]:
    """Depth and width."""
    convolutions = [
        name for name, value in state.items() if re.fullmatch(r"layers\.\d+\.weight", name) and value.ndim == 4
    ]
    first = state.get("layers.0.weight")
    if first is None or first.ndim != 4 or not 2 <= len(convolutions) <= LAYERS:
        raise WeightsError(f"{path} lacks model.0.weight and the convolutions of a DnCNN")
    return len(convolutions), first.shape[0]


def _in_counts(state: Mapping[str, Tensor], depth: int) -> dict[str, Tensor]:
    """The same network where 1 is a count of 256, and the batch norms have our epsilon."""
    made = {name: value.clone().contiguous() for name, value in state.items()}
    scale = LEVELS / WHITE
    made["layers.0.weight"] *= scale
    for name in ("weight", "bias"):
        made[f"layers.{3 * depth - 4}.{name}"] /= scale
    for name in made:
        if name.endswith("running_var"):
            made[name] += USUAL_EPSILON - EPSILON
    return made


def _header(path: Path, depth: int, width: int) -> Header:
    digest = sha256(path)
    return Header(
        architecture="dncnn",
        options={"depth": depth, "width": width},
        vocabulary=Vocabulary((), (), {}),
        name=path.stem,
        data=("what it was trained on is not known", f"imported from {path.name} (sha256 {digest[:16]}...)"),
        terms="not known",
        training={"imported": path.name, "imported_sha256": digest, "noise": "not known"},
    )
