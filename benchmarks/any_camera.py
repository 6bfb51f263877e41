"""Noise of a camera from a few of its pictures: profiles scored on other scenes of the same camera and ISO.

Reference and target are of one camera and ISO, never of one scene. Scores are those of nmflowgan_cli.metrics: KLD of
patches, lags 1-3 of the spatial correlation, correlation of channels, |ln of the ratio of standard deviations|; mean of
targets, of codes, then of cameras. Each score is a line of a JSON file; a run that was interrupted goes on from there.

    python benchmarks/any_camera.py --data sidd/native [-o any_camera.jsonl] [--quick] [--split train]
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.imaging import read
from nmflowgan_cli.metrics.moments import noise_of
from nmflowgan_cli.metrics.noise import ChannelMoments, SpatialCorrelation, patch_kld
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.gaussian import fit_awgn, fit_heteroscedastic, level_moments
from nmflowgan_cli.models.isp import captures, expose, headroom_of
from nmflowgan_cli.models.srgb import to_linear
from nmflowgan_cli.profiles.estimate import from_pairs, from_pictures
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference
from nmflowgan_cli.profiles.sampled import expose_sampled

Counts = NDArray[np.uint8]
Loaded = tuple[Counts, Counts]
Synthesis = Callable[[Counts, np.random.Generator], NDArray[np.floating]]
SCORES = ("kld", "lags", "channels", "ln_std")
CROPS = 3
"""Targets of a scene, the first ones of the manifest."""
SEVERAL, LEAST_SEVERAL = 4, 3
"""Pictures of a fit to several, and how few are taken where a code has no more."""
SIDE = 64
"""Side of the spectrum of a coloured Gaussian, pixels."""


@dataclass(frozen=True)
class Task:
    """One way of making noise, and the pictures that it is made from and judged by."""

    way: str
    condition: Condition
    reference: tuple[str, ...]
    target: str

    @property
    def key(self) -> str:
        """What tells a line of the results from all others."""
        return f"{self.way} | {self.condition} | {' '.join(self.reference)} -> {self.target}"


def simulated(profile: NoiseProfile) -> Synthesis:
    """The simulator with a profile, as the tool draws it: white balance for each picture from the profile's range."""

    def sample(clean: Counts, rng: np.random.Generator) -> NDArray[np.floating]:
        light = to_linear(torch.from_numpy(clean.transpose(2, 0, 1)[None] / np.float32(255)))
        place = torch.from_numpy(rng.random((1, 2), np.float32))
        settings = captures([profile.camera], [min(profile.camera.noise)], place)
        if profile.sampled:
            normal = torch.from_numpy(rng.standard_normal((1, 3, *clean.shape[:2]), np.float32))
            return expose_sampled(light, settings, normal)[0].permute(1, 2, 0).numpy()
        phase = torch.tensor([int(rng.integers(bayer.SITES))])
        normal = torch.from_numpy(rng.standard_normal((1, 1, *clean.shape[:2]), np.float32))
        return expose(light, settings, phase, normal, headroom_of([profile.camera]))[0].permute(1, 2, 0).numpy()

    return sample


def white(fit: Callable[..., Any], pairs: Sequence[Loaded]) -> Synthesis:
    """A Gaussian without correlation."""
    model = fit(level_moments((Condition("it", 100), *pair) for pair in pairs))
    mean, slope, offset = (table[0, 0].numpy() for table in (model.mean, model.slope, model.offset))

    def sample(clean: Counts, rng: np.random.Generator) -> NDArray[np.floating]:
        deviation = np.sqrt((slope * clean + offset).clip(0))
        return clean + mean + deviation * rng.standard_normal(clean.shape)

    return sample


def coloured(pairs: Sequence[Loaded]) -> Synthesis:
    """A Gaussian with mean and deviation by level, and the spectrum of the noise across positions and channels."""
    curves = _curves(pairs)
    kernels = np.fft.irfft2(_root(_spectrum(pairs, curves)), (SIDE, SIDE), axes=(0, 1))

    def sample(clean: Counts, rng: np.random.Generator) -> NDArray[np.floating]:
        height, width = clean.shape[:2]
        padded = np.zeros((height + SIDE, width + SIDE, 3, 3))
        padded[:SIDE, :SIDE] = kernels
        fields = np.fft.rfft2(rng.standard_normal((height + SIDE, width + SIDE, 3)), axes=(0, 1))
        filtered = np.einsum("hwij,hwj->hwi", np.fft.rfft2(padded, axes=(0, 1)), fields)
        drawn = np.fft.irfft2(filtered, (height + SIDE, width + SIDE), axes=(0, 1))[SIDE:, SIDE:]
        mean, deviation = _at(curves, clean)
        return clean + mean + deviation * drawn

    return sample


