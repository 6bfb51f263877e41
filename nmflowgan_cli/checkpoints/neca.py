"""One-way import of NeCA checkpoints, https://github.com/xuan611/sRGB-Real-Noise-Synthesis: {epoch, model_state_dict}.

checkpoint_E.pth, with checkpoint_G1.pth and checkpoint_G2.pth beside it, is NeCA-W; checkpoint_G2.pth alone is NeCA-S.
The files do not say which camera they are of, and hold no gains: those of NeCA-W are learnt by training on from it.
"""

from pathlib import Path

from torch import Tensor

from nmflowgan_cli.checkpoints.c2n import ALL_CODES
from nmflowgan_cli.checkpoints.format import refuse_names
from nmflowgan_cli.checkpoints.pickled import load_tensors
from nmflowgan_cli.checkpoints.translation import Header, imported_header, translated
from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.models.neca import gainless

TERMS = "code and weights: no licence given"
LEVEL = 25
"""Of the authors' NeCA-S, in counts."""
PARTS = {"gain_net": "E", "level_net": "G1", "correlation_net": "G2"}
"""Networks, and how their files end."""
GAIN, CORRELATION = "linear.0.0.weight", "decoder_head.0.weight"


def import_neca(path: Path) -> tuple[dict[str, Tensor], Header]:
    """State and header of checkpoints of NeCA; raises WeightsError."""
    given = _tensors(path)
    if CORRELATION in given:
        networks, option = {"correlation_net": given}, {"level": LEVEL}
    elif GAIN in given:
        beside = {part: path.with_name(f"checkpoint_{end}.pth") for part, end in PARTS.items() if part != "gain_net"}
        networks = {"gain_net": given, **{part: _tensors(file) for part, file in beside.items()}}
        option = {"width": given[GAIN].shape[1]}
    else:
        raise WeightsError(
            f"{path} is a part of NeCA", "import checkpoint_E.pth (NeCA-W) or checkpoint_G2.pth (NeCA-S)"
        )
    found = {f"{part}.{name}": tensor for part, tensors in networks.items() for name, tensor in tensors.items()}
    header = imported_header(path, "neca", ALL_CODES, {**_widths(found, path), **option}, terms=TERMS)
    if "level" not in option:
        found["gains"] = gainless(ALL_CODES)
    return translated(path, found, header, ()), header


def _tensors(path: Path) -> dict[str, Tensor]:
    return load_tensors(path, "model_state_dict")


def _widths(found: dict[str, Tensor], path: Path) -> dict[str, list[int]]:
    """Channels of the levels of the U-Net, 4 of them as published."""
    names = [f"correlation_net.encoders.{level}.0.bias" for level in range(4)]
    refuse_names(path, "lacks", set(names) - found.keys())
    return {"widths": [found[name].numel() for name in names]}
