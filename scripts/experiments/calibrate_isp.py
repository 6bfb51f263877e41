"""Fit the ISP simulator's camera profiles to real noisy/clean pairs by matching moments of the noise.

Per camera: colour matrix, demosaicing gains, floor, black shift. Per scene: white balance. Per (camera, ISO):
shot and read noise, drawn towards the published noise-level functions. Matched per picture: mean and standard
deviation of the noise in bins of the clean level, and the correlations of all channels with each other over
lags up to 3 pixels. Only the manifest's train split is used.

    python scripts/experiments/calibrate_isp.py MANIFEST.csv -o nmflowgan_cli/data/camera_profiles.json
"""

import argparse
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.isp import Capture, expose
from nmflowgan_cli.models.srgb import to_linear

# The cameras' own DNG NoiseProfile tags (variance = shot * raw + read), as published with SIDD and Noise Flow.
# Google Pixel above ISO 3200: its law, shot = 2.2e-6 ISO and read = 1.75e-11 ISO^2, continued.
PUBLISHED = {
    "IP": {100: (7.02e-4, 3e-6), 400: (7.35e-4, 3e-6), 800: (7.23e-4, 3e-6), 1600: (6.87e-4, 2e-6)},
    "GP": {
        100: (2.28e-4, 2e-6),
        400: (8.86e-4, 5e-6),
        800: (1.764e-3, 1.2e-5),
        1600: (3.519e-3, 4.5e-5),
        3200: (7.029e-3, 1.79e-4),
        6400: (1.408e-2, 7.17e-4),
        10000: (2.2e-2, 1.75e-3),
    },
    "S6": {
        100: (4.79e-4, 2e-6),
        400: (1.774e-3, 2e-6),
        800: (3.696e-3, 2e-6),
        1600: (8.211e-3, 2e-6),
        3200: (1.993e-2, 2e-6),
    },
    "N6": {
        100: (4.73e-4, 3e-6),
        400: (1.76e-3, 1.3e-5),
        800: (3.476e-3, 5.2e-5),
        1600: (6.909e-3, 2.08e-4),
        3200: (1.3773e-2, 8.33e-4),
    },
    "G4": {100: (7.39e-4, 2e-6), 400: (1.86e-3, 2e-6), 800: (3.356e-3, 6.3e-5)},
}
# These phones write no read noise (or nearly none) into their files; the others' read / shot^2 is near 3 to 4.
WITHOUT_READ_NOISE = ("S6", "G4")
XYZ_FROM_SRGB = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]
# The first XYZ-to-camera matrix of Brooks et al., CVPR 2019: where the fit of every camera starts.
GENERIC_CAMERA = [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]]
TYPICAL_WHITE_BALANCE = (1.9, 1.8)
LEVEL_EDGES = (0, 8, 20, 36, 56, 80, 110, 150, 200, 256)
LAGS = [(0, 0), (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 1), (1, 2), (2, 2), (0, 3), (3, 0)]
OFF_DIAGONAL = ~torch.eye(3, dtype=torch.bool)
WINDOW = 224
SMALLEST_BIN = 300


def _generic_matrix() -> Tensor:
    matrix = torch.tensor(GENERIC_CAMERA) @ torch.tensor(XYZ_FROM_SRGB)
    return matrix / matrix.sum(1, keepdim=True)


def _published_log_noise(condition: Condition) -> Tensor:
    shot, dark = PUBLISHED[condition.camera][condition.iso]
    if condition.camera in WITHOUT_READ_NOISE:
        dark = 3 * shot**2 + 2e-6
    return torch.tensor([shot, dark]).log()


