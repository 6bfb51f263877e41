"""NeCA: noise whose level follows the neighbourhood of a pixel, times a gain, and then gets its correlation.

NeCA-W: `LevelNet` gives each value a level from the clean picture and the picture's gain; level times white noise
goes through `CorrelationNet`. The gain is what `GainNet` reads off a real noisy picture; here it is drawn from those
of the training pictures of that camera and ISO. NeCA-S: `CorrelationNet` alone, on white noise of one level.
Fu, Guo, Wen, "sRGB Real Noise Synthesizing with Neighboring Correlation-Aware Noise Model", CVPR 2023. The authors
train a model for each camera, and cut pictures to multiples of 8 pixels; here any size keeps its borders. Their
`LevelNet` takes mean and deviation of the whole picture away, so the level of a pixel depends on the rest of it.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.models.base import WHITE, Code, Draws, Fields, Geometry, NoiseModel, Window
from nmflowgan_cli.models.extension import camera_mixtures, iso_mixtures
from nmflowgan_cli.models.nmflowgan.paper import RunningMoments
from nmflowgan_cli.models.nmflowgan.unet import reflect_to_multiple
from nmflowgan_cli.reflection import reflected

GAINS = 64
"""Gains that are kept for each camera and ISO."""
EPSILON = 1e-5
KERNEL = 7


class GainNet(nn.Module):
    """GENet: the gain of noisy pictures, about the standard deviation of their noise in [0, 1]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [_convolution(3, width, KERNEL), *(_convolution(width, width, 3) for _ in range(3))]
        self.model = nn.Sequential(*layers)
        self.linear = nn.Sequential(nn.Sequential(nn.Conv2d(width, 1, 1)))

    def forward(self, noisy: Tensor) -> Tensor:
        """(N, 1, 1, 1); `noisy`: (N, 3, H, W) in [0, 1]."""
        return self.linear(self.model(noisy).mean((2, 3), keepdim=True))


class Moments(NamedTuple):
    """Mean and unbiased standard deviation over all channels and pixels of a picture, each (N, 1, 1, 1)."""

    mean: Tensor
    std: Tensor


class LevelNet(nn.Module):
    """NPNet: the standard deviation of the noise before correlation, from the 7x7 neighbourhood of a pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, KERNEL)
        self.conv2, self.conv3, self.conv4 = (nn.Conv2d(width, width, 1) for _ in range(3))
        self.conv5 = nn.Conv2d(width, 3, 1)

    def forward(self, clean: Tensor, gain: Tensor, moments: Sequence[Moments] | None = None) -> Tensor:
        """(N, 3, H, W), never negative, in [0, 1]; `moments`: of each norm, by default of this very picture."""
        x = self.conv1(_reflected(clean, KERNEL // 2))
        for number, layer in enumerate(self.normed):
            x = _standardised(layer(x), gain, moments[number] if moments else None)
        return self.conv5(x).square()

    @property
    def normed(self) -> tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d]:
        """The convolutions whose outputs are standardised."""
        return self.conv2, self.conv3, self.conv4

    def next_normalised(self, clean: Tensor, gain: Tensor, moments: Sequence[Moments]) -> Tensor:
        """What the next norm is given, (N, C, H, W), where `moments` are those of the norms before it."""
        x = self.conv1(_reflected(clean, KERNEL // 2))
        for layer, of_layer in zip(self.normed, moments, strict=False):
            x = _standardised(layer(x), gain, of_layer)
        return self.normed[len(moments)](x)


class CorrelationNet(nn.Module):
    """NCNet: a U-Net on the noise; strided convolutions down, nearest neighbours up, tanh in the end."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        first, *strided = pairwise((3, *widths))
        self.encoders = nn.ModuleList([_pair(*first, kernel=KERNEL), *(_pair(i, o, stride=2) for i, o in strided)])
        self.decoders = nn.ModuleList(_pair(i + o, o) for i, o in pairwise(reversed(widths)))
        self.decoder_head = nn.Sequential(nn.Conv2d(widths[0], 3, 1))

    def forward(self, noise: Tensor) -> Tensor:
        """Correlated minus uncorrelated noise, (N, 3, H, W); sides of `noise` must be multiples of `multiple`."""
        skips: list[Tensor] = []
        x = noise
        for encoder in self.encoders:
            x = encoder(x)
            skips.append(x)
        for decoder, skip in zip(self.decoders, reversed(skips[:-1]), strict=True):
            x = decoder(torch.cat([functional.interpolate(x, scale_factor=2.0), skip], 1))
        return torch.tanh(self.decoder_head(x))


class Statistics(NamedTuple):
    """What the windows of a picture have in common."""

    gain: Tensor
    """(N, 1, 1, 1)."""
    moments: tuple[Moments, ...]
    """Of each norm of LevelNet."""


