"""One-way import of checkpoints of sRGBFlow, https://github.com/SamsungLabs/Noise2NoiseFlow (sRGB_noise_modeling).

The codes whose rows of the tables are zero were never trained: ten of 25 in the authors' own files. They are refused at
synthesis like other unknown ones, or interpolated where they lie between trained ISOs.
"""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.checkpoints.official import VOCABULARY, learnt_codes
from nmflowgan_cli.checkpoints.pickled import load_tensors
from nmflowgan_cli.checkpoints.translation import imported_header, translated

TERMS = "code, and weights of its authors: non-commercial (CC BY-NC-SA 4.0)"
UNUSED = r"base_dist\.buffer|.*\.ldj_per_dim|.*\._shift_and_log_scale\.net\.[03]\..*"
"""Constants of the authors' code, and second names of two convolutions."""
RENAMED = (
    *((rf"^flow\.layers\.{layer}\.", rf"model.{layer + 1}.") for layer in range(1, 21)),
    (r"\.convolution\.", "."),
    (r"\.code_net\.first\.", "._encoder.initial_layer."),
    (r"\.code_net\.last\.", "._encoder.final_layer."),
    (r"\.code_net\.blocks\.(\d)\.norms\.", r"._encoder.blocks.\1.batch_norm_layers."),
    (r"\.code_net\.blocks\.(\d)\.linears\.", r"._encoder.blocks.\1.linear_layers."),
    (r"\.net\.0\.", "._shift_and_log_scale.conv2d_1."),
    (r"\.net\.3\.", "._shift_and_log_scale.conv2d_2."),
    (r"\.net\.([14])\.", r"._shift_and_log_scale.net.\1."),
    (r"\.last\.", "._shift_and_log_scale.conv2d_3."),
    (r"\.(scale|logs)$", r"._shift_and_log_scale.\1"),
)
"""From the names of `SRGBFlow` to the authors'."""


def import_srgbflow(path: Path) -> tuple[dict[str, Tensor], Header]:
    """State and header of a checkpoint of sRGBFlow; raises WeightsError."""
    header = imported_header(path, "srgbflow", VOCABULARY, {}, terms=TERMS)
    state = translated(path, load_tensors(path, "state_dict"), header, RENAMED, unused=UNUSED)
    return state, replace(header, vocabulary=replace(VOCABULARY, trained=learnt_codes(state)))
