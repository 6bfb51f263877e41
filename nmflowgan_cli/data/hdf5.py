"""Reader of HDF5 files in the layout of NM-FlowGAN's official preparation script.

A file a picture pair: `clean/<k>` and `noisy/<k>` are uint8 patches (3, H, W) in RGB, and the attributes of the group
`config` are the fields of SIDD's folder names. `smartphone-code` is a number there (IP 0, GP 1, S6 2, N6 3, G4 4); text
is taken as it is, so that other cameras can be written, too. Needs h5py (the extra `hdf5`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import CAMERA_NAMES, Condition
from nmflowgan_cli.errors import UsageError

HDF5_SUFFIXES = (".hdf5", ".h5")
OFFICIAL_CAMERAS = ("IP", "GP", "S6", "N6", "G4")
CHUNK = 256
"""Patches that are read at once: 14 MB of patches of 96 pixels."""


@dataclass(frozen=True)
class PatchStack:
    """Patches of one file; nothing is read until `load`."""

    path: Path
    keys: tuple[str, ...]
    side: tuple[int, int]
    """Height and width of a patch."""
    condition: Condition
    scene: str
    split: str
    name: str

    def size(self) -> tuple[int, int, int]:
        """Number of patches, height and width."""
        return len(self.keys), *self.side

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The clean and the noisy patches, each (N, H, W, 3) uint8 RGB; UsageError for a damaged file."""
        try:
            with _h5py().File(self.path) as file:
                clean, noisy = (np.stack([file[group][key][()] for key in self.keys]) for group in ("clean", "noisy"))
        except (OSError, KeyError, ValueError) as error:
            raise UsageError(f"{self.path} is damaged: {' '.join(str(error).split())}") from None
        return clean.transpose(0, 2, 3, 1), noisy.transpose(0, 2, 3, 1)


def is_hdf5(path: Path) -> bool:
    """Whether `path` is an HDF5 file, or a folder with some below it."""
    return path.suffix.lower() in HDF5_SUFFIXES if path.is_file() else any(_files(path))


def read_hdf5(path: Path) -> list[PatchStack]:
    """The patches of one file, or of all files below a folder, in the order of their paths.

    `split` is "val" below a folder named "test" or "val", else "train". Raises UsageError naming the file for one that
    is damaged or not in the layout, and where h5py is missing.
    """
    files, root = ([path], path.parent) if path.is_file() else (sorted(_files(path)), path)
    return [stack for file in files for stack in _stacks(file, root)]


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise UsageError("reading HDF5 needs h5py", "pip install 'nmflowgan-cli[hdf5]'") from None
    return h5py


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in HDF5_SUFFIXES)


def _stacks(path: Path, root: Path) -> Iterator[PatchStack]:
    try:
        with _h5py().File(path) as file:
            keys, side, config = _keys(file, path), _side(file, path), dict(file["config"].attrs)
    except OSError as error:
        raise UsageError(f"{path} is not an HDF5 file, or is damaged: {' '.join(str(error).split())[:100]}") from None
    condition, relative = _condition(config, path), path.relative_to(root)
    split = "val" if {"test", "val"} & {root.name, *relative.parent.parts} else "train"
    scene = f"{int(config['scene-number']):03d}" if "scene-number" in config else path.stem
    for first in range(0, len(keys), CHUNK):
        name = f"{relative.as_posix()}#{first}"
        yield PatchStack(path, keys[first : first + CHUNK], side, condition, scene, split, name)


def _keys(file: Any, path: Path) -> tuple[str, ...]:
    """The names of the patches, in the order of their numbers; UsageError where clean and noisy differ."""
    missing = [group for group in ("clean", "noisy", "config") if group not in file]
    if missing:
        raise UsageError(f"{path} has no group {missing[0]!r}", "expected clean/<k>, noisy/<k> and config")
    clean, noisy = set(file["clean"]), set(file["noisy"])
    if clean != noisy:
        raise UsageError(f"{path}: patch {min(clean ^ noisy)!r} has no partner", "clean/<k> and noisy/<k> are a pair")
    if not clean:
        raise UsageError(f"{path} holds no patches")
    return tuple(sorted(clean, key=lambda key: (len(key), key)))


def _side(file: Any, path: Path) -> tuple[int, int]:
    first = min(file["clean"])
    shapes = {file[group][first].shape for group in ("clean", "noisy")}
    shape = shapes.pop()
    if shapes or len(shape) != 3 or shape[0] != 3 or file["clean"][first].dtype != np.uint8:
        raise UsageError(f"{path}: patch {first!r} is not a pair of uint8 patches (3, H, W)")
    return shape[1], shape[2]


def _condition(config: Mapping[str, Any], path: Path) -> Condition:
    try:
        code, iso = config["smartphone-code"], int(config["ISO-level"])
    except (KeyError, ValueError) as error:
        raise UsageError(f"{path}: config lacks camera and ISO: {error}", "smartphone-code and ISO-level") from None
    text = code.decode() if isinstance(code, bytes) else str(code)
    if text.isdecimal() and int(text) < len(OFFICIAL_CAMERAS):
        text = OFFICIAL_CAMERAS[int(text)]
    if iso <= 0 or (text not in CAMERA_NAMES and text.lstrip("-").isdecimal()):
        raise UsageError(f"{path}: camera {text} at ISO {iso} does not exist", "smartphone-code and ISO-level")
    return Condition(text, iso)
