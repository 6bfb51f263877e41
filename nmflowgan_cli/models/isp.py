"""The camera simulator: signal-dependent Gaussian noise on the Bayer mosaic, rendered by the camera's ISP.

The picture is taken back to the sensor (linear light, camera colours, white balance undone), noise is drawn
there, and what it changed goes through white balance, demosaicing, colour matrix and transfer curve.
Everything between the sensor's clipping and the transfer curve is linear, so only the *difference* is sent
through: the clean partner is the input picture itself, bit for bit.
Unprocessing: Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019,
https://arxiv.org/abs/1811.11127. Noise profiles and pipeline: Abdelhamed, Lin, Brown, "A High-Quality
Denoising Dataset for Smartphone Cameras", CVPR 2018.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.base import WHITE, Code, Fields, Geometry, NoiseModel, Window
from nmflowgan_cli.models.srgb import from_linear, to_linear


@dataclass(frozen=True)
class CameraProfile:
    """The parameters of a simulated camera.

    `noise`: ISO -> (shot, read): the variance of raw values in [0, 1] is shot * raw + read.
    `matrix`: rows of the 3x3 matrix from linear sRGB to camera colours; each row sums to 1.
    `laplacian_gains`: the three weights of `bayer.demosaic`.
    `white_balance`: the ranges ((low, high) of red, (low, high) of blue) of gains relative to green.
    `floor`: the lowest raw value that is kept, relative to black (0 where the camera clips at black, negative
    where its pedestal keeps noise below black).
    """

    noise: Mapping[int, tuple[float, float]]
    matrix: tuple[tuple[float, float, float], ...]
    laplacian_gains: tuple[float, float, float]
    white_balance: tuple[tuple[float, float], tuple[float, float]]
    floor: float
    black_shift: float
    headroom: float = 0.0
    """Light beyond white that saturated clean pixels stand for: 0 for none, 0.5 for half as much as white again."""

    def noise_at(self, iso: int) -> tuple[float, float]:
        """(shot, read) at `iso`: log-linear in log ISO between the profile's ISOs.

        Raises ConditionError outside of them: an extrapolated profile would be a guess.
        """
        isos = sorted(self.noise)
        if not isos[0] <= iso <= isos[-1]:
            raise ConditionError(f"ISO {iso} is outside the noise profile", f"ISO {isos[0]} to {isos[-1]}")
        upper = next(known for known in isos if known >= iso)
        lower = max(known for known in isos if known <= iso)
        share = math.log(iso / lower) / math.log(upper / lower) if upper > lower else 0.0
        low, high = self.noise[lower], self.noise[upper]
        return low[0] ** (1 - share) * high[0] ** share, low[1] ** (1 - share) * high[1] ** share


class Capture(NamedTuple):
    """The settings of a batch of simulated shots, one row a picture; float32."""

    shot: Tensor
    """(N,) variance per raw signal."""
    read: Tensor
    """(N,) variance in the dark."""
    gains: Tensor
    """(N, 3) white balance, green 1."""
    matrix: Tensor
    """(N, 3, 3) linear sRGB to camera colours."""
    laplacian_gains: Tensor
    """(N, 3) see `bayer.demosaic`."""
    floor: Tensor
    """(N,) lowest raw value."""
    black_shift: Tensor
    """(N,) how far black lies below the clean picture's, in standard deviations of the read noise."""


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


SATURATED = 0.95
"""Linear light from which a clean pixel may hide brighter light."""


def overexposed(linear: Tensor, headroom: Tensor) -> Tensor:
    """The light that saturated clean pixels (N, 3, H, W) stand for: from SATURATED on up to 1 + `headroom` (N,)."""
    hidden = ((linear - SATURATED) / (1 - SATURATED)).clamp_min(0).square()
    return linear + _column(headroom) * hidden


