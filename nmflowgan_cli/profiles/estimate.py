"""Estimation of a noise profile from pictures: noisy ones alone, or pairs of a clean and a noisy one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.isp import CameraProfile
from nmflowgan_cli.profiles import blocks as measured
from nmflowgan_cli.profiles.blocks import Blocks
from nmflowgan_cli.profiles.closed_form import BLOCK
from nmflowgan_cli.profiles.fitting import FIXED, Fit, Problem, solve
from nmflowgan_cli.profiles.flatness import fit_flat
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference, Way

LEAST_SIDE = 64
LEAST_BLOCKS = 12
UNKNOWN_ISO = 100
MARGIN = 1.03
"""Factor by which the range of white balance reaches beyond that of the references."""


def from_pictures(
    noisy: Sequence[NDArray[np.uint8]], names: Sequence[Reference], *, name: str, iso: int | None, seed: int = 0
) -> NoiseProfile:
    """Profile of one camera and ISO from noisy pictures alone, each (H, W, 3) uint8."""
    del seed
    found = []
    for picture, of in zip(noisy, names, strict=True):
        blocks = measured.blocks_of(_checked(picture, of.name))
        found.append(_enough(blocks.chosen(measured.inside(blocks)), of.name))
    fit, flat = fit_flat(found)
    return _profile(fit, flat, names, name=name, iso=iso, way="pictures")


def from_pairs(
    clean: Sequence[NDArray[np.uint8]],
    noisy: Sequence[NDArray[np.uint8]],
    names: Sequence[Reference],
    *,
    name: str,
    iso: int | None,
    seed: int = 0,
) -> NoiseProfile:
    """Profile of one camera and ISO from pairs, each (H, W, 3) uint8."""
    del seed
    found = []
    for under, over, of in zip(clean, noisy, names, strict=True):
        blocks = measured.blocks_of(_checked(over, of.name), under)
        found.append(_enough(blocks.chosen(measured.inside(blocks, -1)), of.name))
    return _profile(solve(Problem(measured.cells_of(found))), found, names, name=name, iso=iso, way="pairs")


def _checked(picture: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    if min(picture.shape[:2]) < LEAST_SIDE:
        height, width = picture.shape[:2]
        raise ProfileError(
            f"{name}: {width}x{height} pixels are too few to measure noise", f"{LEAST_SIDE}x{LEAST_SIDE} at least"
        )
    return picture


def _enough(blocks: Blocks, name: str) -> Blocks:
    if len(blocks) < LEAST_BLOCKS:
        raise ProfileError(
            f"{name}: {len(blocks)} blocks of {BLOCK}x{BLOCK} pixels are neither black nor saturated",
            f"{LEAST_BLOCKS} are needed: give a picture with more mid-tones",
        )
    return blocks


def _profile(
    fit: Fit, found: Sequence[Blocks], names: Sequence[Reference], *, name: str, iso: int | None, way: Way
) -> NoiseProfile:
    levels = np.concatenate([blocks.level for blocks in found])
    balances = fit.white_balance.tolist()
    return NoiseProfile(
        name=name,
        camera=_camera(fit, UNKNOWN_ISO if iso is None else iso),
        iso_known=iso is not None,
        way=way,
        references=tuple(
            replace(of, white_balance=(red, blue)) for of, (red, blue) in zip(names, balances, strict=True)
        ),
        uncertainty=_uncertainty(fit),
        levels=tuple((int(low), int(min(high, WHITE))) for low, high in zip(levels.min(0), levels.max(0), strict=True)),
        texture=float(max(blocks.texture.max() for blocks in found)),
    )


def _camera(fit: Fit, iso: int) -> CameraProfile:
    sensor = fit.sensor()
    return CameraProfile(
        noise={iso: (float(sensor.shot), float(sensor.read))},
        matrix=tuple(tuple(row) for row in sensor.matrix.tolist()),  # type: ignore[arg-type]
        laplacian_gains=tuple(sensor.laplacian_gains.tolist()),  # type: ignore[arg-type]
        white_balance=_range(fit.white_balance),
        floor=float(sensor.floor),
        black_shift=float(sensor.black_shift),
    )


def _uncertainty(fit: Fit) -> dict[str, float]:
    """Standard errors by the names of a camera profile's parameters; read noise is read / shot^2 times shot^2."""
    errors, covariance = fit.errors, fit.covariance
    read = covariance[1, 1] + 4 * covariance[0, 0] + 4 * covariance[0, 1]
    return {
        "shot": float(errors[0]),
        "read": float(np.sqrt(read)),
        "white_balance": float(np.sqrt((errors[FIXED:] ** 2).mean())),
        "floor": float(errors[2]),
        "black_shift": float(errors[3]),
        "laplacian_gains": float(errors[4:7].max()),
        "matrix": float(errors[7:FIXED].max()),
    }


def _range(balance: FloatArray) -> tuple[tuple[float, float], tuple[float, float]]:
    """What targets' white balance is drawn from: that of the references, and a little on either side."""
    low, high = balance.min(0) / MARGIN, balance.max(0) * MARGIN
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
