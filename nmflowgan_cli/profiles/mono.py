"""Noise of single-channel sources (X-ray, microscopy): shot and read noise, blurred; no mosaic, no tone curve.

The counts are taken to be linear in light: variance = shot * x + read for x = counts / 255, of the blurred noise as it
is seen. Estimation: 16x16 blocks without coarse texture and without their plane; a robust line through variance over
level, and the Gaussian blur that explains how neighbours correlate.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.models.base import WHITE, Code, Draws, Fields, Geometry, NoiseModel
from nmflowgan_cli.profiles.blocks import planes
from nmflowgan_cli.profiles.by_hand import by_hand
from nmflowgan_cli.profiles.closed_form import BLOCK
from nmflowgan_cli.profiles.model import beyond, extended, textures, vocabulary_of
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference

REACH = 3
"""Standard deviations at which the blur's kernel ends."""
BLURS = np.linspace(0, 4, 401)
LEAST_BLOCKS = 24
LEAST_SIDE = 64
QUIET, SPREAD = 0.2, 1.7
"""Flat are the blocks of a level up to SPREAD times the coarse texture of its share QUIET: all, where there is none."""
GROUPS = 12
POOR_FIT = 0.2
PLANE = 3
"""Numbers that a plane has."""
ROUNDING = 1 / 12


def kernel(blur: float) -> FloatArray:
    """One side of the separable Gaussian of `blur` pixels, of unit energy: it leaves the variance of noise as it is."""
    radius = math.ceil(REACH * blur)
    steps = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (steps / blur) ** 2) if blur else np.ones(1)
    return weights / np.sqrt((weights**2).sum())


class MonoNoise(NoiseModel):
    """Signal-dependent noise, the same in all channels, correlated as by a Gaussian blur."""

    draws = Draws(uniform=0)

    def __init__(self, profile: NoiseProfile) -> None:
        self.profile = profile
        self.camera = extended(profile.camera) if profile.iso_known else profile.camera
        self.vocabulary = vocabulary_of(profile)
        self.kernel = kernel(profile.blur).tolist()
        radius = len(self.kernel) // 2
        self.geometry = Geometry(multiple=1, context=radius, border=radius)

    def to(self, device: torch.device | str) -> "MonoNoise":
        return self

    def extrapolated(self, rgb: Bytes, condition: Condition) -> Mapping[str, float]:
        return beyond(self.profile, rgb, condition)

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: None = None) -> Tensor:
        """See `NoiseModel.sample`."""
        isos = [round(100 * 2**log_iso) for log_iso in code.log_iso.tolist()]
        shot, read = torch.tensor([self.camera.noise_at(iso) for iso in isos]).to(clean).T[..., None, None, None]
        normal = self._blurred(self._blurred(fields.latent[:, :1], 2), 3)
        return clean + WHITE * (shot * (clean / WHITE) + read).sqrt() * normal

    def _blurred(self, normal: Tensor, axis: int) -> Tensor:
        """Blurred along an axis, zero beyond the ends; sums of whole planes, so bits do not depend on the tile."""
        radius, side = len(self.kernel) // 2, normal.shape[axis]
        wide = torch.nn.functional.pad(normal, (radius, radius) if axis == 3 else (0, 0, radius, radius))
        found = torch.zeros_like(normal)
        for step, weight in enumerate(self.kernel):
            found += weight * wide.narrow(axis, step, side)
        return found


def from_grey(noisy: Sequence[Bytes], references: Sequence[Reference], *, name: str, iso: int | None) -> NoiseProfile:
    """The profile of single-channel pictures, each (H, W, 3) uint8 with three equal channels; raises ProfileError."""
    parts = [_flat(picture[..., 0], of.name) for picture, of in zip(noisy, references, strict=True)]
    blocks = np.concatenate([blocks for blocks, _ in parts])
    rest = _without_plane(blocks)
    neighbours = (rest[:, :, 1:] * rest[:, :, :-1]).mean((1, 2)) + (rest[:, 1:] * rest[:, :-1]).mean((1, 2))
    blur, lost = _blur_and_loss(float(np.median(neighbours / (2 * rest.var((1, 2))))))
    level, variance = blocks.mean((1, 2)), rest.var((1, 2)) / (1 - lost)
    shot, read, errors, misfit = _line(level / WHITE, (variance - ROUNDING).clip(1e-3) / WHITE**2)
    ends = int(level.min()), math.ceil(level.max())
    made = by_hand(shot, read, iso, name=name)
    return replace(
        made,
        way="pictures",
        mosaic=False,
        blur=blur,
        references=tuple(references),
        levels=(ends, ends, ends),
        texture=max(texture for _, texture in parts),
        uncertainty={"shot": errors[0], "read": errors[1]},
        remarks=(f"noise is no line over level: off by {misfit:.2f} (ln)",) if misfit > POOR_FIT else (),
    )


