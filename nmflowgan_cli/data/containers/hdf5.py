"""HDF5 container in the layout of NM-FlowGAN's official preparation script: a file a noisy picture.

`clean/<k>` and `noisy/<k>` are uint8 (3, H, W) RGB; the attributes of the group `config` are the fields of SIDD's
folder names. `smartphone-code` is a number there (IP 0, GP 1, S6 2, N6 3, G4 4); text is taken as it is. The origin of
the noise is in the attributes of the file. Needs h5py (the extra `hdf5`).
https://github.com/YoungJooHan/NM-FlowGAN (prep.py), files `noise_gen/{train,test}/NNNN_<scene instance>.hdf5`.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import CAMERA_NAMES, Condition
from nmflowgan_cli.data.containers.base import FileContainer, Sample, Volume, damage_named, refuse_bomb, require
from nmflowgan_cli.data.folders import part_of
from nmflowgan_cli.data.layouts import Label
from nmflowgan_cli.data.manifest import pair_origin
from nmflowgan_cli.data.origin import UNSTATED, Origin, origin_of, refuse_iso
from nmflowgan_cli.data.sidd_instances import FIRST_FRAME, SceneInstance
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.imaging import Bytes

HDF5_SUFFIXES = (".hdf5", ".h5")
CHUNK = 256
"""Patches that are read at once: 14 MB of patches of 96 pixels."""
OFFICIAL_CAMERAS = ("IP", "GP", "S6", "N6", "G4")
OFFICIAL_ISOS = (100, 400, 800, 1600, 3200)
"""What the authors' code knows; it takes any other ISO for 100, and fails for any other camera."""
PARTS = {"train": "train", "val": "test"}
"""What the authors call the parts of a division."""
BRIGHTNESS = ("L", "N", "H")
LARGEST_ATTRIBUTE = 1024
"""Bytes."""


class HDF5Container(FileContainer):
    """Needs h5py; all patches of a picture are of one size."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.h5py = require("h5py", "hdf5")

    def name(self, volume: Volume) -> str:
        instance, frame = volume.labels[0][0].instance, volume.labels[0][0].frame
        mark = "" if frame in (None, FIRST_FRAME) else f"_{frame:03d}"
        return f"noise_gen/{PARTS[volume.split]}/{instance.number:04d}_{instance.name}{mark}.hdf5"

    def unsupported(self, condition: Condition) -> str:
        if condition.camera not in OFFICIAL_CAMERAS:
            return f"NM-FlowGAN's own code knows no camera {condition.camera}, only {', '.join(OFFICIAL_CAMERAS)}"
        if condition.iso not in OFFICIAL_ISOS:
            known = ", ".join(map(str, OFFICIAL_ISOS))
            return f"NM-FlowGAN's own code takes ISO {condition.iso} for 100, it knows {known}"
        return ""

    def encode(self, patch: Bytes) -> bytes:
        """The pixels of (H, W, 3) as those of (3, H, W): HDF5 keeps arrays, not pictures."""
        return np.ascontiguousarray(patch.transpose(2, 0, 1)).tobytes()

    def write(self, volume: Volume, pictures: Iterable[Sequence[Sample]]) -> list[Path]:
        buffer = io.BytesIO()
        [samples] = pictures
        with self.h5py.File(buffer, "w") as file:
            for number, sample in enumerate(samples):
                shape = (3, sample.facts["height"], sample.facts["width"])
                for group, data in (("clean", sample.clean), ("noisy", sample.noisy)):
                    file[f"{group}/{number}"] = np.frombuffer(data, np.uint8).reshape(shape)
            file.create_group("config").attrs.update(_config(samples[0].label))
            file.attrs.update(_origin(samples[0].facts))
        path = self.root / self.name(volume)
        write_whole(path, buffer.getbuffer())
        return [path]


def _config(label: Label) -> dict[str, int | str]:
    instance, camera = label.instance, label.instance.condition.camera
    return {
        "scene-instance-number": instance.number,
        "scene-number": int(instance.scene),
        "smartphone-code": OFFICIAL_CAMERAS.index(camera) if camera in OFFICIAL_CAMERAS else camera,
        "ISO-level": instance.condition.iso,
        "shutter-speed": instance.shutter,
        "illuminant-temperature": instance.temperature,
        "illuminant-brightness-code": BRIGHTNESS.index(instance.brightness),
    }


def _origin(facts: Mapping[str, Any]) -> dict[str, str | int]:
    """Origin of the noise and number of the frame as attributes of the file, which the authors' code ignores."""
    return {name: facts[name] for name in ("noise", "weights_sha256", "seed", "frame") if facts.get(name) is not None}


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
    origin: Origin = UNSTATED

    def size(self) -> tuple[int, int, int]:
        """Number of patches, height and width."""
        return len(self.keys), *self.side

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The clean and the noisy patches, each (N, H, W, 3) uint8 RGB; UsageError for a damaged file."""
        with damage_named(self.path, "an HDF5 file"), require("h5py", "hdf5").File(self.path) as file:
            refuse_bomb(self.path, 6 * len(self.keys) * self.side[0] * self.side[1])
            clean, noisy = (
                np.stack([_patch(file, group, key, self.side)[()] for key in self.keys]) for group in ("clean", "noisy")
            )
        return clean.transpose(0, 2, 3, 1), noisy.transpose(0, 2, 3, 1)


def read_hdf5(path: Path, root: Path) -> Iterator[PatchStack]:
    """The patches of a file; `root`: the folder that names are relative to.

    `split` is "val" below a folder named "test" or "val", else "train". Raises UsageError for a file that is damaged
    or not in the layout, and where h5py is missing.
    """
    with damage_named(path, "an HDF5 file"), require("h5py", "hdf5").File(path) as file:
        keys, side = _keys(file, path), _side(file, path)
        config, stated = _attributes(file["config"]), _attributes(file)
        condition = _condition(config, path)
    relative = path.relative_to(root)
    instance = _instance(config, condition)
    origin = origin_of(stated) if "noise" in stated else pair_origin(path, instance)
    refuse_iso(condition.iso, origin, str(path))
    scene = _scene_number(config, path.stem) if instance is None else instance.name
    for first in range(0, len(keys), CHUNK):
        name = f"{relative.as_posix()}#{first}"
        part = part_of(Path(root.name) / relative.parent)
        yield PatchStack(path, keys[first : first + CHUNK], side, condition, scene, part, name, origin)


def _instance(config: Mapping[str, Any], condition: Condition) -> SceneInstance | None:
    """The scene instance of a file; None where its numbers are missing or wrong."""
    try:
        number, scene = int(config["scene-instance-number"]), f"{int(config['scene-number']):03d}"
        shutter, temperature = int(config["shutter-speed"]), int(config["illuminant-temperature"])
        return SceneInstance(
            number, scene, condition, shutter, temperature, BRIGHTNESS[int(config["illuminant-brightness-code"])]
        )
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None


def _scene_number(config: Mapping[str, Any], unknown: str) -> str:
    """The scene as SIDD's names write it; `unknown` where it is missing or wrong."""
    try:
        return f"{int(config['scene-number']):03d}"
    except (KeyError, ValueError, TypeError, OverflowError):
        return unknown


