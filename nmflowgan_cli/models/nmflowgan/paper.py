"""The paper's own model: a pixel-wise flow with three kinds of conditional layers, then a U-Net.

Data -> latent: dequantisation | noise extraction | SAL | SDL | CL2 | SAL | SDL | CL2 (names of the paper in
their order: structure-aware, signal-dependent, conditional linear). Every layer is affine in the noise n, so with
z = A n + C the noise of a pixel is a Gaussian with mean mu = -C / A and standard deviation sigma = 1 / A.
The defects of the paper's design are kept, so that weights of the authors' code reproduce; `lite` mends them.
Paper: Han & Yu, "NM-FlowGAN", sections III-B to III-D, https://arxiv.org/abs/2312.10112.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.models.base import Fields, Geometry, NoiseModel, Window, refuse_unknown_parts
from nmflowgan_cli.models.extension import camera_mixtures, extended_inputs, extended_table, iso_mixtures
from nmflowgan_cli.models.flow import (
    LEVELS,
    Chain,
    Code,
    ConditionalAffine,
    Given,
    NoiseExtraction,
    dequantise,
    likelihood,
    quantise,
)
from nmflowgan_cli.models.nmflowgan.unet import PAPER_WIDTHS, UNet


class CodeNorm(nn.BatchNorm1d):
    """Batch norm of code features; a batch of one, which has no variance, takes the running statistics."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name that torch gives it
        if len(input) > 1:
            return super().forward(input)
        return functional.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class CodeBlock(nn.Module):
    """h + L2(ReLU(BN2(L1(ReLU(BN1(h)))))); starts close to the identity."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(CodeNorm(features, eps=1e-3) for _ in range(2))
        self.linears = nn.ModuleList(nn.Linear(features, features) for _ in range(2))
        for parameter in self.linears[1].parameters():
            nn.init.uniform_(parameter, -1e-3, 1e-3)

    def forward(self, h: Tensor) -> Tensor:
        change = h
        for norm, linear in zip(self.norms, self.linears, strict=True):
            change = linear(functional.relu(norm(change)))
        return h + change


class CodeNet(nn.Module):
    """Camera and ISO as `out_features` numbers: a residual network on their one-hot codes, ISO first."""

    def __init__(self, code_features: int, out_features: int, *, features: int = 5, blocks: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(code_features, features)
        self.blocks = nn.Sequential(*(CodeBlock(features) for _ in range(blocks)))
        self.last = nn.Linear(features, out_features)

    def forward(self, code: Code) -> Tensor:
        """(N, out_features, 1, 1): the same for every pixel."""
        return self.last(self.blocks(self.first(torch.cat([code.iso, code.camera], 1))))[..., None, None]


class ConditionalLinear(ConditionalAffine):
    """CL2: a log-scale and a bias for each camera, ISO and channel. Paper section III-C.

    Rows of the tables are ISO-major (row = ISO x cameras + camera). A soft ISO code mixes rows.
    """

    def __init__(self, isos: int, cameras: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(isos * cameras, 3))
        self.bias = nn.Parameter(torch.zeros(isos * cameras, 3))

    def coefficients(self, given: Given) -> tuple[Tensor, Tensor]:
        """Two maps of shape (N, 3, 1, 1)."""
        rows = (given.code.iso[:, :, None] * given.code.camera[:, None, :]).flatten(1)
        return (rows @ self.log_scale)[..., None, None], (rows @ self.bias)[..., None, None]


class StructureAware(ConditionalAffine):
    """SAL: features of the clean neighbourhood (9x9 pixels) times features of the code. Paper section III-C."""

    def __init__(self, code_features: int, *, width: int = 16) -> None:
        super().__init__()
        self.code_net = CodeNet(code_features, 6)
        layers: list[nn.Module] = [nn.Conv2d(3, width, 1), nn.ReLU()]
        for _ in range(4):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
        self.structure_net = nn.Sequential(*layers, nn.Conv2d(width, 6, 1), nn.Tanh())

    def coefficients(self, given: Given) -> tuple[Tensor, Tensor]:
        """Two maps of shape (N, 3, H, W)."""
        log_scale, bias = (self.structure_net(given.clean) * self.code_net(given.code)).chunk(2, 1)
        return log_scale, bias


def extended_codes(model: nn.Module, before: Vocabulary, after: Vocabulary) -> dict[str, Tensor]:
    """The state of a model whose code networks and tables are extended to more cameras and ISOs."""
    cameras, isos = camera_mixtures(before, after), iso_mixtures(before, after)
    state = dict(model.state_dict())
    for name, module in model.named_modules():
        if isinstance(module, CodeNet):
            key = f"{name}.first.weight"
            state[key] = extended_inputs(state[key], (isos, cameras))
        elif isinstance(module, ConditionalLinear):
            for key in (f"{name}.log_scale", f"{name}.bias"):
                state[key] = extended_table(state[key], isos, cameras)
    return state


class Moments(NamedTuple):
    """Mean and variance of each feature over a whole picture, both (N, C, 1, 1)."""

    mean: Tensor
    variance: Tensor


class PictureNorm(nn.Module):
    """Instance norm whose statistics may come from a larger picture than the window at hand."""

    def __init__(self, features: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.eps = eps

    def forward(self, x: Tensor, moments: Moments | None = None) -> Tensor:
        if moments is None:
            variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        else:
            mean, variance = moments
        scale = self.weight[:, None, None] * (variance + self.eps).rsqrt()
        return (x - mean) * scale + self.bias[:, None, None]


class PointwiseBlock(nn.Module):
    """1x1 convolution, norm over the picture, LeakyReLU 0.2."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_features, out_features, 1)
        self.norm = PictureNorm(out_features)

    def forward(self, x: Tensor, moments: Moments | None = None) -> Tensor:
        return functional.leaky_relu(self.norm(self.convolution(x), moments), 0.2)


