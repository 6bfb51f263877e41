"""Container of HDF5 files in the layout of NM-FlowGAN's official preparation script, one a noisy picture.

`clean/<k>` and `noisy/<k>` are uint8 (3, H, W) RGB; the attributes of `config` are the fields of SIDD's folder names as
numbers. A camera that SIDD does not have is written by its code, and an unknown value as 0.
https://github.com/YoungJooHan/NM-FlowGAN (prep.py), file names `NNNN_<scene instance>.hdf5`.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from nmflowgan_cli.data.containers.base import FileContainer, Sample, Volume, require
from nmflowgan_cli.data.layouts import Label
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.imaging import Bytes

CAMERA_CODES = {"IP": 0, "GP": 1, "S6": 2, "N6": 3, "G4": 4}
BRIGHTNESS_CODES = {"L": 0, "N": 1, "H": 2}


class HDF5Container(FileContainer):
    """Needs h5py; all patches of a picture are of one size."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.h5py = require("h5py", "hdf5")

    def name(self, volume: Volume) -> str:
        label = volume.labels[0][0]
        return f"{volume.split}/{label.instance:04d}_{label.scene_instance}.hdf5"

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
        path = self.root / self.name(volume)
        write_whole(path, buffer.getbuffer())
        return [path]


def _config(label: Label) -> dict[str, int | str]:
    return {
        "scene-instance-number": label.instance,
        "scene-number": label.picture,
        "smartphone-code": CAMERA_CODES.get(label.condition.camera, label.condition.camera),
        "ISO-level": label.condition.iso,
        "shutter-speed": label.settings.shutter,
        "illuminant-temperature": label.settings.temperature,
        "illuminant-brightness-code": BRIGHTNESS_CODES[label.settings.brightness],
    }