class NeCA(nn.Module, NoiseModel):  # pyright: ignore[reportIncompatibleMethodOverride]  (`to` is torch's)
    """NeCA-W as published, 8 096 583 parameters; NeCA-S where there is a `level`, 7 790 723.

    `width`: of GainNet and LevelNet. `widths`: of the levels of CorrelationNet. `level`: standard deviation in counts
    of the white noise of NeCA-S, for all cameras and ISOs alike; 0 for NeCA-W.
    """

    draws = Draws(uniform=0, whole=1)
    gains: Tensor

    def __init__(
        self, vocabulary: Vocabulary, *, width: int = 96, widths: Sequence[int] = (64, 128, 256, 512), level: float = 0
    ) -> None:
        super().__init__()
        self.vocabulary, self.level = vocabulary, level
        self.correlation_net = CorrelationNet(widths)
        multiple = self.correlation_net.multiple
        self.geometry = Geometry(multiple, context=6 * multiple, border=6 * multiple)
        if not level:
            self.gain_net, self.level_net = GainNet(width), LevelNet(width)
            self.register_buffer("gains", gainless(vocabulary))

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Statistics | None = None) -> Tensor:
        height, width = clean.shape[-2:]
        multiple = self.correlation_net.multiple
        clean, latent = (reflect_to_multiple(picture, multiple) for picture in (clean, fields.latent))
        common = statistics or (None if self.level else Statistics(self.gain(code, fields), ()))
        white = self.levels(clean, common) * latent
        noisy = clean + WHITE * self.correlate(white)
        return noisy[..., :height, :width]

    def levels(self, clean: Tensor, common: Statistics | None) -> Tensor:
        """Standard deviation of the noise before correlation, in [0, 1], of clean counts; `common` for NeCA-W."""
        if common is None:
            return torch.full_like(clean, self.level / WHITE)
        return self.level_net(clean / WHITE, common.gain, common.moments)

    def correlate(self, white: Tensor) -> Tensor:
        """Noise with its correlation, of the scale and shape of `white`, whose sides fit the network."""
        return self.correlation_net(white) + white

    def statistics(self, windows: Callable[[], Iterable[Window]], code: Code) -> Statistics | None:
        """Gain and moments of the whole picture, in as many passes as LevelNet has norms; None for NeCA-S.

        The convolution before the norms sees the reflection of a window where its neighbours would be.
        """
        if self.level:
            return None
        gain = self.gain(code, next(iter(windows()))[1])
        known: tuple[Moments, ...] = ()
        for _ in self.level_net.normed:
            running = RunningMoments()
            for clean, _ in windows():
                # All values of a picture as the pixels of one feature.
                running.add(self.level_net.next_normalised(clean / WHITE, gain, known).flatten(1)[:, None, None])
            known = (*known, _unbiased(running, gain.dtype))
        return Statistics(gain, known)

    def gain(self, code: Code, fields: Fields) -> Tensor:
        """The gain of each picture, (N, 1, 1, 1), drawn by its own number `fields.whole` from those of its code.

        Between trained ISOs, and between two stored gains, it is linear. Raises ConditionError without any gain.
        """
        stored = torch.einsum("nc,ni,cig->ng", code.camera, code.iso, self.gains.sort(2).values)
        if not stored.any(1).all():
            raise ConditionError("these weights know no gain of this camera and ISO", "train on from them: --init")
        place = torch.special.ndtr(fields.whole[:, 0]) * (GAINS - 1)
        lower = place.floor().clamp_max(GAINS - 2)
        index = lower.long()[:, None]
        first, second = stored.gather(1, index)[:, 0], stored.gather(1, index + 1)[:, 0]
        return torch.lerp(first, second, place - lower)[:, None, None, None]

    @torch.no_grad()
    def remember(self, gains: Tensor, code: Code) -> None:
        """Store the gains (N,) of real pictures, each in place of the oldest of its code; the first fills them all."""
        for gain, camera, iso in zip(gains, code.camera.argmax(1), code.iso.argmax(1), strict=True):
            row = self.gains[camera, iso]
            row.copy_(torch.cat([row[1:], gain[None]]) if row.any() else gain.expand(GAINS))

    def extended(self, vocabulary: Vocabulary) -> dict[str, Tensor]:
        """See NoiseModel."""
        state = dict(self.state_dict())
        if not self.level:
            mixtures = camera_mixtures(self.vocabulary, vocabulary), iso_mixtures(self.vocabulary, vocabulary)
            state["gains"] = torch.einsum("dc,ji,cig->djg", *mixtures, self.gains.sort(2).values)
        return state


def gainless(vocabulary: Vocabulary) -> Tensor:
    """A table (cameras, ISOs, GAINS) of no gains yet."""
    return torch.zeros(len(vocabulary.cameras), len(vocabulary.isos), GAINS)


def _convolution(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2), nn.ReLU())


def _pair(in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Two convolutions with ReLU, the first of this kernel and stride."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(),
    )


def _standardised(x: Tensor, gain: Tensor, moments: Moments | None) -> Tensor:
    """`x` with zero mean and unit deviation over the picture, times its gain, then LeakyReLU."""
    std, mean = torch.std_mean(x, (1, 2, 3), keepdim=True) if moments is None else (moments.std, moments.mean)
    return functional.leaky_relu(gain * (x - mean) / (std + EPSILON), 0.01)


def _unbiased(running: RunningMoments, dtype: torch.dtype) -> Moments:
    mean, variance = running.result(torch.float64)
    std = (variance * running.count / max(running.count - 1, 1)).sqrt()
    return Moments(mean.to(dtype), std.to(dtype))


def _reflected(x: Tensor, margin: int) -> Tensor:
    """`x` (..., H, W) with its reflection around it; any H and W from 1."""
    for dim in (-2, -1):
        size = x.shape[dim]
        x = x.index_select(dim, reflected(torch.arange(-margin, size + margin, device=x.device), size))
    return x
