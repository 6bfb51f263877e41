"""Pictures of a noise profile: strength by level, correlation, spectrum, and its noise on a photograph."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nmflowgan_cli.conditions import UNKNOWN_ISO, Condition
from nmflowgan_cli.errors import NmflowganError
from nmflowgan_cli.files import make_folder, replacing, write_error
from nmflowgan_cli.imaging import Bytes, read
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.metrics.noise import REACH, ChannelMoments, SpatialCorrelation
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.profiles.model import model_of
from nmflowgan_cli.profiles.profile import NoiseProfile
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.report.page import require_packages
from nmflowgan_cli.synthesis.engine import synthesize
from nmflowgan_cli.synthesis.patch_sampling import sample_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"red": "#c1272d", "green": "#1b7f3b", "blue": "#1f4fa3"}
LEVELS = np.arange(4, 256, 8)
SIDE = 96
"""Of the flat patches whose noise is measured, pixels."""
LARGE = 768
MIDDLE = 96
"""Level of the grey that correlation and spectrum are measured on, counts."""
BLOCK = 64
MOST_ISOS = 4
ZOOM = 3


def draw(profile: NoiseProfile, folder: Path, iso: int | None = None) -> list[Path]:
    """Write levels.png, correlation.png, spectrum.png and photograph.png into `folder`; their paths.

    `iso`: of all but the first, which shows several; the middle one of those that are known by default. Raises
    UsageError without matplotlib, ConditionError for an ISO beyond the reach of the profile.
    """
    require_packages("matplotlib")
    make_folder(folder, "choose another folder")
    model = model_of(profile)
    condition = Condition(profile.name, _middle(model) if iso is None else iso)
    model.vocabulary.check(condition)
    flat = _flat_noise(model, condition)
    drawings = {
        "levels.png": lambda: _levels(model, condition, profile.levels),
        "correlation.png": lambda: _correlation(flat, condition),
        "spectrum.png": lambda: _spectrum(flat, condition),
        "photograph.png": lambda: _photograph(model, condition),
    }
    return [_saved(folder / name, figure()) for name, figure in drawings.items()]


def level_deviations(model: NoiseModel, condition: Condition) -> FloatArray:
    """Standard deviation of the rounded noise at LEVELS, (levels, 3), counts."""
    clean = torch.from_numpy(LEVELS.astype(np.float32))[:, None, None, None].expand(-1, 3, SIDE, SIDE).contiguous()
    keys = [picture_key(0, "level", 0)] * len(LEVELS)  # one white balance for all
    noisy = sample_whole(model, clean, [condition] * len(LEVELS), keys)
    return noisy.std((2, 3)).double().numpy()


def _middle(model: NoiseModel) -> int:
    isos = model.vocabulary.isos
    return isos[len(isos) // 2]


def _flat_noise(model: NoiseModel, condition: Condition) -> FloatArray:
    """The rounded noise of a grey picture, (H, W, 3) integer counts."""
    grey = np.full((LARGE, LARGE, 3), MIDDLE, np.uint8)
    return synthesize(model, grey, condition, picture_key(0, "grey", 0)).astype(np.float64) - MIDDLE


def _levels(model: NoiseModel, condition: Condition, seen: Sequence[tuple[int, int]]) -> Any:
    """Curves of the middle ISO by channel, and of the lowest, highest and others for green."""
    figure, (left, right) = _axes(2)
    deviations = level_deviations(model, condition)
    for channel, (name, colour) in enumerate(COLOURS.items()):
        left.plot(LEVELS, deviations[:, channel], color=colour, label=name)
    for channel, (low, high) in enumerate(seen):
        left.axvspan(
            low, high, 0.01 * channel, 0.01 * channel + 0.008, color=list(COLOURS.values())[channel], alpha=0.6
        )
    left.set(title=f"{condition}" + (" (bars: levels seen)" if seen else ""))
    for iso in _shown(model.vocabulary.isos):
        curve = level_deviations(model, Condition(condition.camera, iso))[:, 1]
        right.plot(LEVELS, curve, label=f"ISO {iso}" if iso != UNKNOWN_ISO else "ISO not known")
    right.set(title="green, by ISO")
    for axes in (left, right):
        axes.set(xlabel="clean level (counts)", ylabel="std of noise (counts)", xlim=(0, 255), ylim=(0, None))
        axes.legend(frameon=False)
    return figure


def _shown(isos: Sequence[int]) -> list[int]:
    """At most MOST_ISOS of them, spread evenly."""
    places = np.unique(np.linspace(0, len(isos) - 1, min(len(isos), MOST_ISOS)).round().astype(int))
    return [isos[place] for place in places]


def _correlation(noise: FloatArray, condition: Condition) -> Any:
    """Maps of each channel with itself, and the correlation of channels as their title."""
    spatial, channels = SpatialCorrelation(), ChannelMoments()
    spatial.add(noise.astype(np.int16))
    channels.add(noise.astype(np.int16))
    maps = spatial.map()
    maps[:, REACH, REACH] = 0
    limit = max(float(np.abs(maps).max()), 0.1)
    figure, row = _axes(3)
    side, ticks = REACH + 0.5, (-REACH, 0, REACH)
    for axes, name, values in zip(row, COLOURS, maps, strict=True):
        axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=(-side, side, side, -side))
        title = f"{name}, 1 pixel on: {values[REACH, REACH + 1]:.2f}"
        axes.set(title=title, xlabel="shift (pixels)", xticks=ticks, yticks=ticks)
    figure.colorbar(row[0].images[0], ax=row, shrink=0.8)
    pairs = zip(("red-green", "red-blue", "green-blue"), channels.correlation(), strict=True)
    figure.suptitle(f"{condition}, grey {MIDDLE}; between colours: " + ", ".join(f"{k} {v:.2f}" for k, v in pairs))
    return figure


def _spectrum(noise: FloatArray, condition: Condition) -> Any:
    """Power over spatial frequency, around the circle, relative to white noise of the same strength."""
    figure, (axes,) = _axes(1)
    for channel, (name, colour) in enumerate(COLOURS.items()):
        frequency, power = radial_spectrum(noise[..., channel])
        axes.plot(frequency, power, color=colour, label=name)
    axes.axhline(1, color="grey", linewidth=0.8)
    axes.set(
        title=f"{condition}, grey {MIDDLE}",
        xlabel="spatial frequency (cycles a pixel)",
        ylabel="power (white noise: 1)",
        xlim=(0, 0.5),
        ylim=(0, None),
    )
    axes.legend(frameon=False)
    return figure


def radial_spectrum(noise: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Frequencies in cycles a pixel, and the mean power there relative to white noise, of (H, W) noise."""
    rows, columns = (side // BLOCK for side in noise.shape)
    blocks = noise[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
    blocks = blocks - noise.mean()
    power = (np.abs(np.fft.fft2(blocks)) ** 2).mean((0, 1)) / (BLOCK**2 * max(noise.var(), 1e-12))
    steps = np.fft.fftfreq(BLOCK)
    ring = np.rint(np.hypot(steps[:, None], steps[None]) * BLOCK).astype(int)
    count = np.bincount(ring.ravel())
    mean = np.bincount(ring.ravel(), power.ravel()) / np.maximum(count, 1)
    kept = np.arange(1, BLOCK // 2 + 1)
    return kept / BLOCK, mean[kept]


def _photograph(model: NoiseModel, condition: Condition) -> Any:
    """A photograph, the same with noise, and the noise alone amplified, enlarged."""
    clean = photograph()
    noisy = synthesize(model, clean, condition, picture_key(0, "photograph", 0))
    difference = noisy.astype(np.float64) - clean
    gain = int(2 ** np.clip(np.rint(np.log2(32 / max(difference.std(), 1e-6))), 0, 5))
    amplified = (128 + gain * difference).clip(0, 255).astype(np.uint8)
    figure, row = _axes(3, clean.shape[1] * ZOOM / 200, clean.shape[0] * ZOOM / 200)
    titles = ("clean", str(condition), f"its noise, {gain} times")
    for axes, picture, title in zip(row, (clean, noisy, amplified), titles, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set(title=title, xticks=(), yticks=())
    return figure


def photograph() -> Bytes:
    """The photograph of the plots, (H, W, 3) uint8: photos/astronaut.png, cropped (NASA, public domain)."""
    return read(Path(str(files("nmflowgan_cli.report").joinpath("photograph.png")))).rgb


def _axes(number: int, width: float = 4.2, height: float = 3.4) -> "tuple[Any, Sequence[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(number * width, height), dpi=100, layout="constrained")
    axes = figure.subplots(1, number, squeeze=False)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _saved(path: Path, figure: Any) -> Path:
    for axes in figure.axes:
        axes.title.set(fontsize=9, wrap=True)
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
    except OSError as error:
        raise write_error(path, error, NmflowganError) from None
    return path