def _curves(pairs: Sequence[Loaded]) -> NDArray[np.floating]:
    """Mean and deviation of each channel and level, (2, 3, 256): bins of 8 counts, the nearest known one elsewhere."""
    (sums,) = level_moments((Condition("it", 100), *pair) for pair in pairs).values()
    count, mean, variance = sums.binned(8)
    centres, curves = np.arange(4, 256, 8), np.zeros((2, 3, 256))
    for channel in range(3):
        known = count[channel] >= min(100, count[channel].max())
        for curve, values in zip(curves, (mean, np.sqrt(variance)), strict=True):
            curve[channel] = np.interp(np.arange(256), centres[known], values[channel][known])
    return curves


def _at(curves: NDArray[np.floating], clean: Counts) -> NDArray[np.floating]:
    return curves[:, np.arange(3), clean]


def _spectrum(pairs: Sequence[Loaded], curves: NDArray[np.floating]) -> NDArray[Any]:
    """Mean cross spectrum of the channels, (64, 33, 3, 3), of noise with its deviation divided out."""
    sums, number = np.zeros((SIDE, SIDE // 2 + 1, 3, 3), complex), 0
    for clean, noisy in pairs:
        mean, deviation = _at(curves, clean)
        even = (noise_of(noisy, clean) - mean) / np.maximum(deviation, 0.3)
        for top in range(0, even.shape[0] - SIDE + 1, SIDE):
            for left in range(0, even.shape[1] - SIDE + 1, SIDE):
                window = np.fft.rfft2(even[top : top + SIDE, left : left + SIDE], axes=(0, 1)) / SIDE
                sums += window[..., :, None] * window[..., None, :].conj()
                number += 1
    return sums / number


def _root(spectrum: NDArray[Any]) -> NDArray[Any]:
    values, vectors = np.linalg.eigh(spectrum)
    return (vectors * np.sqrt(values.clip(0))[..., None, :]) @ vectors.conj().swapaxes(-1, -2)


def _references(task: Task, number: int) -> list[Reference]:
    return [Reference(task.reference[0], "")] * number


def _alone(task: Task, reference: Sequence[Loaded], _: Sequence[Loaded]) -> Synthesis:
    known = _references(task, len(reference))
    return simulated(from_pictures([noisy for _, noisy in reference], known, name="it", iso=task.condition.iso))


def _paired(task: Task, reference: Sequence[Loaded], _: Sequence[Loaded]) -> Synthesis:
    clean, noisy = zip(*reference, strict=True)
    return simulated(from_pairs(clean, noisy, _references(task, len(clean)), name="it", iso=task.condition.iso))


Ways = Mapping[str, Callable[[Task, Sequence[Loaded], Sequence[Loaded]], Synthesis]]
WAYS: Ways = {
    "one noisy picture": _alone,
    "one pair": _paired,
    "four noisy pictures": _alone,
    "four pairs": _paired,
    "coloured Gaussian, one pair": lambda _, reference, __: coloured(reference),
    "coloured Gaussian, four pairs": lambda _, reference, __: coloured(reference),
    "AWGN fitted to the target": lambda _, __, target: white(fit_awgn, target),
    "heteroscedastic fitted to the target": lambda _, __, target: white(fit_heteroscedastic, target),
    "the target pair itself": lambda task, _, target: _paired(task, target, target),
}


def scores(clean: Counts, noisy: Counts, made: Counts) -> dict[str, float]:
    """The scores of one target; `ln_std` with its sign."""
    real, fake = noise_of(noisy, clean), noise_of(made, clean)
    spatial, channels = (SpatialCorrelation(3), SpatialCorrelation(3)), (ChannelMoments(), ChannelMoments())
    for measure, other, noise in zip(spatial, channels, (real, fake), strict=True):
        measure.add(noise)
        other.add(noise)
    return {
        "kld": float(patch_kld(real, fake).mean()),
        "lags": float(np.abs(spatial[0].lags() - spatial[1].lags()).mean()),
        "channels": float(np.abs(channels[0].correlation() - channels[1].correlation()).mean()),
        "ln_std": float(np.log(channels[1].std() / channels[0].std())),
    }


def judged(samples: Sequence[Synthesis], target: Sequence[Loaded]) -> dict[str, float]:
    """Mean scores of crops: one way of making noise for all of them, or one for each."""
    found = []
    for number, (clean, noisy) in enumerate(target):
        sample = samples[number % len(samples)]
        made = sample(clean, np.random.default_rng(number)).clip(0, 255).round().astype(np.uint8)
        found.append(scores(clean, noisy, made))
    return {score: float(np.mean([each[score] for each in found])) for score in SCORES}


Scenes = Mapping[str, Sequence[Pair]]


def tasks(codes: Mapping[Condition, Scenes], ways: Ways) -> Iterator[tuple[Task, Sequence[Pair], Sequence[Pair]]]:
    """Every way with every reference and target, and their pairs."""
    for condition, scenes in codes.items():
        for target, judged in scenes.items():
            others = {scene: pairs for scene, pairs in scenes.items() if scene != target}
            for way in ways:
                for reference, pairs in _references_of(way, target, judged, others):
                    yield Task(way, condition, reference, target), pairs, judged[:CROPS]


def _references_of(
    way: str, target: str, judged: Sequence[Pair], others: Scenes
) -> Iterator[tuple[tuple[str, ...], Sequence[Pair]]]:
    if "target" in way:
        yield (target,), judged[:1]
    elif "four" in way:
        depth = max(map(len, others.values()))
        mixed = [(scene, pairs[k]) for k in range(depth) for scene, pairs in others.items() if k < len(pairs)][:SEVERAL]
        if len(mixed) >= LEAST_SEVERAL:
            yield tuple(scene for scene, _ in mixed), [pair for _, pair in mixed]
    else:
        for scene, pairs in others.items():
            yield (scene,), pairs[:1]


def run(task: Task, reference: Sequence[Loaded], target: Sequence[Loaded], ways: Ways) -> dict[str, Any]:
    """The line of a task. A fit to the target itself is one to each of its crops."""
    began = time.perf_counter()
    fits = [[pair] for pair in target] if "target" in task.way else [target]
    samples = [ways[task.way](task, reference, fitted) for fitted in fits]
    seconds = (time.perf_counter() - began) / len(samples)
    return {"key": task.key, "way": task.way, "camera": task.condition.camera, "iso": task.condition.iso,
            "seconds": round(seconds, 2), **judged(samples, target)}  # fmt: skip


def codes_of(data: Path, split: str, *, quick: bool) -> dict[Condition, dict[str, list[Pair]]]:
    """Camera and ISO -> scene -> pairs, of codes with two scenes at least."""
    codes: dict[Condition, dict[str, list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for pair in read_pairs(data, split):  # type: ignore[arg-type]
        codes[pair.condition][pair.scene].append(pair)
    kept = {condition: dict(scenes) for condition, scenes in codes.items() if len(scenes) > 1}
    return {condition: dict(list(scenes.items())[:2]) for condition, scenes in kept.items()} if quick else kept


def table(lines: Sequence[Mapping[str, Any]], ways: Ways) -> Iterator[str]:
    """Means of cameras of each way; then KLD by code."""
    yield f"{'':38}   KLD   lags  chan. |ln std| seconds  codes"
    for way in ways:
        by_code: dict[tuple[str, int], list[list[float]]] = defaultdict(list)
        for line in lines:
            if line["way"] == way:
                by_code[line["camera"], line["iso"]].append([*(abs(line[score]) for score in SCORES), line["seconds"]])
        cameras = defaultdict(list)
        for (camera, _), values in by_code.items():
            cameras[camera].append(np.mean(values, 0))
        if cameras:
            kld, lags, channels, std, seconds = np.mean([np.mean(values, 0) for values in cameras.values()], 0)
            shown = "  ".join(f"{camera} {iso} {np.mean(rows, 0)[0]:.4f}" for (camera, iso), rows in by_code.items())
            yield f"{way:38} {kld:.4f} {lags:.3f}  {channels:.3f}  {std:.3f}   {seconds:5.2f}    {shown}"


def arguments_of(description: str | None, output: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a manifest of pairs")
    parser.add_argument("--split", default="all", choices=("all", "train", "val"))
    parser.add_argument("-o", "--output", type=Path, default=Path(output))
    parser.add_argument("--quick", action="store_true", help="two scenes of a code only")
    return parser.parse_args()


def measure(codes: Mapping[Condition, Scenes], ways: Ways, output: Path, crop: Callable[[Counts], Counts]) -> None:
    """Print the table of all tasks; those in `output` are done. `crop`: the part of a target that is judged."""
    torch.set_num_threads(1)
    done = [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []
    known, wanted = {line["key"]: line for line in done}, []
    for task, reference, target in tasks(codes, ways):
        if task.key not in known:
            fitted, judged = ([(read(p.clean).rgb, read(p.noisy).rgb) for p in each] for each in (reference, target))
            known[task.key] = run(task, fitted, [(crop(clean), crop(noisy)) for clean, noisy in judged], ways)
            with output.open("a") as file:
                file.write(json.dumps(known[task.key]) + "\n")
        wanted.append(known[task.key])
    print("\n".join(table(wanted, ways)))


if __name__ == "__main__":
    given = arguments_of(__doc__, "any_camera.jsonl")
    measure(codes_of(given.data, given.split, quick=given.quick), WAYS, given.output, lambda picture: picture)
