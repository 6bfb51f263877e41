"""The noise model of a profile: the camera simulator with one camera, and physics beyond the ISOs that are known."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nmflowgan_cli.conditions import UNKNOWN_ISO, Condition, Vocabulary
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.models.base import WHITE, Code, Fields, Geometry, NoiseModel
from nmflowgan_cli.models.isp import CameraProfile, ISPNoise
from nmflowgan_cli.models.rendered import RenderedNoise
from nmflowgan_cli.models.srgb import to_linear
from nmflowgan_cli.profiles.closed_form import BLOCK
from nmflowgan_cli.profiles.profile import NoiseProfile
from nmflowgan_cli.profiles.sampled import expose_sampled

STOPS = 4
"""Stops below the lowest and above the highest known ISO that physics is trusted for."""
ISOS = 25, 409600
"""No camera has an ISO beyond these."""
READ_EXPONENT = 1.5
"""Of the read variance over ISO. What is added before the gain grows with its square, what is added after it not at
all; measured phones (data/camera_profiles.json) have 1.2 to 1.7 over their whole range."""


def extended(camera: CameraProfile) -> CameraProfile:
    """The camera with an ISO added at either end: from there to the next known one, `noise_at` follows physics.

    Shot variance is proportional to ISO, read variance to its power READ_EXPONENT.
    """
    known = sorted(camera.noise)
    noise = dict(camera.noise)
    for iso, nearest in (
        (max(known[0] >> STOPS, ISOS[0]), known[0]),
        (min(known[-1] << STOPS, ISOS[1]), known[-1]),
    ):
        shot, read = camera.noise[nearest]
        ratio = iso / nearest
        noise.setdefault(iso, (shot * ratio, read * ratio**READ_EXPONENT))
    return replace(camera, noise=noise)


class ProfileNoise(ISPNoise):
    """The simulator with the one camera of a profile."""

    def __init__(self, profile: NoiseProfile) -> None:
        name = profile.name
        super().__init__({name: extended(profile.camera) if profile.iso_known else profile.camera})
        self.profile = profile
        self.vocabulary = vocabulary_of(profile)

    def extrapolated(self, rgb: Bytes, condition: Condition) -> Mapping[str, float]:
        """See `NoiseModel.extrapolated`."""
        return beyond(self.profile, rgb, condition)


class SampledNoise(ProfileNoise):
    """The simulator for pictures that were sampled down: the noise of neighbouring pixels is independent."""

    geometry = Geometry(multiple=1, context=0, border=0)

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Tensor | None = None) -> Tensor:
        """See `NoiseModel.sample`."""
        return expose_sampled(to_linear(clean / WHITE), self.settings(clean, code, statistics), fields.latent)


class ProfileRendering(NoiseModel):
    """The noise of a profile that has renderings: of each ISO the nearest one."""

    geometry = RenderedNoise.geometry

    def __init__(self, profile: NoiseProfile) -> None:
        self.profile, self.vocabulary = profile, vocabulary_of(profile)
        self.models = [RenderedNoise(rendering, self.vocabulary) for _, rendering in sorted(profile.renderings.items())]

    def to(self, device: torch.device | str) -> "ProfileRendering":
        self.models = [model.to(device) for model in self.models]
        return self

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Tensor | None = None) -> Tensor:
        """See `NoiseModel.sample`."""
        made = []
        for number, nearest in enumerate(code.iso.argmax(1).tolist()):
            one = slice(number, number + 1)
            parts = Fields(*(None if part is None else part[one] for part in fields))  # type: ignore[arg-type]
            made.append(self.models[nearest].sample(clean[one], code, parts, statistics))
        return torch.cat(made)

    def extrapolated(self, rgb: Bytes, condition: Condition) -> Mapping[str, float]:
        """See `NoiseModel.extrapolated`."""
        return beyond(self.profile, rgb, condition)


def model_of(profile: NoiseProfile) -> NoiseModel:
    """The noise model of a profile."""
    from nmflowgan_cli.profiles.mono import MonoNoise

    if profile.renderings:
        return ProfileRendering(profile)
    if profile.sampled:
        return SampledNoise(profile)
    return ProfileNoise(profile) if profile.mosaic else MonoNoise(profile)


def beyond(profile: NoiseProfile, rgb: Bytes, condition: Condition) -> Mapping[str, float]:
    """What the references of a profile did not show: ISO, share of levels, share of blocks with more texture."""
    known = profile.camera.noise
    found = {
        "iso": condition.iso if profile.iso_known and not min(known) <= condition.iso <= max(known) else 0,
        "levels": _levels_beyond(rgb, profile),
        "texture": _texture_beyond(rgb, profile),
    }
    return {name: value for name, value in found.items() if value}


def vocabulary_of(profile: NoiseProfile) -> Vocabulary:
    """One camera; its known ISOs, and how far beyond them physics reaches."""
    name = profile.name
    if not profile.iso_known:
        return Vocabulary((name,), (UNKNOWN_ISO,), {name: {UNKNOWN_ISO: 1}}, any_camera=True)
    known = sorted(profile.camera.noise)
    trained = {name: dict.fromkeys(known, 1)}
    if profile.renderings:  # what a camera's denoising does at another ISO is not physics
        return Vocabulary((name,), tuple(known), trained, any_camera=True)
    reached = sorted(extended(profile.camera).noise)
    return Vocabulary((name,), tuple(known), trained, reach={name: (reached[0], reached[-1])}, any_camera=True)


def _levels_beyond(rgb: Bytes, profile: NoiseProfile) -> float:
    """Share of the values of a picture that lie outside of the levels that the references showed."""
    if not profile.levels:
        return 0.0
    outside = 0
    for channel, (low, high) in enumerate(profile.levels):
        counts = np.bincount(rgb[..., channel].ravel(), minlength=256)
        outside += int(counts[:low].sum() + counts[high + 1 :].sum())
    return round(outside / rgb.size, 4)


def _texture_beyond(rgb: Bytes, profile: NoiseProfile) -> float:
    """Share of the blocks of a picture with more texture than all that the references showed."""
    if profile.texture is None or min(rgb.shape[:2]) < BLOCK:
        return 0.0
    return round(float((textures(rgb) > profile.texture).mean()), 4)


def textures(rgb: Bytes) -> FloatArray:
    """The texture of each block of (H, W, 3) pixels: std of its 4x4 means of green about their plane, in counts."""
    rows, columns = rgb.shape[0] // BLOCK, rgb.shape[1] // BLOCK
    green = rgb[: rows * BLOCK, : columns * BLOCK, 1].reshape(rows, 4, BLOCK // 4, columns, 4, BLOCK // 4)
    means = green.mean((2, 5)).transpose(0, 2, 1, 3).reshape(-1, 16)
    down, right = np.mgrid[:4, :4].reshape(2, 16).astype(float)
    plane, _ = np.linalg.qr(np.stack([np.ones(16), down, right], 1))
    return (means - means @ plane @ plane.T).std(1)
