"""Estimation of a noise profile from pictures: noisy ones alone, pairs of a clean and a noisy one, or a burst.

Deterministic: a least squares of closed forms, in which nothing is drawn.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.isp import CameraProfile
from nmflowgan_cli.profiles.blocks import Blocks, are_sampled, blocks_of
from nmflowgan_cli.profiles.burst import blocks_of_burst
from nmflowgan_cli.profiles.by_hand import typical
from nmflowgan_cli.profiles.closed_form import BLOCK
from nmflowgan_cli.profiles.fitting import FIXED, TYPICAL_BALANCE, Fit
from nmflowgan_cli.profiles.flatness import fit_flat, flattest
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference, Way
from nmflowgan_cli.profiles.refusals import FEW_BLOCKS, checked, measurable, remarks_of
from nmflowgan_cli.profiles.rendered import rendering_of_pairs, rendering_of_pictures

UNKNOWN_ISO = 100
"""ISO of the only entry of a profile whose ISO is not known."""
HEADROOM = 0.5
"""Saturated areas are mostly much brighter than white, and show no noise then."""
MARGIN = 1.03
"""Factor by which the range of white balance reaches beyond that of the references."""


def from_pictures(
    noisy: Sequence[NDArray[np.uint8]], names: Sequence[Reference], *, name: str, iso: int | None, seed: int = 0
) -> NoiseProfile:
    """The profile of one camera and ISO from noisy pictures alone, each (H, W, 3) uint8, from 64x64 pixels.

    `seed` changes nothing. Raises ProfileError for pictures that are too small, too dark, saturated, without noise or
    without flat areas; what makes a result doubtful is in its `remarks`.
    """
    del seed
    for picture, of in zip(noisy, names, strict=True):
        checked(picture, of.name)
    sampled = are_sampled(noisy)
    found = [measurable(blocks_of(picture, sampled=sampled), of.name) for picture, of in zip(noisy, names, strict=True)]
    return _profile(found, names, name=name, iso=iso, way="pictures", sampled=sampled)


def from_pairs(
    clean: Sequence[NDArray[np.uint8]],
    noisy: Sequence[NDArray[np.uint8]],
    names: Sequence[Reference],
    *,
    name: str,
    iso: int | None,
    seed: int = 0,
) -> NoiseProfile:
    """The profile of one camera and ISO from pairs, each picture (H, W, 3) uint8; as `from_pictures`."""
    del seed
    _check(clean, noisy, names)
    sampled = are_sampled(noisy)
    found = [
        measurable(blocks_of(over, under, sampled=sampled), of.name)
        for under, over, of in zip(clean, noisy, names, strict=True)
    ]
    return _profile(found, names, name=name, iso=iso, way="pairs", sampled=sampled)


def from_rendered(
    noisy: Sequence[NDArray[np.uint8]],
    names: Sequence[Reference],
    *,
    name: str,
    iso: int | None,
    clean: Sequence[NDArray[np.uint8]] = (),
) -> NoiseProfile:
    """The profile of one camera and ISO that rendered these pictures itself, from them or from pairs with `clean`.

    Its numbers of the simulator say nothing: noise is made by the statistics of `renderings`. Raises ProfileError for
    pictures that are too small, and for those alone that are too dark, saturated, or show no noise.
    """
    _check(clean or noisy, noisy, names)
    if clean:
        shown = [blocks_of(over, under) for under, over in zip(clean, noisy, strict=True)]
    else:
        found = [measurable(blocks_of(picture), of.name) for picture, of in zip(noisy, names, strict=True)]
        shown = [blocks.chosen(flattest(blocks)) for blocks in found]
    key = UNKNOWN_ISO if iso is None else iso
    made = typical(name, {key: (0.0, 0.0)}, way="pairs" if clean else "pictures")
    return replace(
        made,
        iso_known=iso is not None,
        references=tuple(names),
        levels=_levels(shown),
        texture=_texture(shown),
        renderings={key: rendering_of_pairs(clean, noisy) if clean else rendering_of_pictures(noisy)},
        remarks=tuple(
            f"{of.name}: only {len(blocks)} flat blocks of {BLOCK}x{BLOCK} pixels"
            for blocks, of in zip(shown, names, strict=True)
            if len(blocks) < FEW_BLOCKS
        ),
    )


def from_burst(
    shots: Sequence[NDArray[np.uint8]], names: Sequence[Reference], *, name: str, iso: int | None, seed: int = 0
) -> NoiseProfile:
    """The profile of one camera and ISO from 3 to 100 shots of a still scene, each (H, W, 3) uint8.

    Their mean is the clean picture. Shifts to 16 pixels and flicker to 15 % are evened out. As `from_pictures`;
    ProfileError also for shots that are farther apart, or too few or many.
    """
    del seed
    for shot, of in zip(shots, names, strict=True):
        checked(shot, of.name)
    sampled = are_sampled(shots[:1])
    blocks, remarks = blocks_of_burst(shots, [of.name for of in names], sampled=sampled)
    found = [measurable(blocks, names[0].name)]
    profile = _profile(found, names, name=name, iso=iso, way="burst", sampled=sampled)
    return replace(profile, remarks=remarks + profile.remarks)


def _check(clean: Sequence[NDArray[np.uint8]], noisy: Sequence[NDArray[np.uint8]], names: Sequence[Reference]) -> None:
    """Raise ProfileError for pictures that are too small, and for pairs of different sizes."""
    for under, over, of in zip(clean, noisy, names, strict=True):
        if under.shape != checked(over, of.name).shape:
            raise ProfileError(f"{of.name}: clean {under.shape}, noisy {over.shape}", "a pair has one size")


def _profile(
    found: Sequence[Blocks], names: Sequence[Reference], *, name: str, iso: int | None, way: Way, sampled: bool
) -> NoiseProfile:
    fit, flat = fit_flat(found, [of.name for of in names], sampled=sampled)
    # The shots of a burst share one white balance.
    balances = np.broadcast_to(fit.white_balance, (len(names), 2)).tolist()
    references = [replace(of, white_balance=(red, blue)) for of, (red, blue) in zip(names, balances, strict=True)]
    return NoiseProfile(
        name=name,
        camera=_camera(fit, UNKNOWN_ISO if iso is None else iso),
        iso_known=iso is not None,
        way=way,
        references=tuple(references),
        uncertainty=_uncertainty(fit),
        levels=_levels(flat),
        sampled=fit.sampled,
        texture=_texture(flat),
        remarks=remarks_of(fit, found, flat, names),
    )


def _levels(shown: Sequence[Blocks]) -> tuple[tuple[int, int], ...]:
    levels = np.concatenate([blocks.level for blocks in shown]).clip(0, WHITE)
    return tuple((int(low), int(high)) for low, high in zip(levels.min(0), levels.max(0), strict=True))


def _texture(shown: Sequence[Blocks]) -> float:
    return float(max(blocks.texture.max() for blocks in shown))


def _camera(fit: Fit, iso: int) -> CameraProfile:
    sensor = fit.sensor()
    return CameraProfile(
        noise={iso: (float(sensor.shot), float(sensor.read))},
        matrix=tuple(tuple(row) for row in sensor.matrix.tolist()),  # type: ignore[arg-type]
        laplacian_gains=tuple(sensor.laplacian_gains.tolist()),  # type: ignore[arg-type]
        white_balance=_range(fit.white_balance),
        floor=float(sensor.floor),
        black_shift=float(sensor.black_shift),
        headroom=HEADROOM,
    )


def _uncertainty(fit: Fit) -> dict[str, float]:
    """Standard errors by the names of a camera profile's parameters, of the worst one where there are several."""
    errors, covariance = fit.errors, fit.covariance
    # ln read = ln (read / shot^2) + 2 ln shot.
    read = np.sqrt(covariance[1, 1] + 4 * covariance[0, 0] + 4 * covariance[0, 1])
    return {
        "shot": float(errors[0]),
        "read": float(read),
        "white_balance": float(errors[FIXED:].max()),
        "floor": float(errors[2]),
        "black_shift": float(errors[3]),
        "laplacian_gains": float(errors[4:7].max()),
        "matrix": float(errors[7:FIXED].max()),
    }


def _range(balance: FloatArray) -> tuple[tuple[float, float], tuple[float, float]]:
    """The range that targets' white balance is drawn from: that of the references, drawn towards a typical light.

    Another scene has another light: of n references and the typical one, the latter counts as much as each of them.
    """
    share = len(balance) / (len(balance) + 1)
    drawn = balance**share * np.array(TYPICAL_BALANCE[0]) ** (1 - share)
    low, high = drawn.min(0) / MARGIN, drawn.max(0) * MARGIN
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
