"""NAFlow: a flow on the noisy picture, given the clean one, whose latents are Gaussian by camera and ISO.

Data -> latent: three invertible 1x1 convolutions, then three levels of [squeeze | two ActNorm and 1x1 | two
conditional couplings]; 192 latents for each 8x8 pixels, no splits.
Kim et al., "sRGB Real Noise Modeling via Noise-Aware Sampling with Normalizing Flows", ICLR 2024. The published way
encodes the noisy partner of the clean picture and mixes the Gaussians that it may come from; here camera and ISO say
which Gaussian, and `posterior` gives the mixture of a pair. The authors cut the picture to integers, which takes half
a count off; here it is rounded like any other.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.base import WHITE, Code, Fields, Geometry, NoiseModel
from nmflowgan_cli.models.extension import camera_mixtures, iso_mixtures
from nmflowgan_cli.models.nmflowgan.unet import reflect_to_multiple

CELL = 8
"""Pixels of a latent position each way."""
LATENTS = 3 * CELL * CELL
LEVELS = 3
BLUR = 3 / WHITE
"""Standard deviation of the noise that the clean picture is given, in training and in sampling."""
LEAST_SCALE = 1e-3
STEP_LEVELS = 256
"""Dequantisation adds a 256th, of values a 255th apart."""


class ActNorm(nn.Module):
    """(x + bias) exp(logs), a number each a channel, of which the first batch decides; see `initialising`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.logs = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.waits = False
        """Whether the next batch decides."""

    @torch.no_grad()
    def _initialise(self, x: Tensor) -> None:
        """Zero mean and unit deviation for each channel of `x` (N, C, H, W)."""
        deviation, mean = torch.std_mean(x, (0, 2, 3), keepdim=True)
        self.bias.copy_(-mean)
        self.logs.copy_(-(deviation + 1e-6).log())
        self.waits = False

    def forward(self, x: Tensor) -> Tensor:
        if self.waits:
            self._initialise(x)
        return (x + self.bias) * self.logs.exp()

    def inverse(self, z: Tensor) -> Tensor:
        return z * (-self.logs).exp() - self.bias

    @property
    def log_det(self) -> Tensor:
        """ln|det| at each position."""
        return self.logs.sum()


class InvertibleConvolution(nn.Module):
    """A 1x1 convolution P (L + 1) (U + diag(sign exp(log_s))); P and the signs stay as they are made."""

    p: Tensor
    sign_s: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.l = nn.Parameter(lower.tril(-1))
        self.u = nn.Parameter(upper.triu(1))
        self.log_s = nn.Parameter(diagonal.abs().log())
        self.register_buffer("p", permutation)
        self.register_buffer("sign_s", diagonal.sign())

    @property
    def weight(self) -> Tensor:
        """The matrix, (C, C)."""
        unit = torch.eye(len(self.log_s), dtype=self.l.dtype, device=self.l.device)
        upper = self.u.triu(1) + torch.diag(self.sign_s * self.log_s.exp())
        return self.p @ (self.l.tril(-1) + unit) @ upper

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight[:, :, None, None])

    def inverse(self, z: Tensor) -> Tensor:
        weight = torch.linalg.inv(self.weight.double()).to(z.dtype)
        return functional.conv2d(z, weight[:, :, None, None])

    @property
    def log_det(self) -> Tensor:
        """ln|det| at each position."""
        return self.log_s.sum()


