"""NM-FlowGAN `lite`: the paper's ideas without the defects, in 0.13 M parameters.

Data -> latent: dequantisation | linear light | conditional linear | channel mixing | SDL | SAL, then whitened
noise is left, in which every camera and ISO looks alike. The spatial network lives there: it turns white latents
into correlated ones, and the flow gives them level, colour and brightness.

What differs from `paper`, and why:
- The noise is taken in linear light, where a sensor's noise is Gaussian; sRGB skews it in the dark.
- The colour matrix of a camera mixes the noise of the channels; a unit-determinant layer says so.
- The strength of demosaiced noise alternates with the Bayer pattern; every layer sees the site of a pixel.
- No norm over the picture: camera, ISO and absolute level reach every layer, and tiles equal the whole.
- ISO enters as a number, not as one of five, so any ISO within the trained range has its own noise.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.base import Draws, Fields, Geometry, NoiseModel, refuse_unknown_parts
from nmflowgan_cli.models.convolution import FEW, computing_type, convolve, pointwise
from nmflowgan_cli.models.extension import camera_mixtures, extended_inputs
from nmflowgan_cli.models.flow import (
    LEVELS,
    Bijection,
    Chain,
    Code,
    ConditionalAffine,
    Given,
    by_row,
    dequantise,
    likelihood,
)
from nmflowgan_cli.models.nmflowgan import rendering, spatial
from nmflowgan_cli.models.nmflowgan.rendering import RENDERINGS, Rendering
from nmflowgan_cli.models.nmflowgan.spatial import FOLDED, SpatialNetwork, Unchanged
from nmflowgan_cli.models.nmflowgan.unet import reflect_to_multiple
from nmflowgan_cli.models.srgb import from_linear, log_slope, to_linear

WHITE = LEVELS - 1
TYPICAL_LOG_SCALE = 4.0
"""ln of one over a typical standard deviation of the noise in linear light: where training starts."""
DARKEST = 1 / 32
"""Keeps the logarithm of the clean level finite; a few counts."""


def _srgb(flow_domain: Tensor) -> Tensor:
    """sRGB values in [0, 1] of dequantised counts (counts + u) / 256: the middle of each count's interval is exact."""
    return (LEVELS * flow_domain - 0.5) / WHITE


class LinearLight(Bijection):
    """The noise in linear light: to_linear(noisy) - to_linear(clean)."""

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        srgb = _srgb(x)
        log_det = (log_slope(srgb) + math.log(LEVELS / WHITE)).flatten(1).sum(1)
        return to_linear(srgb) - to_linear(_srgb(given.clean)), log_det

    def inverse(self, z: Tensor, given: Given) -> Tensor:
        srgb = from_linear(z + to_linear(_srgb(given.clean)))
        return (WHITE * srgb + 0.5) / LEVELS


EDGE = 4
"""Pixels around a patch from which on its outermost rows are like any other: their standard deviation within .1 % of
that with the whole receptive field around, their correlations within .001. Without any they are 3 % and .04 off."""


class CodeNet(nn.Module):
    """Camera and ISO as a few features: ISO as a smooth number, apart for each camera."""

    def __init__(self, cameras: int, features: int, *, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * cameras + 2, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, features)
        )

    def forward(self, code: Code) -> Tensor:
        """(N, features)."""
        stops = code.log_iso[:, None] / 3 - 1
        return by_row(self.layers, torch.cat([code.camera, code.camera * stops, stops, stops.square()], 1))


def _zero_last(network: nn.Sequential) -> nn.Sequential:
    """The network with its last layer at zero, so that a layer of the flow starts as the identity."""
    last = network[-1]
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return network


LEVEL_FEATURES = 6
PIXELS_AT_ONCE = 8192
"""Point-wise networks take strips of a picture, whose activations stay in the caches: three times as fast."""


def pixel_features(clean: Tensor, place: Tensor) -> Tensor:
    """What a point-wise layer sees of a pixel, (N, 6 + F, H, W): its clean level, the logarithm of that, in which noise
    of the dark is smooth, and its place (N, F, H, W)."""
    srgb = _srgb(clean)
    features = torch.cat([2 * srgb - 1, (srgb + DARKEST).log() / 2 + 1, place], 1)
    return features.to(computing_type(clean), memory_format=torch.channels_last)


