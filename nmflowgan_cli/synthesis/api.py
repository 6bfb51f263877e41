"""Camera noise from Python: `load` weights once, then `synthesize` arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.notices import warnings_logged
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.runtime import resolve_device
from nmflowgan_cli.synthesis.condition_choice import choices
from nmflowgan_cli.synthesis.engine import synthesize
from nmflowgan_cli.synthesis.weights import find_weights

D = TypeVar("D", np.uint8, np.uint16)


@dataclass(frozen=True)
class CameraNoise:
    """A noise model, ready on its device."""

    model: NoiseModel
    device: torch.device
    terms: str = ""
    """Terms of use of the weights; empty where they state none."""

    def synthesize(
        self,
        picture: NDArray[D],
        *,
        camera: str | None = None,
        iso: int | None = None,
        seed: int = 0,
        relative_path: str = "picture",
        repeat: int = 0,
        tile: int | None = None,
        batch: int | None = None,
        precision: str = "auto",
    ) -> NDArray[D]:
        """`picture` as `camera` would have taken it at `iso`: (H, W, 3) RGB in and out, both uint8 or both uint16.

        Both may be left out where the weights know only one, as those of a noise profile do.

        The noise depends on (seed, relative_path, repeat, camera, iso, weights) alone; it is that of the command line
        for a picture of this relative path. Raises ConditionError for a camera or an ISO that the weights do not know,
        PictureError for an array of another shape or type.
        """
        return synthesize(
            self.model,
            picture,
            self._condition(camera, iso),
            picture_key(seed, relative_path, repeat),
            tile=tile,
            batch=batch,
            device=self.device,
            precision=precision,
            dtype=picture.dtype.type,
        )

    def _condition(self, camera: str | None, iso: int | None) -> Condition:
        cameras, isos = [camera] if camera else [], [] if iso is None else [str(iso)]
        return choices(self.model.vocabulary, cameras, isos).draw(0, "", 0)


def load(name_or_path: str | Path = "sidd-lite", *, device: str = "auto", cache_dir: Path | None = None) -> CameraNoise:
    """The weights of that name or path ("isp": the camera simulator; .json: a noise profile).

    `cache_dir`: the folder of fetched weights.

    Terms that forbid some use are logged, and so are warnings of libraries. Raises WeightsError for weights that do
    not exist or are damaged, UsageError for a `device` that is not there.
    """
    with warnings_logged():
        place = resolve_device(device)
        weights = find_weights(str(name_or_path), cache_dir=cache_dir)
        return CameraNoise(weights.load().to(place), place, weights.terms)
