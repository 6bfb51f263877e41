"""Bounds of any_camera.py: noise at the strength of the very target, and noise by weights that learned the cameras.

The noise of two scenes of one camera and ISO differs in strength, which a reference cannot show; and weights that were
trained on other cameras know less than `sidd-lite`, which was trained on these. Data: pairs of SIDD's cameras.

    python benchmarks/any_camera_bounds.py --data sidd/native [-o any_camera_bounds.jsonl] [--quick] [--split train]
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import any_camera
import numpy as np
import torch
from any_camera import Counts, Loaded, Synthesis, Task
from numpy.typing import NDArray

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.hub import resolve
from nmflowgan_cli.models.base import WHITE, Fields, NoiseModel, encode
from nmflowgan_cli.models.srgb import from_linear, to_linear

ROUNDS = 2
"""Corrections of the strength: rounding and clipping make the first one miss a little."""
Way = Callable[[Task, Sequence[Loaded], Sequence[Loaded]], Synthesis]


@cache
def sidd_lite() -> NoiseModel:
    return load_model(resolve("sidd-lite"))


def learned(task: Task, _: Sequence[Loaded], __: Sequence[Loaded]) -> Synthesis:
    """Weights that learned the cameras, from most of the pictures of the train split among others."""
    code = encode(sidd_lite().vocabulary, [task.condition])

    @torch.inference_mode()
    def sample(clean: Counts, rng: np.random.Generator) -> NDArray[np.floating]:
        planes = torch.from_numpy(clean.transpose(2, 0, 1)[None].astype(np.float32))
        latent = torch.from_numpy(rng.standard_normal(planes.shape, np.float32))
        made = sidd_lite().sample(planes, code, Fields(latent, torch.zeros_like(planes)))
        return made[0].permute(1, 2, 0).numpy()

    return sample


def scaled(sample: Synthesis, factor: float) -> Synthesis:
    """The same noise `factor` times as strong in linear light."""

    def stronger(clean: Counts, rng: np.random.Generator) -> NDArray[np.floating]:
        light, made = (
            to_linear(torch.from_numpy(counts / np.float32(WHITE))) for counts in (clean, sample(clean, rng))
        )
        return WHITE * from_linear(light + factor * (made - light)).numpy()

    return stronger


def strong_as_target(way: Way) -> Way:
    """The noise of `way` at the strength of the pictures that judge it."""

    def matched(task: Task, reference: Sequence[Loaded], target: Sequence[Loaded]) -> Synthesis:
        sample, factor = way(task, reference, target), 1.0
        for _ in range(ROUNDS):
            off = any_camera.judged([scaled(sample, factor)], target)["ln_std"]
            factor *= math.exp(-off)
        return scaled(sample, factor)

    return matched


FORMS: any_camera.Ways = {"one noisy picture": any_camera.WAYS["one noisy picture"], "sidd-lite": learned}
WAYS: any_camera.Ways = {**FORMS, **{f"{way}, right strength": strong_as_target(how) for way, how in FORMS.items()}}

if __name__ == "__main__":
    given = any_camera.arguments_of(__doc__, "any_camera_bounds.jsonl")
    codes = any_camera.codes_of(given.data, given.split, quick=given.quick)
    any_camera.measure(codes, WAYS, given.output, lambda picture: picture)
