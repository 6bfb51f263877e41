"""Noise of cameras by name alone, against real pairs of SIDD: the row "name alone" of docs/new-camera.md.

No phone of SIDD is in the table. Google Pixel stands under the Nexus 5X, whose sensor has the same pixels (1.55 um);
Nexus 6 and Galaxy S6 have pixels of 1.12 um, and stand under the same entry with its charge scaled by their area.
Beside it: the entry of the Nexus 5 as it stands, Gaussians fitted to the very picture, and `sidd-lite`.
Patch KLD, lags 1 to 3, |ln(std made / std real)|: mean of pairs, of ISOs, of cameras.

    python benchmarks/camera_names.py data/sidd/native --split train
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.hub import resolve
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.metrics.moments import noise_of
from nmflowgan_cli.metrics.noise import SpatialCorrelation, patch_kld
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.models.gaussian import fit_awgn, fit_heteroscedastic, level_moments
from nmflowgan_cli.profiles.cameras import profile_of
from nmflowgan_cli.profiles.model import ProfileNoise
from nmflowgan_cli.profiles.profile import NoiseProfile
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.engine import synthesize

SISTER, PIXEL = "Nexus 5X", 1.55
PIXELS = {"GP": 1.55, "N6": 1.12, "S6": 1.12}
"""Pitch in micrometres."""
PER_CELL = 4
"""Pairs of a camera and ISO, spread over the manifest."""
SIDE = 512
DRAWS = 3

Picture = np.ndarray
Maker = Callable[[Pair, Picture, Picture, int], Picture]


def by_name(profiles: dict[str, NoiseProfile]) -> Maker:
    """Noise of a profile a camera."""

    def make(pair: Pair, clean: Picture, _: Picture, draw: int) -> Picture:
        profile = profiles[pair.condition.camera]
        return made(ProfileNoise(profile), clean, Condition(profile.name, pair.condition.iso), pair, draw)

    return make


def fitted(fit: Callable[..., NoiseModel]) -> Maker:
    """A Gaussian of the very picture."""

    def make(pair: Pair, clean: Picture, noisy: Picture, draw: int) -> Picture:
        return made(fit(level_moments([(pair.condition, clean, noisy)])), clean, pair.condition, pair, draw)

    return make


def learned(name: str) -> Maker:
    model = load_model(resolve(name))
    return lambda pair, clean, noisy, draw: made(model, clean, pair.condition, pair, draw)


def made(model: NoiseModel, clean: Picture, condition: Condition, pair: Pair, draw: int) -> Picture:
    return synthesize(model, clean, condition, picture_key(0, pair.name, draw))


def scores(pair: Pair, make: Maker) -> list[float]:
    """KLD, difference of lags 1 to 3, |ln std ratio|; mean of draws."""
    clean, noisy = (picture[:SIDE, :SIDE] for picture in pair.load())
    real, rows = noise_of(noisy, clean), []
    for draw in range(DRAWS):
        fake = noise_of(make(pair, clean, noisy, draw), clean)
        lags = []
        for noise in (real, fake):
            correlation = SpatialCorrelation()
            correlation.add(noise)
            lags.append(correlation.lags())
        ratio = abs(np.log(fake.std() / real.std()))
        rows.append([patch_kld(real, fake).mean(), np.abs(lags[0] - lags[1]).mean(), ratio])
    return np.mean(rows, 0).tolist()


def chosen(pairs: list[Pair]) -> dict[Condition, list[Pair]]:
    cells: dict[Condition, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.condition.camera in PIXELS:
            cells[pair.condition].append(pair)
    return {cell: found[:: max(1, len(found) // PER_CELL)][:PER_CELL] for cell, found in sorted(cells.items(), key=str)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", choices=("train", "val", "all"), default="train")
    arguments = parser.parse_args()
    sisters = {code: profile_of(SISTER, area=(pitch / PIXEL) ** 2) for code, pitch in PIXELS.items()}
    makers = {
        "name alone": by_name(sisters),
        "Nexus 5, unscaled": by_name(dict.fromkeys(PIXELS, profile_of("Nexus 5"))),
        "AWGN of the picture": fitted(fit_awgn),
        "heteroscedastic of it": fitted(fit_heteroscedastic),
        "sidd-lite": learned("sidd-lite"),
    }
    cells = chosen(read_pairs(arguments.data, arguments.split))
    for name, make in makers.items():
        cameras: dict[str, list[list[float]]] = defaultdict(list)
        for condition, pairs in cells.items():
            cell = np.mean([scores(pair, make) for pair in pairs], 0).tolist()
            cameras[condition.camera].append(cell)
            print(
                f"{name:22} {condition!s:12} {len(pairs)} pairs  "
                f"KLD {cell[0]:.4f}  lags {cell[1]:.3f}  ln std {cell[2]:.3f}"
            )
        means = {camera: np.mean(found, 0) for camera, found in cameras.items()}
        for camera, (kld, lags, ratio) in {**means, "mean": np.mean(list(means.values()), 0)}.items():
            print(f"{name:22} {camera:12}          KLD {kld:.4f}  lags {lags:.3f}  ln std {ratio:.3f}", flush=True)


if __name__ == "__main__":
    main()