def _blur_and_loss(correlation: float) -> tuple[float, float]:
    """The blur, and the share of the noise that goes with a block's plane, for the correlation that the plane left.

    A plane takes three degrees of freedom; of blurred noise, in which pixels share them, more.
    """
    blur = lost = 0.0
    for _ in range(20):
        lost = min(PLANE / BLOCK**2 * float(kernel(blur).sum() ** 4), 0.5)
        blur = blur_of(correlation * (1 - lost) + lost)
    return blur, lost


def blur_of(correlation: float) -> float:
    """The blur, in pixels, whose noise has this correlation between neighbours."""
    known = []
    for blur in BLURS:
        weights = kernel(float(blur))
        known.append(float((weights[1:] * weights[:-1]).sum()))
    return round(float(np.interp(correlation, known, BLURS)), 3)


def _flat(grey: NDArray[np.uint8], name: str) -> tuple[FloatArray, float]:
    """The flat blocks (N, 16, 16) of a picture that are neither black nor saturated, and their strongest texture."""
    rows, columns = (side // BLOCK for side in grey.shape)
    if min(grey.shape) < LEAST_SIDE:
        raise ProfileError(
            f"{name}: {grey.shape[1]}x{grey.shape[0]} pixels are too few to measure noise", "64x64 at least"
        )
    cut = grey[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
    blocks = cut.reshape(-1, BLOCK, BLOCK).astype(np.float64)
    texture = textures(np.repeat(grey[..., None], 3, 2))
    usable = (blocks.min((1, 2)) > 0) & (blocks.max((1, 2)) < WHITE)
    blocks, texture = blocks[usable], texture[usable]
    if len(blocks) < LEAST_BLOCKS:
        raise ProfileError(
            f"{name}: {len(blocks)} blocks of {BLOCK}x{BLOCK} pixels are neither black nor saturated",
            f"{LEAST_BLOCKS} are needed: give a picture with more mid-tones",
        )
    order = np.argsort(blocks.mean((1, 2)))
    groups = np.array_split(order, max(1, min(GROUPS, len(blocks) // 8)))
    kept = np.concatenate([part[texture[part] <= SPREAD * np.quantile(texture[part], QUIET)] for part in groups])
    return blocks[kept], float(texture[kept].max())


def _without_plane(blocks: FloatArray) -> FloatArray:
    plane, flat = planes(BLOCK), blocks.reshape(len(blocks), -1)
    return (flat - flat @ plane @ plane.T).reshape(blocks.shape)


def _line(signal: FloatArray, variance: FloatArray) -> tuple[float, float, tuple[float, float], float]:
    """Shot and read of variance = shot * signal + read, neither negative; standard errors of their ln, and misfit.

    Weighted by relative variance; blocks off by more than two standard deviations are left out, in a few rounds.
    """
    design = np.stack([signal, np.ones_like(signal)], 1) / variance[:, None]
    shot, read = _not_negative(design)
    off, kept = np.zeros(len(signal)), np.ones(len(signal), bool)
    for _ in range(5):
        off = np.log(variance / np.maximum(shot * signal + read, 1e-9))
        kept = np.abs(off - np.median(off)) < 2 * max(1.4826 * float(np.median(np.abs(off - np.median(off)))), 0.02)
        shot, read = _not_negative(design[kept])
    spread = np.sqrt(np.diag(np.linalg.pinv(design[kept].T @ design[kept]))) * float(off[kept].std())
    errors = tuple(
        min(float(error / value), 10.0) if value else 10.0 for error, value in zip(spread, (shot, read), strict=True)
    )
    groups = np.array_split(np.argsort(signal), 8)
    misfit = math.sqrt(float(np.mean([np.median(off[part]) ** 2 for part in groups if len(part)])))
    return shot, read, (errors[0], errors[1]), misfit


def _not_negative(design: FloatArray) -> tuple[float, float]:
    """The least squares solution of design @ (shot, read) = 1 without negative parts."""
    (shot, read), *_ = np.linalg.lstsq(design, np.ones(len(design)), rcond=None)
    if shot < 0 or read < 0:
        alone = [float(column.sum() / (column**2).sum()) for column in design.T]
        misfits = [float(((design[:, place] * alone[place] - 1) ** 2).sum()) for place in (0, 1)]
        return (alone[0], 0.0) if misfits[0] <= misfits[1] else (0.0, alone[1])
    return float(shot), float(read)