class SignalDependent(ConditionalAffine):
    """SDL: a point-wise network on code features and the clean pixel. Paper section III-C.

    Its norms take the mean of the picture away, and with it the code and the absolute level: what
    is left depends on the contrast within the picture. Kept as it is for the authors' weights.
    """

    def __init__(self, code_features: int) -> None:
        super().__init__()
        self.code_net = CodeNet(code_features, 3)
        self.first = nn.Conv2d(6, 16, 1)
        self.blocks = nn.ModuleList(PointwiseBlock(i, o) for i, o in ((16, 32), (32, 32), (32, 16)))
        self.last = nn.Conv2d(16, 6, 1)

    def coefficients(self, given: Given, statistics: Sequence[Moments] | None = None) -> tuple[Tensor, Tensor]:
        """Two maps of shape (N, 3, H, W); `statistics`: of each norm, by default of this very picture."""
        x = self._features(given)
        for index, block in enumerate(self.blocks):
            x = block(x, None if statistics is None else statistics[index])
        log_scale, bias = torch.tanh(self.last(x)).chunk(2, 1)
        return log_scale, bias

    def next_normalised(self, given: Given, statistics: Sequence[Moments]) -> Tensor:
        """(N, C, H, W) that the next norm is given, where `statistics` are those of the norms before it."""
        x = self._features(given)
        for block, moments in zip(self.blocks, statistics, strict=False):
            x = block(x, moments)
        return cast(PointwiseBlock, self.blocks[len(statistics)]).convolution(x)

    def _features(self, given: Given) -> Tensor:
        code = self.code_net(given.code).expand(-1, -1, *given.clean.shape[-2:])
        return self.first(torch.cat([code, given.clean], 1))