def expose(linear: Tensor, capture: Capture, phase: Tensor, normal: Tensor, headroom: Tensor | None = None) -> Tensor:
    """Noisy pictures as the camera would have rendered them, before the display's rounding and clipping.

    `linear`: (N, 3, H, W) light of the clean pictures in [0, 1]. `phase`: (N,) Bayer phase of the upper left pixel.
    `normal`: (N, 1, H, W) standard normal. `headroom`: (N,) see `overexposed`. Returns float32 counts; noise below
    black and above white is kept (see srgb.py).
    """
    sites, size = bayer.cells(phase), linear.shape[2:]
    colours = bayer.colour_of_site(sites)
    sample = torch.arange(len(phase), device=phase.device)[:, None, None]
    gains = bayer.tiled(capture.gains[sample, colours][:, None], *size)
    light = linear if headroom is None else overexposed(linear, headroom)
    # Of each pixel's colours only the one that its site measures.
    balanced = bayer.tiled(capture.matrix[sample, colours].permute(0, 3, 1, 2), *size).mul_(light).sum(1, keepdim=True)
    balanced.clamp_(0, 1 if headroom is None else None)
    raw = balanced / gains
    if headroom is not None:
        balanced = balanced.clamp_max(1)
    # In place where the calibration, which needs gradients, allows it.
    noise = (raw * _column(capture.shot)).add_(_column(capture.read)).sqrt_() * normal
    noisy = noise.add_(raw).sub_(_column(capture.black_shift * capture.read.sqrt()))
    noisy = torch.maximum(noisy, _column(capture.floor))
    difference = noisy.mul_(gains).clamp_max_(1).sub_(balanced)
    seen = bayer.demosaic(difference, phase, capture.laplacian_gains, torch.linalg.inv(capture.matrix))
    return from_linear(seen.add_(linear)).mul_(WHITE)


def captures(profiles: Sequence[CameraProfile], isos: Sequence[int], white_balance: Tensor) -> Capture:
    """The settings of one simulated shot for each profile and ISO.

    `white_balance`: (N, 2) in [0, 1], the place of red's and blue's gain in the camera's range (on a log scale).
    """
    noise = torch.tensor([profile.noise_at(iso) for profile, iso in zip(profiles, isos, strict=True)])
    low, high = torch.tensor([profile.white_balance for profile in profiles]).log().unbind(2)
    red, blue = (low + (high - low) * white_balance.cpu()).exp().unbind(1)
    return Capture(
        shot=noise[:, 0],
        read=noise[:, 1],
        gains=torch.stack([red, torch.ones_like(red), blue], 1),
        matrix=torch.tensor([profile.matrix for profile in profiles]),
        laplacian_gains=torch.tensor([profile.laplacian_gains for profile in profiles]),
        floor=torch.tensor([profile.floor for profile in profiles]),
        black_shift=torch.tensor([profile.black_shift for profile in profiles]),
    )


def headroom_of(profiles: Sequence[CameraProfile]) -> Tensor | None:
    """The (N,) headroom for `expose`; None where no profile has any."""
    headroom = torch.tensor([profile.headroom for profile in profiles])
    return headroom if headroom.any() else None


class ISPNoise(NoiseModel):
    """The simulator as a noise model of its own: strong, and without any training.

    Each picture gets its own white balance within the camera's range, from its random fields.
    """

    geometry = Geometry(multiple=2, context=4, border=4)
    batches_keep_bits = True

    def __init__(self, profiles: Mapping[str, CameraProfile]) -> None:
        self.profiles = dict(profiles)
        isos = sorted({iso for profile in profiles.values() for iso in profile.noise})
        trained = {camera: dict.fromkeys(sorted(profile.noise), 1) for camera, profile in profiles.items()}
        self.vocabulary = Vocabulary(tuple(profiles), tuple(isos), trained)

    def to(self, device: torch.device | str) -> "ISPNoise":
        return self

    def statistics(self, windows: Callable[[], Iterable[Window]], code: Code) -> Tensor:
        """The picture's white balance, (N, 2) in [0, 1]: the first values of its uniform field."""
        _, fields = next(iter(windows()))
        return fields.uniform[:, :2, 0, 0]

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Tensor | None = None) -> Tensor:
        """See `NoiseModel.sample`; without `statistics`, the middle of the camera's white balance."""
        settings, headroom = self.settings(clean, code, statistics), headroom_of(self._cameras(code))
        if headroom is not None:
            headroom = headroom.to(clean.device)
        phase = torch.zeros(len(clean), dtype=torch.long, device=clean.device)
        return expose(to_linear(clean / WHITE), settings, phase, bayer.mosaic(fields.latent, phase), headroom)

    def settings(self, clean: Tensor, code: Code, statistics: Tensor | None) -> Capture:
        """The settings of the shots, on the device of `clean`; see `sample`."""
        if statistics is None:
            statistics = clean.new_full((len(clean), 2), 0.5)
        isos = [round(100 * 2**log_iso) for log_iso in code.log_iso.tolist()]
        settings = captures(self._cameras(code), isos, statistics)
        return Capture(*(field.to(clean.device) for field in settings))

    def _cameras(self, code: Code) -> list[CameraProfile]:
        return [self.profiles[self.vocabulary.cameras[index]] for index in code.camera.argmax(1).tolist()]
