"""Reader of SIDD's validation blocks: 32 blocks of 256 x 256 pixels from each of 40 scene instances, in two .mat files.

The files do not name the instance of a row; SIDD's site lists the 40 names in their order. Needs SciPy (the extra
`mat`). https://abdokamel.github.io/sidd/.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.containers.base import damage_named, refuse_bomb
from nmflowgan_cli.data.origin import REAL, Origin
from nmflowgan_cli.data.sidd_instances import find_instance
from nmflowgan_cli.errors import UsageError

CLEAN, NOISY = "ValidationGtBlocksSrgb", "ValidationNoisyBlocksSrgb"
"""Names of the files, without .mat, and of the variables in them."""
INSTANCES = (
    "0009_001_S6_00800_00350_3200_L",
    "0021_001_GP_10000_05000_5500_N",
    "0024_001_N6_03200_01500_5500_N",
    "0026_001_G4_00400_00160_5500_L",
    "0031_001_IP_01600_02000_3200_N",
    "0037_002_GP_06400_03200_3200_L",
    "0041_002_IP_01600_04000_5500_L",
    "0046_002_G4_00400_00350_3200_L",
    "0049_002_N6_00800_00800_5500_L",
    "0053_002_S6_03200_02000_5500_N",
    "0056_003_N6_03200_04000_5500_N",
    "0058_003_G4_00400_00500_5500_L",
    "0061_003_S6_00800_00500_4400_L",
    "0067_003_GP_01600_01500_3200_L",
    "0071_003_IP_02000_04000_5500_L",
    "0074_004_N6_00400_00040_3200_L",
    "0079_004_G4_00800_00160_3200_N",
    "0082_004_S6_03200_00500_4400_L",
    "0085_004_GP_06400_02000_4400_N",
    "0093_004_IP_01250_00250_3200_L",
    "0095_005_N6_00400_00200_3200_L",
    "0100_005_G4_00800_00400_3200_N",
    "0103_005_S6_01600_00800_4400_L",
    "0109_005_GP_10000_08000_4400_N",
    "0112_005_IP_01000_07500_5500_L",
    "0119_006_N6_00400_00100_3200_L",
    "0124_006_G4_00800_00350_3200_N",
    "0128_006_S6_03200_01600_4400_L",
    "0131_006_GP_01600_01250_4400_N",
    "0141_006_IP_01600_01620_3200_L",
    "0143_007_N6_00800_00800_4400_N",
    "0148_007_G4_00400_00400_4400_L",
    "0153_007_S6_03200_03200_5500_L",
    "0158_007_GP_03200_03200_5500_N",
    "0162_007_IP_01600_01600_3200_L",
    "0171_008_N6_03200_01600_4400_L",
    "0174_008_G4_00800_00800_4400_N",
    "0176_008_S6_00400_00100_5500_L",
    "0183_008_GP_06400_06400_5500_N",
    "0187_008_IP_01600_01600_3200_L",
)
"""The scene instance of each row of the files."""


@dataclass(frozen=True)
class BlockStack:
    """The blocks of one scene instance; nothing is read until `load`."""

    folder: Path
    row: int
    blocks: tuple[int, int, int]
    """Number of blocks, height and width."""
    condition: Condition
    scene: str
    split: str
    name: str
    origin: Origin = REAL

    def size(self) -> tuple[int, int, int]:
        """Number of blocks, height and width."""
        return self.blocks

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The clean and the noisy blocks, each (N, H, W, 3) uint8 RGB; UsageError for a damaged file."""
        clean, noisy = (_variable(self.folder / f"{name}.mat", name) for name in (CLEAN, NOISY))
        return clean[self.row], noisy[self.row]


def is_sidd_blocks(folder: Path) -> bool:
    """Whether `folder` holds one of the two files."""
    return any((folder / f"{name}.mat").is_file() for name in (CLEAN, NOISY))


def read_sidd_blocks(folder: Path) -> list[BlockStack]:
    """A stack of blocks for each of the 40 scene instances; `split` is "val" for all of them.

    Raises UsageError naming the file for one that is missing, damaged or of another shape, and where SciPy is missing.
    """
    clean, noisy = (_shape(folder / f"{name}.mat", name) for name in (CLEAN, NOISY))
    if clean != noisy or len(clean) != 5 or clean[0] != len(INSTANCES) or clean[4] != 3:
        raise UsageError(f"{folder}: blocks of shapes {clean} and {noisy}", f"expected ({len(INSTANCES)}, N, H, W, 3)")
    return [_stack(folder, row, (clean[1], clean[2], clean[3])) for row in range(len(INSTANCES))]


def _stack(folder: Path, row: int, blocks: tuple[int, int, int]) -> BlockStack:
    instance = find_instance(INSTANCES[row])
    assert instance is not None
    return BlockStack(folder, row, blocks, instance.condition, instance.name, "val", INSTANCES[row])


def _scipy_io() -> ModuleType:
    try:
        import scipy.io
    except ImportError:
        raise UsageError("reading .mat files needs SciPy", "pip install scipy") from None
    return scipy.io


def _shape(path: Path, variable: str) -> tuple[int, ...]:
    if not path.is_file():
        raise UsageError(f"{path} does not exist", f"expected {CLEAN}.mat and {NOISY}.mat side by side")
    with damage_named(path, "a .mat file"):
        found = {name: (shape, kind) for name, shape, kind in _scipy_io().whosmat(path)}
        shapes = {name: shape for name, (shape, kind) in found.items()}
        if variable in found:
            refuse_bomb(path, prod(map(int, shapes[variable])), "its blocks")
            if found[variable][1] != "uint8":
                raise UsageError(f"{path}: {variable} is {found[variable][1]}, not uint8")
    if variable not in shapes:
        raise UsageError(f"{path} has no variable {variable}", f"it has {', '.join(shapes) or 'none'}")
    return tuple(shapes[variable])


@lru_cache(maxsize=2)
def _variable(path: Path, variable: str) -> NDArray[np.uint8]:
    """The whole variable: a .mat file cannot be read in parts (250 MB of SIDD's validation blocks)."""
    with damage_named(path, "a .mat file"):
        found = _scipy_io().loadmat(path, variable_names=[variable])[variable]
        if found.dtype != np.uint8:
            raise UsageError(f"{path}: {variable} is {found.dtype}, not uint8")
        return found
