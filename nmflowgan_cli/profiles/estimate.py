"""Estimation of a noise profile from pictures: noisy ones alone, or pairs of a clean and a noisy one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.isp import CameraProfile
from nmflowgan_cli.profiles import blocks as measured
from nmflowgan_cli.profiles.blocks import Blocks
from nmflowgan_cli.profiles.closed_form import BLOCK
from nmflowgan_cli.profiles.fitting import FIXED, Problem, Weights, prior, sensor_of, solve
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference, Way

LEAST_SIDE = 64
LEAST_BLOCKS = 12
UNKNOWN_ISO = 100
TYPICAL_CAMERA = ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406))
"""From XYZ: the first of the matrices of Brooks et al. (CVPR 2019)."""
XYZ_OF_SRGB = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
NAMES = ("shot", "read", "floor", "black_shift", "laplacian_1", "laplacian_2", "laplacian_3", *6 * ("matrix",))


def typical_matrix() -> torch.Tensor:
    """Linear sRGB to the camera colours of a typical phone, (3, 3); rows add up to 1."""
    matrix = torch.tensor(TYPICAL_CAMERA, dtype=torch.float64) @ torch.tensor(XYZ_OF_SRGB, dtype=torch.float64)
    return matrix / matrix.sum(1, keepdim=True)


def from_pictures(
    noisy: Sequence[NDArray[np.uint8]], names: Sequence[Reference], *, name: str, iso: int | None, seed: int = 0
) -> NoiseProfile:
    """Profile of one camera and ISO from noisy pictures alone, each (H, W, 3) uint8."""
    found = [
        _flat(measured.blocks_of(_checked(picture, of.name)), of.name) for picture, of in zip(noisy, names, strict=True)
    ]
    return _profile(found, names, name=name, iso=iso, way="pictures")


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
    found = []
    for under, over, of in zip(clean, noisy, names, strict=True):
        blocks = measured.blocks_of(_checked(over, of.name), under)
        found.append(_enough(blocks.chosen(measured.inside(blocks, -1)), of.name))
    return _profile(found, names, name=name, iso=iso, way="pairs")


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


def _flat(blocks: Blocks, name: str) -> Blocks:
    blocks = _enough(blocks.chosen(measured.inside(blocks)), name)
    strength = blocks.covariance[:, [0, 1, 2], [0, 1, 2], 0].clip(0.1)
    keep = np.zeros(len(blocks), bool)
    mean = np.sqrt(strength).mean(1)
    for part in np.array_split(np.argsort(blocks.level[:, 1]), max(1, min(12, len(blocks) // 20))):
        keep[part] = mean[part] <= np.quantile(mean[part], 0.3)
    return blocks.chosen(keep)


def _profile(
    found: Sequence[Blocks], names: Sequence[Reference], *, name: str, iso: int | None, way: Way
) -> NoiseProfile:
    cells = measured.cells_of(found)
    problem = Problem(cells, prior(len(found), typical_matrix()), Weights())
    parameters, covariance = solve(problem)
    errors = np.sqrt(np.diag(covariance))
    sensor = sensor_of(torch.from_numpy(parameters), torch.arange(len(found)))
    balance = np.exp(parameters[FIXED:].reshape(-1, 2))
    camera = CameraProfile(
        noise={iso or UNKNOWN_ISO: (float(sensor.shot), float(sensor.read))},
        matrix=tuple(tuple(row) for row in sensor.matrix.tolist()),  # type: ignore[arg-type]
        laplacian_gains=tuple(sensor.laplacian_gains.tolist()),  # type: ignore[arg-type]
        white_balance=_range(balance),
        floor=float(sensor.floor),
        black_shift=float(sensor.black_shift),
    )
    levels = np.concatenate([blocks.level for blocks in found])
    return NoiseProfile(
        name=name,
        camera=camera,
        iso_known=iso is not None,
        way=way,
        references=tuple(
            replace(of, white_balance=(float(red), float(blue))) for of, (red, blue) in zip(names, balance, strict=True)
        ),
        uncertainty=dict(zip(NAMES[:4], errors[:4].tolist(), strict=False)),
        levels=tuple((int(low), int(min(high, WHITE))) for low, high in zip(levels.min(0), levels.max(0), strict=True)),
        texture=float(max(blocks.texture.max() for blocks in found)),
    )


def _range(balance: FloatArray) -> tuple[tuple[float, float], tuple[float, float]]:
    middle = np.exp(np.log(balance).mean(0))
    low, high = np.minimum(balance.min(0), middle * 0.97), np.maximum(balance.max(0), middle * 1.03)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
