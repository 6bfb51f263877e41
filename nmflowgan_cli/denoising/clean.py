"""Clean patches of photographs for a denoiser, each with a camera and an ISO whose noise it is to get."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.data.batches import UNKNOWN_PHASE, Batch
from nmflowgan_cli.data.simulate import exposed_crops
from nmflowgan_cli.synthesis.condition_choice import ANY, Choices, choices


@dataclass
class CleanSource:
    """Draws batches of clean patches at varied exposure; every camera of `known` is as frequent."""

    pictures: Sequence[NDArray[np.uint8]]
    """(H, W, 3) each."""
    known: Vocabulary
    """Of the noise model."""
    patch: int
    camera: str = ""
    """The only one; "" for all that the model knows."""

    def __post_init__(self) -> None:
        self._choices: Choices = choices(self.known, [self.camera or ANY], [ANY])

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing: photographs may be mended while a training rests."""
        return {}

    @property
    def parts(self) -> dict[str, Any]:
        """Nothing: a batch depends on the random generator alone."""
        return {}

    def vocabulary(self, patches: int) -> Vocabulary:
        """The cameras and ISOs of the noise model, which `patches` patches are spread over evenly."""
        cameras = tuple(camera for camera, _ in self._choices.cameras)
        isos = {camera: self.known.trained_isos(camera) for camera in cameras}
        each = patches / len(cameras)
        trained = {camera: {iso: math.ceil(each / len(known)) for iso in known} for camera, known in isos.items()}
        return Vocabulary(cameras, tuple(sorted({iso for known in isos.values() for iso in known})), trained)

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """`size` patches whose noisy counts are the clean ones as yet."""
        clean, _ = exposed_crops(self.pictures, size, self.patch, rng)
        seeds = rng.integers(2**62, size=size)
        conditions = [self._choices.draw(int(seed), "", 0) for seed in seeds]
        return Batch(clean, clean, conditions, torch.full((size,), UNKNOWN_PHASE))