class RunningMoments:
    """Mean and variance of each feature over windows that come one after the other; float64 sums."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Tensor | float = 0.0
        self.squares: Tensor | float = 0.0

    def add(self, x: Tensor) -> None:
        """Take in a window (N, C, H, W)."""
        x = x.double()
        self.count += x[0, 0].numel()
        self.total = self.total + x.sum((2, 3), keepdim=True)
        self.squares = self.squares + x.square().sum((2, 3), keepdim=True)

    def result(self, dtype: torch.dtype) -> Moments:
        mean = torch.as_tensor(self.total) / self.count
        variance = (torch.as_tensor(self.squares) / self.count - mean.square()).clamp_min(0)
        return Moments(mean.to(dtype), variance.to(dtype))


PictureStatistics = tuple[tuple[Moments, ...], ...]
"""For each signal-dependent layer of the flow the moments of its norms."""


class PaperNMFlowGAN(nn.Module, NoiseModel):  # pyright: ignore[reportIncompatibleMethodOverride]  (`to` is torch's)
    """NM-FlowGAN as published: 25 484 parameters of flow and 31.03 M of U-Net.

    `vocabulary`: the order of its cameras and ISOs is that of the one-hot inputs and tables.
    `widths`: of the U-Net's levels. `dropout`: of its up path in training. `without`: PARTS to leave out.
    """

    geometry = Geometry(multiple=16, context=96, border=0)
    has_density = True

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        widths: Sequence[int] = PAPER_WIDTHS,
        dropout: float = 0.0,
        without: Sequence[str] = (),
    ) -> None:
        super().__init__()
        refuse_unknown_parts(without)
        self.vocabulary = vocabulary
        isos, cameras = len(vocabulary.isos), len(vocabulary.cameras)
        layers: list[ConditionalAffine] = []
        for _ in range(2):
            layers += [StructureAware(isos + cameras)] if "sal" not in without else []
            layers += [SignalDependent(isos + cameras)] if "sdl" not in without else []
            layers.append(ConditionalLinear(isos, cameras))
        self.flow = Chain(NoiseExtraction(), *layers)
        self.unet = nn.Identity() if "gan" in without else UNet(widths, dropout=dropout)

    @property
    def conditional_layers(self) -> list[ConditionalAffine]:
        """The layers that condition, data -> latent; six where none is left out."""
        return cast(list[ConditionalAffine], self.flow.bijections[1:])

    @property
    def signal_dependent_layers(self) -> list[SignalDependent]:
        return [layer for layer in self.conditional_layers if isinstance(layer, SignalDependent)]

    def nll(self, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
        """See NoiseModel; the clean picture is dequantised, too, as in training."""
        return self.flow_nll(noisy, self.given(clean, code, fields), fields.latent)

    def extended(self, vocabulary: Vocabulary) -> dict[str, Tensor]:
        """See NoiseModel."""
        return extended_codes(self, self.vocabulary, vocabulary)

    def flow_nll(self, noisy: Tensor, given: Given, uniform: Tensor) -> Tensor:
        """-ln p(noisy | clean, code) of the flow in nats, summed over each sample, of shape (N,). Paper section III-B.

        `noisy`: (N, 3, H, W) integer counts, which `uniform` (of the same shape, in [0, 1)) dequantises;
        it is independent of the one that `given` was made with.
        """
        return likelihood(self.flow, noisy, given, uniform)[0]

    def moments(
        self, clean: Tensor, code: Code, fields: Fields, statistics: PictureStatistics | None = None
    ) -> tuple[Tensor, Tensor]:
        """mu and sigma of the pixel-wise noise in the flow domain (counts / 256), each (N, 3, H, W)."""
        return self._moments(self.given(clean, code, fields), statistics)

    def pixelwise_noise(
        self, clean: Tensor, code: Code, fields: Fields, statistics: PictureStatistics | None = None
    ) -> Tensor:
        """Noise of the flow alone, (N, 3, H, W) counts; integer if `clean` is, and clean + noise in [0, 255]."""
        given = self.given(clean, code, fields)
        mean, deviation = self._moments(given, statistics)
        # The clean picture itself is taken away, not floor(256 c~), which rounding may put one count off.
        return quantise(given.clean + (mean + deviation * fields.latent)) - clean

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: PictureStatistics | None = None) -> Tensor:
        with torch.autocast("cpu", enabled=False):  # the flow takes little time, and has whole-picture coefficients
            noise = self.pixelwise_noise(clean, code, fields, statistics)
        return clean + LEVELS * self.unet(noise / LEVELS)

    def sample_deep(
        self, clean: Tensor, code: Code, fields: Fields, statistics: PictureStatistics | None = None
    ) -> Tensor:
        """See NoiseModel; the spatial network gets the noise of the flow clipped, but not in whole counts."""
        given = self.given(clean, code, fields)
        mean, deviation = self._moments(given, statistics)
        noisy = (given.clean + (mean + deviation * fields.latent)).clamp(0, 1)
        return clean + LEVELS * self.unet(noisy - given.clean)

    def statistics(self, windows: Callable[[], Iterable[Window]], code: Code) -> PictureStatistics:
        """Moments of every norm over the whole picture, in as many passes as a layer has norms.

        The moments of a norm depend on those of the norms before it; the layers do not depend on one another.
        """
        layers = self.signal_dependent_layers
        known: list[tuple[Moments, ...]] = [()] * len(layers)
        for _ in range(len(layers[0].blocks) if layers else 0):
            running = [RunningMoments() for _ in layers]
            for clean, fields in windows():
                given = self.given(clean, code, fields)
                for layer, moments, sums in zip(layers, known, running, strict=True):
                    sums.add(layer.next_normalised(given, moments))
            dtype = layers[0].last.weight.dtype
            known = [(*moments, sums.result(dtype)) for moments, sums in zip(known, running, strict=True)]
        return tuple(known)

    def given(self, clean: Tensor, code: Code, fields: Fields) -> Given:
        """What the flow conditions on; the clean picture is dequantised too, as in the official code."""
        return Given(dequantise(clean, fields.uniform), code, clean[:, :0])

    def _moments(self, given: Given, statistics: PictureStatistics | None) -> tuple[Tensor, Tensor]:
        """The layers' maps joined: A = exp(sum s_k), C = sum b_k exp(sum of the s after k)."""
        total, shift = torch.zeros_like(given.clean), torch.zeros_like(given.clean)
        of_layers = iter(statistics or ())
        for layer in self.conditional_layers:
            if isinstance(layer, SignalDependent):
                log_scale, bias = layer.coefficients(given, next(of_layers, None))
            else:
                log_scale, bias = layer.coefficients(given)
            total, shift = total + log_scale, shift * log_scale.exp() + bias
        deviation = (-total).exp()
        return -shift * deviation, deviation