class Conditioner(nn.Module):
    """Maps from the clean picture, the place of a pixel and the code: point-wise, or from a neighbourhood.

    `place`: features of the place. `convolutions`: 3x3 convolutions between the 1x1 ones; zero makes it point-wise.
    """

    def __init__(
        self, cameras: int, outputs: int, *, place: int, width: int, convolutions: int = 0, features: int = 8
    ) -> None:
        super().__init__()
        self.pointwise = convolutions == 0
        self.code_net = CodeNet(cameras, features)
        layers: list[nn.Module] = [nn.Conv2d(LEVEL_FEATURES + place + features, width, 1), nn.ReLU(inplace=True)]
        kernels = [3] * convolutions or [1]
        for kernel in kernels:
            layers += [nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
        self.layers = _zero_last(nn.Sequential(*layers, nn.Conv2d(width, outputs, 1)))

    def forward(self, given: Given) -> Tensor:
        """(N, outputs, H, W)."""
        code = self.code_net(given.code)
        first, *middle, last = (layer for layer in self.layers if isinstance(layer, nn.Conv2d))
        of_pixels, of_code = first.weight.split([given.features.shape[1], code.shape[1]], 1)
        of_pixels, of_code = of_pixels.contiguous(), of_code.flatten(1)
        # The code is the same for all pixels of a sample, so its share of the first layer is a bias.
        biases = by_row(lambda row: functional.linear(row, of_code, first.bias), code)

        def begin(features: Tensor, sample: int) -> Tensor:
            return pointwise(features, of_pixels, biases[sample], relu=True)

        def proceed(x: Tensor) -> Tensor:
            for layer in middle:
                x = convolve(layer, x, relu=True)
            return x

        if self.pointwise:
            return _in_strips(lambda x, sample: _last(proceed(begin(x, sample)), last), given.features)
        return _in_strips(lambda x, _: _last(x, last), proceed(_in_strips(begin, given.features)))


def _last(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """The last layer; of few outputs by the sums of torch, whose order is another one where x is channels last."""
    few = layer.out_channels < FEW and computing_type(x) == torch.float32
    return convolve(layer, x.contiguous() if few else x)


def _in_strips(work: Callable[[Tensor, int], Tensor], pictures: Tensor) -> Tensor:
    """Point-wise `work` on pictures (N, C, H, W), some rows of a sample at a time, with the number of the sample."""
    rows = max(1, PIXELS_AT_ONCE // pictures.shape[3])
    samples = [
        _joined([work(strip, number) for strip in sample.split(rows, 2)], 2)
        for number, sample in enumerate(pictures.split(1))
    ]
    return _joined(samples, 0)


def _joined(parts: list[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)


class ConditionalLinear(ConditionalAffine):
    """A log-scale and a bias for each camera, ISO and channel, smooth in ISO."""

    def __init__(self, cameras: int) -> None:
        super().__init__()
        self.code_net = CodeNet(cameras, 6)
        _zero_last(self.code_net.layers)

    def coefficients(self, given: Given) -> tuple[Tensor, Tensor]:
        """Two maps of shape (N, 3, 1, 1)."""
        log_scale, bias = self.code_net(given.code)[..., None, None].chunk(2, 1)
        return log_scale + TYPICAL_LOG_SCALE, bias


class ConditionedAffine(ConditionalAffine):
    """Log-scale and bias from a `Conditioner`: signal-dependent if point-wise, else structure-aware."""

    def __init__(self, conditioner: Conditioner) -> None:
        super().__init__()
        self.conditioner = conditioner

    def coefficients(self, given: Given) -> tuple[Tensor, Tensor]:
        """Two maps of shape (N, 3, H, W)."""
        log_scale, bias = self.conditioner(given).chunk(2, 1)
        return log_scale, bias


class ChannelMixing(Bijection):
    """z = L x across channels, L lower triangular with a unit diagonal, from code, level and Bayer site.

    Volume preserving. With a scale after it, any covariance between the channels can be whitened.
    """

    def __init__(self, conditioner: Conditioner) -> None:
        super().__init__()
        self.conditioner = conditioner

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        green_red, blue_red, blue_green = self.conditioner(given).unbind(1)
        red, green, blue = x.unbind(1)
        mixed = [red, green + green_red * red, blue + blue_red * red + blue_green * green]
        return torch.stack(mixed, 1), x.new_zeros(len(x))

    def inverse(self, z: Tensor, given: Given) -> Tensor:
        green_red, blue_red, blue_green = self.conditioner(given).unbind(1)
        red, green, blue = z.unbind(1)
        green = green - green_red * red
        return torch.stack([red, green, blue - blue_red * red - blue_green * green], 1)


class LiteNMFlowGAN(nn.Module, NoiseModel):  # pyright: ignore[reportIncompatibleMethodOverride]  (`to` is torch's)
    """The hybrid model: a flow in linear light, and a small spatial network on its latents.

    `rendered`: how pictures were made, see rendering.py. `widths`: channels of the spatial network's levels. `width`,
    `convolutions`: of the structure-aware layer. `without`: parts that are left out, of PARTS. The other layers see
    brightness and camera, too, so what a part is worth beside them is measured here, not what it is worth in the
    paper's chain.
    """

    draws = Draws(uniform=0)
    has_density = True
    batches_keep_bits = True

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        widths: Sequence[int] = (32, 64),
        width: int = 16,
        convolutions: int = 3,
        pointwise_width: int = 32,
        rendered: Rendering = "plain",
        without: Sequence[str] = (),
    ) -> None:
        super().__init__()
        refuse_unknown_parts(without)
        if rendered not in RENDERINGS:
            raise ValueError(f"no model is for rendering {rendered!r}, only {', '.join(RENDERINGS)}")
        self.vocabulary = vocabulary
        self.rendering: Rendering = rendered
        self.bears_bfloat16 = rendered == "plain"  # std grew by 1.2 % with weights of JPEGs, by .02 % with sidd-lite
        cameras, place = len(vocabulary.cameras), rendering.FEATURES[rendered]
        layers: list[Bijection] = [LinearLight(), ConditionalLinear(cameras)]
        layers.append(ChannelMixing(Conditioner(cameras, 3, place=place, width=pointwise_width)))
        if "sdl" not in without:
            layers.append(ConditionedAffine(Conditioner(cameras, 6, place=place, width=pointwise_width)))
        if "sal" not in without:
            layers.append(
                ConditionedAffine(Conditioner(cameras, 6, place=place, width=width, convolutions=convolutions))
            )
        self.flow = Chain(*layers)
        self.spatial = Unchanged() if "gan" in without else SpatialNetwork(widths, context=context_channels(rendered))
        self.geometry = _geometry(len(widths), convolutions, rendered)

    def given(self, clean: Tensor, code: Code, phase: Tensor | None = None) -> Given:
        """What the layers condition on. `phase`: (N,) of the upper left pixel, 0 by default; blocks begin there."""
        middle = dequantise(clean, torch.full_like(clean, 0.5))
        return Given(middle, code, pixel_features(middle, rendering.place(self.rendering, middle, phase)))

    def context(self, given: Given) -> Tensor:
        """What spatial network and critic see beside the noise: the clean picture, folded as the noise is, and the
        place of a cell; (N, `context_channels`, H / 2, W / 2), sides rounded up."""
        clean = bayer.fold(reflect_to_multiple(given.clean, bayer.CELL))
        if self.rendering == "plain":
            return clean
        place = functional.max_pool2d(given.features[:, LEVEL_FEATURES:], bayer.CELL, ceil_mode=True)
        return torch.cat([clean, place], 1).contiguous()  # not channels last: the bits of earlier pictures

    def nll(self, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
        """See NoiseModel; that of the likeliest Bayer phase, which real patches do not tell."""
        number = bayer.SITES if self.rendering == "plain" else 1
        phases = [torch.full((len(clean),), phase, device=clean.device) for phase in range(number)]
        of_phases = [self.flow_nll(noisy, self.given(clean, code, phase), fields.latent) for phase in phases]
        return torch.stack(of_phases).amin(0)

    def extended(self, vocabulary: Vocabulary) -> dict[str, Tensor]:
        """See NoiseModel."""
        cameras, state = camera_mixtures(self.vocabulary, vocabulary), dict(self.state_dict())
        for name, module in self.named_modules():
            if isinstance(module, CodeNet):
                key = f"{name}.layers.0.weight"
                state[key] = extended_inputs(state[key], (cameras, cameras, torch.eye(2)))
        return state

    def flow_nll(self, noisy: Tensor, given: Given, uniform: Tensor | float = 0.5) -> Tensor:
        """-ln p(noisy | clean, code) of the flow in nats, summed over each sample, of shape (N,).

        `noisy`: (N, 3, H, W) counts. Integer counts want `uniform` noise in [0, 1) to dequantise them;
        simulated counts, which were never rounded, are points already: 0.5.
        """
        return likelihood(self.flow, noisy, given, uniform)[0]

    def correlate(self, white: Tensor, given: Given) -> Tensor:
        """Latents with the spatial correlation of demosaiced noise, from white ones; (N, 3, H, W), of phase 0."""
        return self.spatial(white, self.context(given))

    def noisy(self, latent: Tensor, given: Given) -> Tensor:
        """Float counts of latents through the flow: neither rounded nor clipped."""
        return LEVELS * self.flow.inverse(latent, given) - 0.5

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: None = None) -> Tensor:
        given = self.given(clean, code)
        return self.noisy(self.correlate(fields.latent, given), given)

    def moments(self, clean: Tensor, code: Code) -> tuple[Tensor, Tensor]:
        """mu (N, 3, H, W) and the factor (N, 3, 3, H, W) of the noise in linear light: n = mu + factor z.

        Given clean picture and code the flow after `LinearLight` is affine and lower triangular in z.
        """
        given = self.given(clean, code)
        layers = Chain(*self.flow.bijections[1:])
        mean = layers.inverse(torch.zeros_like(clean), given)
        units = torch.eye(3, device=clean.device, dtype=clean.dtype)[:, None, :, None, None]
        columns = [layers.inverse(unit.expand_as(clean), given) - mean for unit in units]
        return mean, torch.stack(columns, 2)


def context_channels(rendered: Rendering) -> int:
    """Channels of `LiteNMFlowGAN.context`. In a folded picture the place of a Bayer site is its channel."""
    return FOLDED if rendered == "plain" else FOLDED + rendering.FEATURES[rendered]


def _geometry(levels: int, convolutions: int, rendered: Rendering) -> Geometry:
    multiple = math.lcm(bayer.CELL * 2 ** (levels - 1), rendering.PERIOD[rendered])
    reach = rendering.REACH[rendered] + max(spatial.reach(levels), convolutions)
    context = -(-reach // multiple) * multiple
    return Geometry(multiple, context, context, patch_border=-(-EDGE // multiple) * multiple)
