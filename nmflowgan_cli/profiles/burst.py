"""Shots of one still scene: brought to one place and brightness, and compared with their mean."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.metrics.moments import CHANNELS, FloatArray
from nmflowgan_cli.profiles.blocks import Blocks, blocks_of

LEAST_SHOTS, MOST_SHOTS = 3, 100
MEASURED = 8
"""Shots, evenly spread, whose noise is measured; the mean is of all."""
FARTHEST = 16
"""Shift of a shot, pixels, up to which it is brought into place."""
FLICKER = 0.15
"""Change of brightness up to which it is evened out."""


def blocks_of_burst(
    shots: Sequence[NDArray[np.uint8]], names: Sequence[str], *, sampled: bool
) -> tuple[Blocks, tuple[str, ...]]:
    """Blocks of the noise about the mean of all shots, and remarks.

    Raises ProfileError for too few or too many shots, other sizes, shots too far apart or too differently bright.
    """
    _check(shots, names)
    shifts = np.array([_shift(shots[0], shot) for shot in shots])
    _near(shifts, names)
    placed = _placed(shots, np.rint(shifts).astype(int))
    gains = _gains(placed, names)
    mean = sum((shot / gain for shot, gain in zip(placed, gains, strict=True)), np.zeros(placed[0].shape)) / len(placed)
    chosen = np.unique(np.linspace(0, len(placed) - 1, MEASURED).astype(int))
    parts = [_about(placed[index] / gains[index], mean, len(placed), sampled=sampled) for index in chosen]
    blocks = Blocks(*(np.concatenate(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))
    return blocks, _remarks(shifts, gains)


def _about(shot: FloatArray, mean: FloatArray, number: int, *, sampled: bool) -> Blocks:
    """Blocks of one shot; the mean holds a share of the shot's own noise, and everyone's clipping."""
    blocks = blocks_of(shot, mean, sampled=sampled)
    blocks.covariance *= number / (number - 1)
    blocks.offset[:] = np.nan
    return blocks


def _check(shots: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> None:
    if not LEAST_SHOTS <= len(shots) <= MOST_SHOTS:
        raise ProfileError(f"a burst of {len(shots)} shots", f"{LEAST_SHOTS} to {MOST_SHOTS} shots of one still scene")
    for shot, name in zip(shots, names, strict=True):
        if shot.shape != shots[0].shape:
            raise ProfileError(
                f"{name} is {shot.shape[1]}x{shot.shape[0]}, {names[0]} is {shots[0].shape[1]}x{shots[0].shape[0]}",
                "all shots of a burst have one size",
            )


def _shift(first: NDArray[np.uint8], shot: NDArray[np.uint8]) -> tuple[float, float]:
    """Rows and columns by which `shot` lies further down and right than `first`; phase correlation of green."""
    window = np.outer(*(np.hanning(side) for side in first.shape[:2]))
    spectra = [np.fft.rfft2((picture[..., 1] - picture[..., 1].mean()) * window) for picture in (first, shot)]
    product = spectra[1] * spectra[0].conj()
    # Noise has no common phase: dividing by the root of the amplitude only keeps the structure's weight.
    surface = np.fft.irfft2(product / np.sqrt(np.abs(product) + 1e-9), first.shape[:2])
    top = np.unravel_index(surface.argmax(), surface.shape)
    found = []
    for axis, (place, side) in enumerate(zip(top, surface.shape, strict=True)):
        line = np.take(surface, top[1 - axis], 1 - axis)
        before, here, after = line[place - 1], line[place], line[(place + 1) % side]
        bend = before - 2 * here + after
        exact = place + (0.5 * (before - after) / bend if bend < 0 else 0.0)
        found.append(float(exact - side if exact > side / 2 else exact))
    return found[0], found[1]


def _near(shifts: FloatArray, names: Sequence[str]) -> None:
    farthest = np.abs(shifts).max(1)
    worst = int(farthest.argmax())
    if farthest[worst] > FARTHEST:
        raise ProfileError(
            f"{names[worst]} lies {farthest[worst]:.0f} pixels from {names[0]}",
            f"a burst needs a still scene from a tripod: {FARTHEST} pixels at most",
        )


def _placed(shots: Sequence[NDArray[np.uint8]], shifts: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
    """The area that all shots show, of each shot."""
    starts = shifts - shifts.min(0)
    height, width = (side - int(reach) for side, reach in zip(shots[0].shape, starts.max(0), strict=False))
    windows = zip(shots, starts.tolist(), strict=True)
    return [shot[top : top + height, left : left + width] for shot, (top, left) in windows]


def _gains(shots: Sequence[NDArray[np.uint8]], names: Sequence[str]) -> FloatArray:
    """Brightness of each shot and channel relative to the mean of all, (shots, 3)."""
    brightness = np.array([shot.reshape(-1, CHANNELS).mean(0) for shot in shots]).clip(1e-3)
    gains = brightness / brightness.mean(0)
    worst = int(np.abs(gains - 1).max(1).argmax())
    if np.abs(gains[worst] - 1).max() > FLICKER:
        percent = 100 * np.abs(gains[worst] - 1).max()
        raise ProfileError(
            f"{names[worst]} differs from the mean of the burst by {percent:.0f} % in brightness",
            f"a burst needs fixed exposure and light: {100 * FLICKER:.0f} % at most",
        )
    return gains


def _remarks(shifts: FloatArray, gains: FloatArray) -> tuple[str, ...]:
    remarks = []
    if (rest := float(np.abs(shifts - np.rint(shifts)).max())) > 0.1:
        remarks.append(f"shots lie up to {rest:.2f} pixels off whole pixels: only flat areas were measured")
    if (flicker := float(np.abs(gains - 1).max())) > 0.005:
        remarks.append(f"brightness of the shots differs by up to {100 * flicker:.1f} %: evened out")
    return tuple(remarks)
