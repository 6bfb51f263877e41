"""One-way import of generators of C2N, https://github.com/onwn/C2N: the bare state of the network."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from nmflowgan_cli.checkpoints.format import Header, refuse_names
from nmflowgan_cli.checkpoints.official import VOCABULARY
from nmflowgan_cli.checkpoints.pickled import load_tensors
from nmflowgan_cli.checkpoints.translation import imported_header, translated

TERMS = "code: MIT; weights: as their authors say, not known here"
WIDTH = "ext_head.0.bias"
"""A tensor that is as long as the network is wide."""
RENAMED = (
    (r"^body\.", "ext."),
    (r"^(head|merge)\.", r"ext_\1."),
    (r"^tail\.", "T_tail."),
    (r"^independent\.", "indep."),
    (r"^dependent\.", "dep."),
    (r"^(indep|dep)\.merge\.", r"\1_merge."),
    (r"^(indep|dep)\.pointwise\.", r"pipe_\1_1."),
    (r"^(indep|dep)\.spatial\.", r"pipe_\1_3."),
    (r"\.layers\.", ".body."),
)
"""From the names of `C2N` to the authors'."""

ALL_CODES = replace(VOCABULARY, trained={camera: dict.fromkeys(VOCABULARY.isos, 1) for camera in VOCABULARY.cameras})
"""All cameras and ISOs of SIDD, which mean nothing to the model."""


def import_c2n(path: Path) -> tuple[dict[str, Tensor], Header]:
    """State and header of a generator of C2N; raises WeightsError."""
    found = {name.removeprefix("module."): tensor for name, tensor in load_tensors(path, "state_dict").items()}
    refuse_names(path, "lacks", {WIDTH} - found.keys())
    header = imported_header(path, "c2n", ALL_CODES, {"width": found[WIDTH].numel()}, terms=TERMS)
    return translated(path, found, header, RENAMED), header
