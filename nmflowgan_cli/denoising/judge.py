"""What denoisers make of real noise: PSNR and SSIM of held-out pairs, and how far that is from the bound.

Tables III, IV and V of Han & Yu, https://arxiv.org/abs/2312.10112; the gap (PGap) is that of DANet (Yue et al., ECCV
2020): a denoiser that learned from synthetic noise against one that learned from the real noise of the same pictures.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli import runtime, tiling
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.denoising.quality import psnr, ssim
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.base import to_bytes

if TYPE_CHECKING:
    from nmflowgan_cli.denoising.network import Network

Bytes = NDArray[np.uint8]
Interval = tuple[float, float]

TILES = {"cpu": 512, "cuda": 1024}
RESAMPLES = 2000
NOISY = "noisy"
"""The row of the noisy pictures as they are."""
REAL, PAIRS = "real", "pairs"
"""The noise that the bound has learned from: real, or that of pairs which do not state theirs to be."""


@dataclass(frozen=True)
class Denoiser:
    """A denoiser under test, in evaluation mode and on its device."""

    name: str
    model: "Network"
    noise: str
    """What it learned from: "real", "pairs", or the name of a noise model."""
    steps: int


@dataclass(frozen=True)
class PictureResult:
    """One picture of one row."""

    name: str
    condition: Condition
    psnr: float
    """dB."""
    ssim: float
    pgap: float | None = None
    """PSNR of the bound minus this one's, in dB; None where there is no bound."""


class Mean(NamedTuple):
    """A mean over pictures, with its bootstrap 95 % interval; None for a single picture."""

    value: float
    interval: Interval | None


@dataclass(frozen=True)
class Row:
    """What a denoiser made of all pictures."""

    name: str
    noise: str
    steps: int
    """0 for the noisy pictures themselves."""
    pictures: Sequence[PictureResult]

    @property
    def psnr(self) -> Mean:
        return mean([picture.psnr for picture in self.pictures])

    @property
    def ssim(self) -> Mean:
        return mean([picture.ssim for picture in self.pictures])

    @property
    def pgap(self) -> Mean | None:
        gaps = [picture.pgap for picture in self.pictures if picture.pgap is not None]
        return mean(gaps) if gaps else None

    def of_camera(self, camera: str) -> "Row":
        """The row of the pictures of one camera."""
        return replace(self, pictures=[p for p in self.pictures if p.condition.camera == camera])

    @property
    def cameras(self) -> list[str]:
        return sorted({picture.condition.camera for picture in self.pictures})


def open_denoiser(path: Path, device: torch.device) -> Denoiser:
    """The denoiser of a weights file; raises WeightsError."""
    from nmflowgan_cli.checkpoints.build import load_denoiser

    model, header = load_denoiser(path)
    model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    told = header.training
    return Denoiser(
        header.name or path.stem, cast("Network", model), str(told.get("noise", "?")), int(told.get("steps", 0))
    )


def denoise(model: "Network", noisy: Bytes, *, tile: int | None = None) -> Bytes:
    """The denoised picture, (H, W, 3) uint8 RGB, rounded half up and clipped, of a noisy one on any size from 1x1.

    Tiles (side in pixels) bound the memory: their surroundings reach as far as the network sees.
    """
    device = next(model.parameters()).device
    height, width, _ = noisy.shape
    whole, clean = tiling.Box(0, 0, height, width), np.empty_like(noisy)

    def work(item: tiling.Tile) -> None:
        rows = tiling.reflect_indices(item.window.top, item.window.bottom, height)
        columns = tiling.reflect_indices(item.window.left, item.window.right, width)
        window = torch.from_numpy(noisy[np.ix_(rows, columns)]).to(device).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            made = model(window.contiguous(memory_format=torch.channels_last))
        core = to_bytes(made[0][:, *item.core.slices(item.window)])
        clean[item.core.slices(whole)] = core.permute(1, 2, 0).cpu().numpy()

    with runtime.lanes(device) as pool, runtime.reproducible():
        list(pool.map(work, tiling.tiles(height, width, model.geometry, tile or TILES[device.type])))
    return clean


Look = Callable[[Paired, Bytes, Bytes, dict[str, Bytes]], None]
"""Is shown each picture: the pair, clean, noisy, and what each denoiser made, by its name."""


def judge(pairs: Iterable[Paired], denoisers: Sequence[Denoiser], *, look: Look | None = None) -> list[Row]:
    """A row for the noisy pictures as they are, and one for each denoiser; with the gap to the bound where one is.

    The bound is the first denoiser that learned from the noise of the pairs. Raises UsageError for two of one name,
    PictureError for a pair that cannot be read.
    """
    names = [NOISY, *(denoiser.name for denoiser in denoisers)]
    if len(set(names)) < len(names):
        raise UsageError(f"two denoisers have one name: {', '.join(names[1:])}", "train them with --name")
    results: dict[str, list[PictureResult]] = {name: [] for name in names}
    for pair, name, clean, noisy in _pictures(pairs):
        made = {denoiser.name: denoise(denoiser.model, noisy) for denoiser in denoisers}
        for row, picture in {NOISY: noisy, **made}.items():
            results[row].append(PictureResult(name, pair.condition, psnr(clean, picture), ssim(clean, picture)))
        if look is not None:
            look(pair, clean, noisy, made)
    rows = [Row(NOISY, "", 0, results[NOISY])]
    rows += [Row(one.name, one.noise, one.steps, results[one.name]) for one in denoisers]
    return with_gaps(rows)


def with_gaps(rows: Sequence[Row]) -> list[Row]:
    """The rows with their gaps to the bound, if it is among them."""
    bound = next((row for row in rows if row.noise in (REAL, PAIRS)), None)
    if bound is None:
        return list(rows)
    return [replace(row, pictures=_with_gaps(bound.pictures, row.pictures)) for row in rows]


def mean(values: Sequence[float]) -> Mean:
    """The mean, with the interval that resampling of the pictures gives it (the same pictures for all rows)."""
    if len(values) < 2:
        return Mean(fmean(values), None)
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(np.asarray(values)[drawn].mean(1), (2.5, 97.5))
    return Mean(fmean(values), (float(low), float(high)))


def _with_gaps(bound: Sequence[PictureResult], pictures: Sequence[PictureResult]) -> list[PictureResult]:
    return [replace(own, pgap=best.psnr - own.psnr) for best, own in zip(bound, pictures, strict=True)]


def _pictures(pairs: Iterable[Paired]) -> Iterable[tuple[Paired, str, Bytes, Bytes]]:
    """Each pair with the name, the clean and the noisy picture of each of its pictures."""
    for pair in pairs:
        clean, noisy = (picture.reshape(-1, *picture.shape[-3:]) for picture in pair.load())
        for number, (one_clean, one_noisy) in enumerate(zip(clean, noisy, strict=True)):
            yield pair, f"{pair.name} {number}" if len(clean) > 1 else pair.name, one_clean, one_noisy
