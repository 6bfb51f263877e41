"""Noise from references that are not as they should be: what it is worth, and whether the estimator says so.

Targets are the scenes of one code of each camera; references are of another scene, as in any_camera.py, and then made
wrong. KLD is the median of targets; a reference is refused, remarked on, or taken without a word.

    python benchmarks/wrong_references.py --data sidd/native [--split train]
"""

import argparse
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from any_camera import Counts, codes_of, scores, simulated
from PIL import Image

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.imaging import read
from nmflowgan_cli.profiles.estimate import from_pictures
from nmflowgan_cli.profiles.profile import Reference

Codes = Mapping[Condition, Mapping[str, Sequence[Pair]]]


def smoothed(picture: Counts, side: int) -> Counts:
    """The mean of side x side pixels around each one."""
    planes = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))
    mean = torch.nn.functional.avg_pool2d(planes, side, 1, side // 2, count_include_pad=False)
    return mean[0].permute(1, 2, 0).round().numpy().astype(np.uint8)


def denoised(picture: Counts) -> Counts:
    """Three parts of the picture's local mean, one part of the picture."""
    return (0.75 * smoothed(picture, 5).astype(float) + 0.25 * picture).round().astype(np.uint8)


def halved(picture: Counts) -> Counts:
    """Half the size, by means of 2x2 pixels."""
    rows, columns = (side // 2 for side in picture.shape[:2])
    parts = picture[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, 3)
    return parts.mean((1, 3)).round().astype(np.uint8)


def compressed(picture: Counts) -> Counts:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer))


def scaled(factor: float) -> Callable[[Counts], Counts]:
    return lambda picture: (picture * factor).clip(0, 255).round().astype(np.uint8)


def graphic(picture: Counts) -> Counts:
    """Flat areas of colour and no noise."""
    return (smoothed(picture, 15) // 64 * 64 + 32).astype(np.uint8)


WRONG: Mapping[str, Callable[[Counts], Counts]] = {
    "nothing wrong": lambda picture: picture,
    "half the size, by means of 2x2 pixels": halved,
    "every second pixel": lambda picture: np.ascontiguousarray(picture[::2, ::2]),
    "JPEG, quality 80, chroma subsampled": compressed,
    "64x64 pixels": lambda picture: picture[:64, :64],
    "denoised": denoised,
    "smooth like a painting": lambda picture: smoothed(picture, 9),
    "a graphic": graphic,
    "a tenth of the brightness": scaled(0.1),
    "a fiftieth of the brightness": scaled(0.02),
    "four times the brightness, saturated": scaled(4),
}


def judged(reference: Counts, target: Pair) -> tuple[str, float]:
    """What the estimator said (refused, remark, or nothing), and the KLD."""
    try:
        profile = from_pictures([reference], [Reference("it", "")], name="it", iso=100)
    except ProfileError:
        return "refused", np.nan
    clean, noisy = read(target.clean).rgb, read(target.noisy).rgb
    made = simulated(profile)(clean, np.random.default_rng(0)).clip(0, 255).round().astype(np.uint8)
    return "remark" if profile.remarks else "nothing", scores(clean, noisy, made)["kld"]


def others(codes: Codes, condition: Condition) -> dict[str, Pair]:
    """Pairs of another camera at the nearest ISO, and of the same camera at another ISO."""
    near = sorted(codes, key=lambda code: abs(np.log(code.iso / condition.iso)))
    found = {
        "another camera": [code for code in near if code.camera != condition.camera],
        "another ISO, two stops and more": [
            code for code in near if code.camera == condition.camera and abs(np.log2(code.iso / condition.iso)) >= 2
        ],
    }
    return {way: next(iter(codes[chosen[0]].values()))[0] for way, chosen in found.items() if chosen}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a manifest of pairs")
    parser.add_argument("--split", default="train", choices=("all", "train", "val"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    codes = codes_of(given.data, given.split, quick=True)
    found: dict[str, list[tuple[str, float]]] = {}
    for condition in {code.camera: code for code in codes}.values():
        (reference, *_), (target, *_) = list(codes[condition].values())[:2]
        picture = read(reference.noisy).rgb
        references = {way: make(picture) for way, make in WRONG.items()}
        references |= {way: read(pair.noisy).rgb for way, pair in others(codes, condition).items()}
        for way, wrong in references.items():
            found.setdefault(way, []).append(judged(wrong, target))
    for way, rows in found.items():
        klds = [kld for _, kld in rows if np.isfinite(kld)]
        told = ", ".join(f"{answer} {number}" for answer, number in Counter(answer for answer, _ in rows).items())
        print(
            f"{way:40} {np.median(klds) if klds else np.nan:.4f}  {max(klds, default=np.nan):.4f}  {told}", flush=True
        )


if __name__ == "__main__":
    main()