def _keys(file: Any, path: Path) -> tuple[str, ...]:
    """The names of the patches, in the order of their numbers; UsageError where clean and noisy differ."""
    hard = require("h5py", "hdf5").HardLink
    groups = ("clean", "noisy", "config")
    missing = [group for group in groups if not isinstance(file.get(group, getlink=True), hard)]
    if missing:
        raise UsageError(f"{path} has no group {missing[0]!r}", "expected clean/<k>, noisy/<k> and config")
    clean, noisy = set(file["clean"]), set(file["noisy"])
    if clean != noisy:
        raise UsageError(
            f"{path}: patch {min(clean ^ noisy, key=str)!r} has no partner", "clean/<k> and noisy/<k> are a pair"
        )
    if not clean:
        raise UsageError(f"{path} holds no patches")
    return tuple(sorted(clean, key=lambda key: (len(key), key)))


def _side(file: Any, path: Path) -> tuple[int, int]:
    first = min(file["clean"])
    shape = file["clean"][first].shape
    if len(shape) != 3:
        raise UsageError(f"{path}: patch {first!r} is not a pair of uint8 patches (3, H, W)")
    for group in ("clean", "noisy"):
        _patch(file, group, first, shape[1:])
    return shape[1], shape[2]


def _patch(file: Any, group: str, key: str, side: tuple[int, int]) -> Any:
    """The dataset of a patch, within this file and not read yet; UsageError for anything else, and for a bomb."""
    h5py, path = require("h5py", "hdf5"), Path(file.filename)
    if not isinstance(file[group].get(key, getlink=True), h5py.HardLink):
        raise UsageError(f"{path}: patch {key!r} is a link, which is not followed")
    found = file[group][key]
    if not isinstance(found, h5py.Dataset) or found.shape != (3, *side) or found.dtype != np.uint8 or 0 in side:
        raise UsageError(f"{path}: patch {key!r} is not a pair of uint8 patches (3, H, W)")
    if found.is_virtual or found.external:
        raise UsageError(f"{path}: patch {key!r} lies in another file, which is not opened")
    refuse_bomb(path, max(int(np.prod(found.shape)), int(np.prod(found.chunks or (0,)))), f"patch {key!r} and others")
    return found


def _attributes(node: Any) -> dict[str, Any]:
    """The attributes of a file or group that are single small values."""
    small = [name for name in node.attrs if node.attrs.get_id(name).get_storage_size() <= LARGEST_ATTRIBUTE]
    return {name: node.attrs[name] for name in small}


def _condition(config: Mapping[str, Any], path: Path) -> Condition:
    try:
        code, iso = config["smartphone-code"], int(config["ISO-level"])
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"{path}: config lacks camera and ISO: {error}", "smartphone-code and ISO-level") from None
    text = code.decode() if isinstance(code, bytes) else str(code)
    if text.isdecimal() and int(text) < len(OFFICIAL_CAMERAS):
        text = OFFICIAL_CAMERAS[int(text)]
    if text not in CAMERA_NAMES and text.lstrip("-").isdecimal():
        raise UsageError(f"{path}: camera {text} at ISO {iso} does not exist", "smartphone-code and ISO-level")
    return Condition(text, iso)
