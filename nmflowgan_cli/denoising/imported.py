"""One-way import of DnCNN denoisers in the layout that the field's repositories share (`model.N.weight`).

So NAFlow's authors publish theirs, https://github.com/dongjinkim9/NAFlow (MIT): RGB in [0, 1], the noise predicted.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.checkpoints.pickled import load_tensors
from nmflowgan_cli.checkpoints.translation import imported_header, translated
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.denoising.dncnn import EPSILON
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.flow import LEVELS

RENAMED = ((r"^layers\.", "model."),)
"""From the names of `DnCNN` to theirs."""
USUAL_EPSILON = 1e-5
"""Of torch's batch norm, which such files do not state."""
LAYERS = 64
"""The deepest network that is believed."""


def import_dncnn(path: Path) -> tuple[dict[str, Tensor], Header]:
    """State and header of a DnCNN for RGB in [0, 1]; raises WeightsError for any other file."""
    found = load_tensors(path, "model_state_dict")
    depth, width = _shape(found, path)
    options = {"depth": depth, "width": width}
    header = imported_header(path, "dncnn", Vocabulary((), (), {}), options, terms="not known")
    header = replace(header, training={**header.training, "noise": "not known"})
    return _in_counts(translated(path, found, header, RENAMED), depth), header


def _shape(found: Mapping[str, Tensor], path: Path) -> tuple[int, int]:
    """Depth and width."""
    depth = sum(bool(re.fullmatch(r"model\.\d+\.weight", name)) and value.ndim == 4 for name, value in found.items())
    first = found.get("model.0.weight")
    if first is None or first.ndim != 4 or not 2 <= depth <= LAYERS:
        raise WeightsError(f"{path} lacks model.0.weight and the convolutions of a DnCNN")
    return depth, first.shape[0]


def _in_counts(state: Mapping[str, Tensor], depth: int) -> dict[str, Tensor]:
    """The same network where 1 is a count of 256, and the batch norms have our epsilon."""
    made = {name: value.clone() for name, value in state.items()}
    scale = LEVELS / WHITE
    made["layers.0.weight"] *= scale
    for name in ("weight", "bias"):
        made[f"layers.{3 * depth - 4}.{name}"] /= scale
    for name in made:
        if name.endswith("running_var"):
            made[name] += USUAL_EPSILON - EPSILON
    return made
