"""Noise of cameras' own JPEGs from one picture of another scene, same camera and ISO: the statistics of a rendering.

The protocol is that of any_camera.py, on the central 512 pixels of each target. The prior is the average of the other
cameras, so that it has never seen the camera that is judged; the average of all, which the package holds, is printed.

    python benchmarks/camera_renderings.py --data polyu [-o camera_renderings.jsonl] [--split train]
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import any_camera
import numpy as np
import torch
from any_camera import Counts, Loaded, Synthesis, Task
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.imaging import read
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.rendered import RenderedNoise, Rendering
from nmflowgan_cli.profiles.rendered import rendering_of_pairs, rendering_of_pictures

SIDE = 512
WEAK = 3e-3
"""Precision of a prior that hardly holds: for the average itself."""
Prior = Callable[[str], Sequence[float]]
"""The coefficients to expect of a camera."""


def centre(picture: Counts, side: int = SIDE) -> Counts:
    """The central window; corners on JPEG's blocks."""
    top, left = ((whole - side) // 2 // 8 * 8 for whole in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def sampled(task: Task, rendering: Rendering) -> Synthesis:
    """Noise of a rendering as the tool draws it."""
    condition = task.condition
    vocabulary = Vocabulary((condition.camera,), (condition.iso,), {condition.camera: {condition.iso: 1}})
    model, code = RenderedNoise(rendering, vocabulary), encode(vocabulary, [condition])

    def sample(clean: Counts, rng: np.random.Generator) -> NDArray[np.floating]:
        planes = torch.from_numpy(clean.transpose(2, 0, 1)[None].astype(np.float32))
        normal, uniform = rng.standard_normal(planes.shape, np.float32), rng.random(planes.shape, np.float32)
        fields = Fields(torch.from_numpy(normal), torch.from_numpy(uniform))
        return model.sample(planes, code, fields)[0].permute(1, 2, 0).numpy()

    return sample


def ways(prior: Prior) -> any_camera.Ways:
    def paired(task: Task, reference: Sequence[Loaded], _: Sequence[Loaded]) -> Synthesis:
        clean, noisy = zip(*reference, strict=True)
        return sampled(task, rendering_of_pairs(clean, noisy, typical=prior(task.condition.camera)))

    def alone(task: Task, reference: Sequence[Loaded], _: Sequence[Loaded]) -> Synthesis:
        noisy = [noisy for _, noisy in reference]
        return sampled(task, rendering_of_pictures(noisy, typical=prior(task.condition.camera)))

    kept = ("coloured Gaussian, one pair", "AWGN fitted to the target", "heteroscedastic fitted to the target")
    fitted = {"one noisy picture": alone, "one pair": paired, "four noisy pictures": alone, "four pairs": paired}
    return {**fitted, **{way: any_camera.WAYS[way] for way in kept}}


def averages(pairs: Sequence[Pair]) -> Mapping[str, NDArray[np.float64]]:
    """The coefficients of each camera: the mean of its pictures and channels."""
    found: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    for pair in pairs:
        rendering = rendering_of_pairs([read(pair.clean).rgb], [read(pair.noisy).rgb], certainty=WEAK)
        found[pair.condition.camera].append(np.array(rendering.strength).mean(0))
    return {camera: np.mean(rows, 0) for camera, rows in found.items()}


if __name__ == "__main__":
    given = any_camera.arguments_of(__doc__, "camera_renderings.jsonl")
    known = averages(list(read_pairs(given.data, "train")))
    print("average of all cameras:", np.mean(list(known.values()), 0).round(2).tolist())

    def of_others(camera: str) -> Sequence[float]:
        return np.mean([row for name, row in known.items() if name != camera], 0).tolist()

    codes = any_camera.codes_of(given.data, given.split, quick=given.quick)
    any_camera.measure(codes, ways(of_others), given.output, centre)