class Profiles(nn.Module):
    """The parameters of all cameras, scenes and (camera, ISO) cells, and how far they are from their priors."""

    def __init__(self, pairs: list[Pair]) -> None:
        super().__init__()
        self.cameras = sorted({pair.condition.camera for pair in pairs})
        self.cells = [Condition(camera, iso) for camera in self.cameras for iso in PUBLISHED[camera]]
        self.scenes = sorted({(pair.condition.camera, pair.scene) for pair in pairs})
        generic = _generic_matrix()[OFF_DIAGONAL].reshape(3, 2)
        cameras = len(self.cameras)
        self.register_buffer("generic", generic)
        self.register_buffer("published", torch.stack([_published_log_noise(cell) for cell in self.cells]))
        self.matrix = nn.Parameter(generic.repeat(cameras, 1, 1))
        self.laplacian = nn.Parameter(torch.tensor(bayer.LAPLACIAN_GAINS).repeat(cameras, 1))
        self.floor = nn.Parameter(torch.full((cameras,), -0.02))
        self.black_shift = nn.Parameter(torch.zeros(cameras))
        self.level = nn.Parameter(torch.zeros(cameras, 2))
        self.deviation = nn.Parameter(torch.zeros(len(self.cells), 2))
        self.white_balance = nn.Parameter(torch.zeros(len(self.scenes), 2))

    def groups(self) -> list[dict[str, object]]:
        """Parameters with their learning rates."""
        return [
            {"params": [self.level, self.deviation, self.white_balance, self.black_shift], "lr": 0.03},
            {"params": [self.matrix, self.laplacian], "lr": 0.01},
            {"params": [self.floor], "lr": 0.002},
        ]

    def matrices(self) -> Tensor:
        """(cameras, 3, 3), each row summing to 1."""
        full = self.matrix.new_zeros(len(self.cameras), 3, 3)
        full[:, OFF_DIAGONAL] = self.matrix.flatten(1)
        return full + torch.diag_embed(1 - full.sum(2))

    def noise(self) -> Tensor:
        """(cells, 2) shot and read."""
        of_camera = [self.cameras.index(cell.camera) for cell in self.cells]
        return (self.published + self.level[of_camera] + self.deviation).exp()

    def gains(self) -> Tensor:
        """(scenes, 3) white balance, green 1."""
        red_blue = torch.tensor(TYPICAL_WHITE_BALANCE) * self.white_balance.exp()
        return torch.stack([red_blue[:, 0], torch.ones(len(self.scenes)), red_blue[:, 1]], 1)

    def capture(self, pairs: list[Pair]) -> Capture:
        camera = [self.cameras.index(pair.condition.camera) for pair in pairs]
        noise = self.noise()[[self.cells.index(pair.condition) for pair in pairs]]
        gains = self.gains()[[self.scenes.index((pair.condition.camera, pair.scene)) for pair in pairs]]
        return Capture(
            noise[:, 0],
            noise[:, 1],
            gains,
            self.matrices()[camera],
            self.laplacian[camera],
            self.floor[camera],
            self.black_shift[camera],
        )

    def surprise(self) -> Tensor:
        """Squared distance from what was known before any pair was seen."""
        matrices = (self.matrix - self.generic).square().sum()
        deviations = (self.deviation.square() * torch.tensor([1.0, 0.3])).sum()
        return 0.003 * matrices + 0.002 * self.white_balance.square().sum() + 0.004 * deviations