class NormedConvolution(nn.Module):
    """A 1x1 convolution without bias, then ActNorm."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(out_channels, in_channels, 1, 1), std=0.05))
        self.actnorm = ActNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.actnorm(functional.conv2d(x, self.weight))


class ResidualBlock(nn.Module):
    """x + 1x1(ReLU(3x3(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, 3, padding=1)
        self.join = NormedConvolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.join(functional.relu(self.spread(x)))


class ScaledConvolution(nn.Module):
    """A 1x1 convolution times exp(3 logs), all zeros at first, so that the coupling starts as a constant scale."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.logs = nn.Parameter(torch.zeros(out_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.weight, self.bias) * (3 * self.logs).exp()


class AffineNet(nn.Module):
    """Shift and scale of a coupling, each (N, C, H, W), from features."""

    def __init__(self, in_channels: int, out_channels: int, *, hidden: int) -> None:
        super().__init__()
        self.first = NormedConvolution(in_channels, hidden)
        self.block = ResidualBlock(hidden)
        self.last = ScaledConvolution(hidden, 2 * out_channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = self.last(self.block(functional.relu(self.first(x)))).unflatten(1, (-1, 2)).unbind(2)
        return shift, torch.sigmoid(raw + 2) + LEAST_SCALE


class Squeeze(nn.Module):
    """2x2 pixels as one of four times the channels."""

    def forward(self, x: Tensor, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return squeezed(x, 2), x.new_zeros(len(x))

    def inverse(self, z: Tensor, features: Sequence[Tensor]) -> Tensor:
        return functional.pixel_shuffle(z, 2).contiguous(memory_format=torch.channels_last)


class FlowStep(nn.Module):
    """ActNorm and 1x1 convolution."""

    def __init__(self, channels: int, *, normed: bool = True) -> None:
        super().__init__()
        self.actnorm = ActNorm(channels) if normed else None
        self.invconv = InvertibleConvolution(channels)

    def forward(self, x: Tensor, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """z of the shape of `x` (N, C, H, W), and ln|det dz/dx| for each sample, (N,)."""
        log_det = self.invconv.log_det
        if self.actnorm is not None:
            x, log_det = self.actnorm(x), log_det + self.actnorm.log_det
        return self.invconv(x), (x[0, 0].numel() * log_det).expand(len(x))

    def inverse(self, z: Tensor, features: Sequence[Tensor]) -> Tensor:
        """The x for which `forward` gives `z`."""
        x = self.invconv.inverse(z)
        return x if self.actnorm is None else self.actnorm.inverse(x)


class CouplingStep(FlowStep):
    """A step, then shift and scale of half of the channels from the other half, and of all from the clean picture."""

    def __init__(self, level: int, *, features: int, hidden: int) -> None:
        """`level`: of the features of the clean picture, from 1."""
        channels = 3 * 4**level
        super().__init__(channels)
        self.level = level
        self.of_features = AffineNet(features, channels, hidden=hidden)
        self.of_half = AffineNet(features + channels // 2, channels // 2, hidden=hidden)

    def forward(self, x: Tensor, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        z, log_det = super().forward(x, features)
        clean = features[self.level - 1]
        kept, changed = z.chunk(2, 1)
        half_shift, half_scale = self.of_half(torch.cat([kept, clean], 1))
        shift, scale = self.of_features(clean)
        z = torch.cat([kept, changed / half_scale - half_shift], 1) / scale - shift
        return z, log_det - half_scale.log().flatten(1).sum(1) - scale.log().flatten(1).sum(1)

    def inverse(self, z: Tensor, features: Sequence[Tensor]) -> Tensor:
        clean = features[self.level - 1]
        shift, scale = self.of_features(clean)
        kept, changed = ((z + shift) * scale).chunk(2, 1)
        half_shift, half_scale = self.of_half(torch.cat([kept, clean], 1))
        return super().inverse(torch.cat([kept, (changed + half_shift) * half_scale], 1), features)


class ConditionNet(nn.Module):
    """Features of the clean picture for each level, at a half, a quarter and an eighth of its size."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(3, features, 1)
        self.down2, self.down4, self.down8 = (nn.Conv2d(features, features // 4, 1) for _ in range(LEVELS))

    def forward(self, clean: Tensor) -> list[Tensor]:
        """(N, features, H / 2, W / 2) and smaller; `clean`: (N, 3, H, W) in [0, 1]."""
        x, levels = self.down1(clean), []
        for layer in (self.down2, self.down4, self.down8):
            x = squeezed(layer(x), 2)
            levels.append(x)
        return levels


class Prior(NamedTuple):
    """A diagonal Gaussian of the latents, each (N, 192)."""

    mean: Tensor
    std: Tensor

    def log_density(self, z: Tensor) -> Tensor:
        """ln p of latents (N, 192, h, w), summed over each sample, (N,)."""
        mean, std = self.mean[..., None, None], self.std[..., None, None]
        return (-0.5 * ((z - mean) / std).square() - std.log() - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)

    def sample(self, normal: Tensor) -> Tensor:
        """Latents from standard normal numbers of the same shape (N, 192, h, w)."""
        return self.std[..., None, None] * normal + self.mean[..., None, None]


class NAFlow(nn.Module, NoiseModel):  # pyright: ignore[reportIncompatibleMethodOverride]  (`to` is torch's)
    """NAFlow as published, 1 078 091 parameters and 384 for each camera and ISO.

    `features`: of the clean picture, a multiple of 4; `hidden`: width of the couplings' networks.
    """

    geometry = Geometry(multiple=CELL, context=40, border=40)
    has_density = True

    def __init__(self, vocabulary: Vocabulary, *, features: int = 128, hidden: int = 64) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.cond_net = ConditionNet(features)
        layers: list[nn.Module] = [FlowStep(3, normed=False), FlowStep(3), FlowStep(3)]
        for level in range(1, LEVELS + 1):
            layers += [Squeeze(), FlowStep(3 * 4**level), FlowStep(3 * 4**level)]
            layers += [CouplingStep(level, features=features, hidden=hidden) for _ in range(2)]
        self.layers = nn.ModuleList(layers)
        codes = len(vocabulary.isos), len(vocabulary.cameras)
        self.mean = nn.Parameter(torch.zeros(*codes, LATENTS))
        self.std = nn.Parameter(torch.ones(*codes, LATENTS))

    def prior(self, code: Code) -> Prior:
        """The Gaussian of a camera and an ISO; between trained ISOs means and deviations are mixed."""
        return Prior(*(torch.einsum("ni,nc,icl->nl", code.iso, code.camera, table) for table in (self.mean, self.std)))

    def encode(self, noisy: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (N, 192, H / 8, W / 8) and ln|det| (N,); both pictures (N, 3, H, W) in [0, 1], multiples of 8."""
        features, x = self.cond_net(clean), noisy
        log_det = x.new_zeros(len(x))
        for layer in self.steps:
            x, of_layer = layer(x, features)
            log_det = log_det + of_layer
        return x, log_det

    def decode(self, z: Tensor, clean: Tensor) -> Tensor:
        """The noisy picture (N, 3, H, W) in about [0, 1] whose latents are `z`."""
        features = self.cond_net(clean)
        for layer in reversed(self.steps):
            z = layer.inverse(z, features)
        return z

    @property
    def steps(self) -> list[Squeeze | FlowStep]:
        return cast("list[Squeeze | FlowStep]", list(self.layers))

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: None = None) -> Tensor:
        height, width = clean.shape[-2:]
        clean, latent, uniform = (reflect_to_multiple(x, CELL) for x in (clean, fields.latent, fields.uniform))
        z = self.prior(code).sample(squeezed(latent, CELL))
        return WHITE * self.decode(z, blurred(clean, normal_of(uniform)))[..., :height, :width]

    def nll(self, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
        """See NoiseModel; UsageError for patches whose sides are no multiples of 8."""
        if clean.shape[-1] % CELL or clean.shape[-2] % CELL:
            raise UsageError(f"NAFlow knows no likelihood of {clean.shape[-1]}-pixel patches", f"a multiple of {CELL}")
        return self.flow_nll(noisy, blurred(clean, normal_of(fields.uniform)), code, fields.latent)

    def flow_nll(self, noisy: Tensor, blurred_clean: Tensor, code: Code, uniform: Tensor) -> Tensor:
        """-ln p(noisy | clean, code) in nats, summed over each sample, (N,); the dequantisation counts every value.

        `noisy`: integer counts; `uniform`: in [0, 1), of its shape.
        """
        z, log_det = self.encode(dequantised(noisy, uniform), blurred_clean)
        density = self.prior(code).log_density(z) + log_det
        return -(density - math.log(STEP_LEVELS) * noisy[0].numel())

    def posterior(self, noisy: Tensor, clean: Tensor) -> Tensor:
        """Weights of the trained codes for noisy pictures, (N, ISOs, cameras), as in noise-aware sampling.

        The softmax of the log-densities under their Gaussians, for one latent position; both pictures in [0, 1].
        """
        z, _ = self.encode(noisy, clean)
        priors = Prior(self.mean.flatten(0, 1), self.std.flatten(0, 1))
        densities = torch.stack([priors.log_density(one.expand(len(priors.mean), *one.shape)) for one in z])
        known, (isos, cameras) = self.vocabulary.trained, (self.vocabulary.isos, self.vocabulary.cameras)
        trained = [known.get(camera, {}).get(iso, 0) > 0 for iso in isos for camera in cameras]
        untrained = ~torch.tensor(trained, device=z.device)
        weights = (densities / z[0, 0].numel()).masked_fill(untrained, -math.inf).softmax(1)
        return weights.unflatten(1, (len(isos), len(cameras)))

    @property
    def fresh(self) -> bool:
        """Whether no batch has decided the ActNorms yet."""
        return not any(norm.bias.any() for norm in self.modules() if isinstance(norm, ActNorm))

    @contextmanager
    def initialising(self) -> Iterator[None]:
        """In this context the first batch that is encoded decides the ActNorms."""
        norms = [module for module in self.modules() if isinstance(module, ActNorm)]
        for norm in norms:
            norm.waits = True
        yield
        for norm in norms:
            norm.waits = False

    def extended(self, vocabulary: Vocabulary) -> dict[str, Tensor]:
        """See NoiseModel."""
        isos, cameras = iso_mixtures(self.vocabulary, vocabulary), camera_mixtures(self.vocabulary, vocabulary)
        state = dict(self.state_dict())
        for name in ("mean", "std"):
            state[name] = torch.einsum("ji,dc,icl->jdl", isos, cameras, state[name])
        return state


def blurred(clean: Tensor, normal: Tensor) -> Tensor:
    """What the flow is given of clean counts: in [0, 1], with a little noise of its own."""
    return (clean / WHITE + BLUR * normal).clamp(0, 1)


def dequantised(counts: Tensor, uniform: Tensor) -> Tensor:
    """Integer counts in [0, 1], each spread evenly around itself."""
    return counts / WHITE + (uniform - 0.5) / STEP_LEVELS


def squeezed(x: Tensor, side: int) -> Tensor:
    """Cells of `side` x `side` pixels as one of side^2 times the channels, index side^2 c + side row + column."""
    # Channels last, as the engine gives them: the same bits wherever a pixel lies in its window.
    return functional.pixel_unshuffle(x, side).contiguous(memory_format=torch.channels_last)


def normal_of(uniform: Tensor) -> Tensor:
    """Standard normal numbers from uniform ones in [0, 1)."""
    least = torch.finfo(torch.float32).eps / 4
    return torch.special.ndtri(uniform.clamp(least, 1 - 2 * least))
