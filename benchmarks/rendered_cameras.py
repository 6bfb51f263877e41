"""Noise of cameras' own JPEGs from renderings of the same camera's other scenes, beside weights that were trained.

Each scene of the split is judged, in its central 512 pixels, by renderings of train pairs of other scenes: the same
camera's at the nearest ISO, or at any. The prior has not seen the scene that is judged. Weights that were trained on
the train split have seen its scenes: on `train` their numbers are flattered, on `val` they are not.

    python benchmarks/rendered_cameras.py --data polyu --split train [-w WEIGHTS] [-o rendered_cameras.jsonl]
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, partial
from math import log
from pathlib import Path

import numpy as np
import torch
from any_camera import SCORES, Loaded, Synthesis, Task, scores, white
from camera_renderings import SIDE as JUDGED
from camera_renderings import WEAK, centre, sampled

import nmflowgan_cli
from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.imaging import read
from nmflowgan_cli.models.gaussian import fit_heteroscedastic
from nmflowgan_cli.profiles.rendered import rendering_of_pairs

MOST = 4
"""Pairs of one rendering."""
SIDE = 768
"""Of the central part of a pair that a rendering rests on, pixels."""


def nearest(target: Pair, others: Sequence[Pair]) -> list[Pair]:
    """The same camera's pairs at the ISO nearest to the target's."""
    same = of_camera(target, others)
    far = [abs(log(pair.condition.iso / target.condition.iso)) for pair in same]
    return [pair for pair, distance in zip(same, far, strict=True) if distance == min(far)]


def of_camera(target: Pair, others: Sequence[Pair]) -> list[Pair]:
    return [pair for pair in others if pair.condition.camera == target.condition.camera]


CHOICES = {"nearest ISO of the camera": nearest, "all pairs of the camera": of_camera}


@cache
def loaded(pair: Pair, side: int = SIDE) -> Loaded:
    return centre(read(pair.clean).rgb, side), centre(read(pair.noisy).rgb, side)


def ways(target: Pair, train: Sequence[Pair], strengths: dict[str, np.ndarray]) -> dict[str, Callable[[], Synthesis]]:
    """The renderings and a Gaussian fitted to the target itself."""
    others = [pair for pair in train if pair.scene != target.scene]
    typical = np.mean([strengths[pair.scene] for pair in others], 0).tolist()

    def rendered(pairs: Sequence[Pair]) -> Synthesis:
        clean, noisy = zip(*map(loaded, pairs[:: -(-len(pairs) // MOST)]), strict=True)
        return sampled(Task("", target.condition, (), ""), rendering_of_pairs(clean, noisy, typical=typical))

    found = {way: lambda choose=choose: rendered(choose(target, others)) for way, choose in CHOICES.items()}
    found["heteroscedastic fitted to the target"] = lambda: white(fit_heteroscedastic, [loaded(target, JUDGED)])
    return found


def trained(weights: str, target: Pair) -> Synthesis:
    model, condition = nmflowgan_cli.load(weights), target.condition
    return lambda clean, _: model.synthesize(clean, camera=condition.camera, iso=condition.iso, seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a manifest of pairs")
    parser.add_argument("--split", default="train", choices=("train", "val"))
    parser.add_argument("-w", "--weights", action="append", default=[])
    parser.add_argument("-o", "--output", type=Path, default=Path("rendered_cameras.jsonl"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    train = list(read_pairs(given.data, "train"))
    strengths = {}
    for pair in train:
        rendering = rendering_of_pairs(*([picture] for picture in loaded(pair)), certainty=WEAK)
        strengths[pair.scene] = np.array(rendering.strength).mean(0)
    found = defaultdict(lambda: defaultdict(list))
    for target in read_pairs(given.data, given.split):
        clean, noisy = loaded(target, JUDGED)
        all_ways = ways(target, train, strengths)
        all_ways |= {weights: partial(trained, weights, target) for weights in given.weights}
        for way, make in all_ways.items():
            made = make()(clean, np.random.default_rng(0)).clip(0, 255).round().astype(np.uint8)
            line = {"way": way, "scene": target.scene, "camera": target.condition.camera, "iso": target.condition.iso}
            line |= scores(clean, noisy, made)
            found[way][line["camera"]].append([abs(line[score]) for score in SCORES])
            with given.output.open("a") as file:
                file.write(json.dumps(line) + "\n")
    print(f"{'':38}   KLD   lags  chan. |ln std|")
    for way, cameras in found.items():
        kld, lags, channels, std = np.mean([np.mean(rows, 0) for rows in cameras.values()], 0)
        shown = "  ".join(f"{camera} {np.mean(rows, 0)[0]:.4f}" for camera, rows in cameras.items())
        print(f"{way:38} {kld:.4f} {lags:.3f}  {channels:.3f}  {std:.3f}   {shown}")


if __name__ == "__main__":
    main()
