"""Simulated pairs: clean photographs at varied exposure through the camera simulator.

SIDD's scenes are dark and photographs are not, so each crop's exposure is drawn anew (in linear light).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmflowgan_cli.conditions import UNKNOWN_ISO, Condition, Vocabulary
from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.errors import OutOfMemoryError, UsageError
from nmflowgan_cli.imaging import is_picture, read, size
from nmflowgan_cli.imaging.memory import available, spoken
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.isp import CameraProfile, captures, expose, headroom_of
from nmflowgan_cli.models.srgb import from_linear, to_linear

EXPOSURES = (0.06, 1.3)
"""Factors on linear light, drawn log-uniformly."""


def load_clean(folder: Path, *, smallest: int) -> list[NDArray[np.uint8]]:
    """All pictures below `folder` as (H, W, 3) uint8, in the order of their paths.

    Raises UsageError where there are none, or one has a side below `smallest` pixels, PictureError for one that cannot
    be read, OutOfMemoryError where they do not fit together.
    """
    paths = sorted(path for path in folder.rglob("*") if is_picture(path))
    if not paths:
        raise UsageError(f"no pictures below {folder}", "expected PNG, JPEG, WebP, TIFF or BMP")
    sizes = {path: size(path) for path in paths}
    for path, sides in sizes.items():
        if min(sides) < smallest:
            raise UsageError(f"{path} is smaller than a patch of {smallest} pixels", "leave it out, or use --patch")
    occupied, left = sum(3 * height * width for height, width in sizes.values()), available()
    if occupied > left:
        told = f"the {len(paths)} pictures below {folder} take {spoken(occupied)}, and {spoken(left)} are free"
        raise OutOfMemoryError(told, "train on fewer of them, or cut them")
    return [read(path).rgb for path in paths]


def random_crop(picture: NDArray[np.uint8], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(3, size, size) counts: a crop of an (H, W, 3) picture, turned and mirrored at random."""
    top, left = (int(rng.integers(side - size + 1)) for side in picture.shape[:2])
    crop = np.rot90(picture[top : top + size, left : left + size], int(rng.integers(4)))
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return np.ascontiguousarray(crop.transpose(2, 0, 1))


def vary_exposure(counts: Tensor, factors: Tensor) -> tuple[Tensor, Tensor]:
    """Counts at `factors` (N,) times the light, rounded and clipped to [0, 255], and the linear light of these.

    `counts`: (N, 3, H, W) uint8. Returns two float32 tensors of that shape.
    """
    # Tables of the 256 counts for each sample: powers of every pixel would take longer than all the rest.
    linear = to_linear(torch.arange(256.0) / 255)
    exposed = (from_linear(linear * factors[:, None]) * 255).round().clamp(0, 255)
    tables, places = (exposed, linear[exposed.long()]), counts.flatten(1).long()
    clean, light = (table.gather(1, places).view(counts.shape) for table in tables)
    return clean, light


def exposed_crops(
    pictures: Sequence[NDArray[np.uint8]], count: int, size: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """`count` crops of random pictures at random exposures, see `vary_exposure`."""
    crops = [random_crop(pictures[int(rng.integers(len(pictures)))], size, rng) for _ in range(count)]
    low, high = EXPOSURES
    factors = torch.from_numpy(np.exp(rng.uniform(math.log(low), math.log(high), count)).astype(np.float32))
    return vary_exposure(torch.from_numpy(np.stack(crops)), factors)


@dataclass
class Simulator:
    """Draws batches of simulated pairs; every camera is as frequent, and every ISO stop of it."""

    pictures: Sequence[NDArray[np.uint8]]
    profiles: dict[str, CameraProfile]
    patch: int
    name: str = "ISP simulator"

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing: pictures and profiles may be mended while a training rests."""
        return {}

    @property
    def parts(self) -> dict[str, Any]:
        """Nothing: a batch depends on the random generator alone."""
        return {}

    def vocabulary(self, patches: int) -> Vocabulary:
        """The vocabulary of a model that has seen `patches` patches, spread evenly over cameras and their ISOs."""
        per_camera = patches / len(self.profiles)
        trained = {
            camera: {iso: math.ceil(per_camera / len(profile.noise)) for iso in sorted(profile.noise)}
            for camera, profile in self.profiles.items()
        }
        isos = sorted({iso for profile in self.profiles.values() for iso in profile.noise})
        return Vocabulary(tuple(self.profiles), tuple(isos), trained)

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        clean, linear = exposed_crops(self.pictures, size, self.patch, rng)
        conditions = [self._condition(rng) for _ in range(size)]
        phase = torch.from_numpy(rng.integers(bayer.SITES, size=size))
        cameras = [self.profiles[condition.camera] for condition in conditions]
        settings = captures(
            cameras,
            [condition.iso for condition in conditions],
            torch.from_numpy(rng.random((size, 2), np.float32)),
        )
        normal = torch.from_numpy(rng.standard_normal((size, 1, self.patch, self.patch), np.float32))
        return Batch(clean, expose(linear, settings, phase, normal, headroom_of(cameras)), conditions, phase)

    def _condition(self, rng: np.random.Generator) -> Condition:
        camera = list(self.profiles)[rng.integers(len(self.profiles))]
        isos = sorted(self.profiles[camera].noise)
        if rng.random() < 0.5 or isos[0] == UNKNOWN_ISO:
            return Condition(camera, isos[rng.integers(len(isos))])
        return Condition(camera, round(math.exp(rng.uniform(math.log(isos[0]), math.log(isos[-1])))))
