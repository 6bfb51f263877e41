"""Table I of Han & Yu, https://arxiv.org/abs/2312.10112: its columns and averages.

A column is the mean over all patches of a camera, whatever their ISO. The printed average weighs the columns by the
numbers of test patches, which the paper does not give; they follow from its crops (96 pixels every 48, borders
covered) of the 44 pictures of its 22 test instances, and give the printed average of every row but one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmflowgan_cli.evaluation.scores import PictureScore

PATCH, STEP = 96, 48
PAPER_PATCHES = {"G4": 27_972, "GP": 53_550, "IP": 74_088, "N6": 22_880, "S6": 83_916}
PRINTED = {
    "AWGN": ((0.0672, 0.1136, 0.0559, 0.1467, 0.0836), 0.0856),
    "heteroscedastic": ((0.0718, 0.1393, 0.0575, 0.1330, 0.0823), 0.0779),
    "C2N": ((0.2296, 0.4460, 0.1172, 0.2399, 0.6822), 0.3878),
    "NeCA-W": ((0.0893, 0.0867, 0.0452, 0.0847, 0.0716), 0.0706),
    "sRGBFlow": ((0.0424, 0.0669, 0.0390, 0.0528, 0.0439), 0.0477),
    "NM-FlowGAN": ((0.0389, 0.0259, 0.0164, 0.0407, 0.0334), 0.0283),
    "NeCA-W, paired": ((0.0611, 0.0260, 0.0284, 0.0435, 0.0337), 0.0344),
    "NAFlow, paired": ((0.0186, 0.0681, 0.0129, 0.0423, 0.0164), 0.0286),
}
"""The rows of the table as they are printed: columns in the order of PAPER_PATCHES, and average."""


@dataclass(frozen=True)
class Averages:
    """One row of the table."""

    cameras: Mapping[str, float]
    """Mean over the patches of each camera."""
    plain: float
    """Mean of the cameras."""
    paper_weighted: float
    """With PAPER_PATCHES; of the cameras that have a number there, NaN if none has."""
    patch_weighted: float
    """With the patches of the data at hand: the mean over all of them."""


@dataclass(frozen=True)
class Table1:
    """A model's row of Table I: the KLD of rounded noise, and of un-rounded noise, which the paper prints."""

    patches: Mapping[str, int]
    """Number of patches of each camera in the data at hand."""
    kld: Averages
    kld_official: Averages


def table1(pictures: Sequence[PictureScore]) -> Table1:
    """The row of a model that was judged by patches of 96 pixels every 48, borders covered."""
    cameras = sorted({picture.condition.camera for picture in pictures})
    patches = {camera: sum(p.patches for p in pictures if p.condition.camera == camera) for camera in cameras}

    def column(name: str, camera: str) -> float:
        mine = [picture for picture in pictures if picture.condition.camera == camera]
        return sum(getattr(picture, name) * picture.patches for picture in mine) / patches[camera]

    rows = {name: {camera: column(name, camera) for camera in cameras} for name in ("kld", "kld_official")}
    return Table1(patches, averages(rows["kld"], patches), averages(rows["kld_official"], patches))


def averages(cameras: Mapping[str, float], patches: Mapping[str, int]) -> Averages:
    """The averages of a row of columns. `patches`: of each camera, at hand."""
    return Averages(
        cameras=cameras,
        plain=weighted(cameras, dict.fromkeys(cameras, 1)),
        paper_weighted=weighted(cameras, PAPER_PATCHES),
        patch_weighted=weighted(cameras, patches),
    )


def weighted(columns: Mapping[str, float], weights: Mapping[str, int]) -> float:
    """The weighted mean of the columns that have a weight; NaN if none has."""
    total = sum(weights.get(camera, 0) for camera in columns)
    return sum(value * weights.get(camera, 0) for camera, value in columns.items()) / total if total else float("nan")