def binned_moments(clean: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and share of the pixels, (N, 3, bins), by clean level."""
    means, deviations, shares = [], [], []
    for low, high in pairwise(LEVEL_EDGES):
        inside = ((clean >= low) & (clean < high)).float()
        count = inside.sum((2, 3))
        mean = (inside * noise).sum((2, 3)) / count.clamp_min(1)
        variance = (inside * noise.square()).sum((2, 3)) / count.clamp_min(1) - mean.square()
        means.append(mean)
        deviations.append(variance.clamp_min(0.05).sqrt())
        shares.append(count / clean[0, 0].numel() * (count > SMALLEST_BIN))
    return torch.stack(means, -1), torch.stack(deviations, -1), torch.stack(shares, -1)


def correlations(noise: Tensor) -> Tensor:
    """(N, lags, 3, 3): every channel with every channel, shifted."""
    unit = (noise - noise.mean((2, 3), keepdim=True)) / noise.std((2, 3), keepdim=True)
    height, width = unit.shape[2:]
    found = []
    for down, right in LAGS:
        here = unit[:, :, : height - down, max(0, -right) : width - max(0, right)]
        there = unit[:, :, down:, max(0, right) : width + min(0, right)]
        found.append(torch.einsum("nihw,njhw->nij", here, there) / here[0, 0].numel())
    return torch.stack(found, 1)


def mismatch(clean: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """How far the moments of two noises over the same clean pictures are apart."""
    real_mean, real_std, share = binned_moments(clean, real)
    fake_mean, fake_std, _ = binned_moments(clean, fake)
    level = (share * (fake_std / real_std).log().square()).sum((1, 2)).mean()
    offset = (share * ((fake_mean - real_mean) / real_std).square()).sum((1, 2)).mean()
    shape = (correlations(fake) - correlations(real)).square().sum((1, 2, 3)).mean()
    return 3 * level + 3 * offset + shape


def batches(pairs: list[Pair], size: int, rng: np.random.Generator) -> Iterator[tuple[list[Pair], Tensor, Tensor]]:
    """Windows of pairs, every (camera, ISO) cell alike; counts, (N, 3, H, W)."""
    cells = sorted({pair.condition for pair in pairs}, key=str)
    pictures = {pair: pair.load() for pair in pairs}
    while True:
        chosen, windows = [], []
        for cell in rng.choice(len(cells), size):
            candidates = [pair for pair in pairs if pair.condition == cells[cell]]
            pair = candidates[rng.integers(len(candidates))]
            clean, noisy = pictures[pair]
            top, left = (rng.integers(side - WINDOW + 1) for side in clean.shape[:2])
            window = np.stack([clean, noisy])[:, top : top + WINDOW, left : left + WINDOW]
            chosen.append(pair)
            windows.append(torch.from_numpy(window).permute(0, 3, 1, 2).float())
        stacked = torch.stack(windows, 1)
        yield chosen, stacked[0], stacked[1]


def fit(pairs: list[Pair], *, steps: int, seed: int) -> Profiles:
    torch.manual_seed(seed)
    profiles = Profiles(pairs)
    optimiser = torch.optim.Adam(profiles.groups())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, 0.99 ** (step - steps // 2)))
    stream = batches(pairs, 12, np.random.default_rng(seed))
    for step in range(steps):
        chosen, clean, noisy = next(stream)
        phase = torch.randint(bayer.SITES, (len(chosen),))
        normal = torch.randn(len(chosen), 1, WINDOW, WINDOW)
        simulated = expose(to_linear(clean / 255), profiles.capture(chosen), phase, normal).clamp(0, 255)
        loss = mismatch(clean, noisy - clean, simulated - clean)
        optimiser.zero_grad()
        (loss + profiles.surprise()).backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}: mismatch {loss.item():.4f}, surprise {profiles.surprise().item():.4f}", flush=True)
    return profiles


def _rounded(values: Tensor, digits: int = 5) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values.tolist()]


def describe(profiles: Profiles) -> dict[str, object]:
    """The profiles as they stand in camera_profiles.json."""
    noise, gains, described = profiles.noise().detach(), profiles.gains().detach(), {}
    for index, camera in enumerate(profiles.cameras):
        seen = gains[[scene[0] == camera for scene in profiles.scenes]]
        low, high = (seen.amin(0) / 1.1).clamp_min(1), seen.amax(0) * 1.1
        cells = [cell for cell in profiles.cells if cell.camera == camera]
        described[camera] = {
            "noise": {str(cell.iso): _rounded(noise[profiles.cells.index(cell)], 4) for cell in cells},
            "matrix": [_rounded(row) for row in profiles.matrices()[index].detach()],
            "laplacian_gains": _rounded(profiles.laplacian[index].detach()),
            "white_balance": [_rounded(torch.stack([low[c], high[c]]), 4) for c in (0, 2)],
            "floor": round(profiles.floor[index].item(), 5),
            "black_shift": round(profiles.black_shift[index].item(), 4),
        }
    return described


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.manifest, "train")
    profiles = fit(pairs, steps=arguments.steps, seed=arguments.seed)
    source = (
        f"fitted by scripts/experiments/calibrate_isp.py (steps {arguments.steps}, seed {arguments.seed}) to "
        f"{len(pairs)} real SIDD pairs (train split), drawn towards the published noise-level functions (the cameras' "
        "DNG NoiseProfile tags) and a generic colour matrix (Brooks et al., CVPR 2019). SIDD: Abdelhamed, Lin, Brown, "
        "CVPR 2018."
    )
    text = json.dumps({"source": source, "cameras": describe(profiles)}, indent=1)
    arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
