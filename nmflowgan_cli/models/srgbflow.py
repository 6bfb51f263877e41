"""sRGBFlow: a flow on the noise whose couplings see the clean neighbourhood and the other channels.

Data -> latent: dequantisation | noise extraction | four times [CL2 | 1x1 | coupling | 1x1 | coupling].
Kousha, Maleky, Brown, Brubaker, "Modeling sRGB Camera Noise with Normalizing Flows", CVPR 2022. Inside, channels are
blue, green, red, as in the authors' pictures. The log-determinant of the 1x1 convolutions counts every pixel, where the
authors' counts the square of the width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.models.base import Code, Fields, Geometry, NoiseModel
from nmflowgan_cli.models.flow import Bijection, Chain, Given, NoiseExtraction, dequantise, likelihood, quantise
from nmflowgan_cli.models.naflow import InvertibleConvolution
from nmflowgan_cli.models.nmflowgan.paper import CodeNet, ConditionalLinear, extended_codes

GROUPS = 4
COUPLINGS = 2
"""Of a group; each reaches two pixels."""
REACH = 2 * COUPLINGS * GROUPS
KEPT = 1
"""Channels that a coupling leaves as they are."""
FIRST_SCALE = 1e-4


class Mixing(Bijection):
    """An invertible 1x1 convolution of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = InvertibleConvolution(3)

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        return self.convolution(x), (x[0, 0].numel() * self.convolution.log_det).expand(len(x))

    def inverse(self, z: Tensor, given: Given) -> Tensor:
        return self.convolution.inverse(z)


class Coupling(Bijection):
    """CAC: shift and scale of two channels, from the third and the clean picture within 5x5 pixels.

    Camera and ISO are one number, a factor on the log-scale.
    """

    def __init__(self, code_features: int) -> None:
        super().__init__()
        self.code_net = CodeNet(code_features, 1)
        self.net = nn.Sequential(
            nn.Conv2d(KEPT + 3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(),
        )  # fmt: skip
        self.last = nn.Conv2d(4 + 1, 2 * (3 - KEPT), 3)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)
        self.logs = nn.Parameter(torch.zeros(1, 2 * (3 - KEPT), 1, 1))
        self.scale = nn.Parameter(torch.full((1,), FIRST_SCALE))

    def coefficients(self, kept: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        """Shift and log-scale, each (N, 2, H, W)."""
        features = _with_edge(self.net(torch.cat([kept, given.clean], 1)))
        shift, raw = (self.last(features) * (3 * self.logs).exp()).chunk(2, 1)
        return shift, self.scale * torch.tanh(raw) * self.code_net(given.code)

    def forward(self, x: Tensor, given: Given) -> tuple[Tensor, Tensor]:
        kept, changed = x[:, :KEPT], x[:, KEPT:]
        shift, log_scale = self.coefficients(kept, given)
        return torch.cat([kept, changed * log_scale.exp() + shift], 1), log_scale.flatten(1).sum(1)

    def inverse(self, z: Tensor, given: Given) -> Tensor:
        kept, changed = z[:, :KEPT], z[:, KEPT:]
        shift, log_scale = self.coefficients(kept, given)
        return torch.cat([kept, (changed - shift) * (-log_scale).exp()], 1)


class SRGBFlow(nn.Module, NoiseModel):  # pyright: ignore[reportIncompatibleMethodOverride]  (`to` is torch's)
    """sRGBFlow as published, 6 160 parameters for five cameras and five ISOs."""

    geometry = Geometry(multiple=1, context=REACH, border=REACH)
    has_density = True

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        isos, cameras = len(vocabulary.isos), len(vocabulary.cameras)
        layers: list[Bijection] = [NoiseExtraction()]
        for _ in range(GROUPS):
            layers.append(ConditionalLinear(isos, cameras))
            for _ in range(COUPLINGS):
                layers += [Mixing(), Coupling(isos + cameras)]
        self.flow = Chain(*layers)

    def given(self, clean: Tensor, code: Code, uniform: Tensor) -> Given:
        """The conditions of the flow; `clean`: (N, 3, H, W) counts, blue, green, red, which `uniform` dequantises."""
        return Given(dequantise(clean, uniform), code, clean[:, :0])

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: None = None) -> Tensor:
        """See NoiseModel; the counts are whole ones."""
        given = self.given(clean.flip(1), code, fields.uniform)
        return quantise(self.flow.inverse(fields.latent, given)).flip(1)

    def nll(self, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
        """See NoiseModel."""
        given = self.given(clean.flip(1), code, fields.uniform)
        return likelihood(self.flow, noisy.flip(1), given, fields.latent)[0]

    def extended(self, vocabulary: Vocabulary) -> dict[str, Tensor]:
        """See NoiseModel."""
        return extended_codes(self, self.vocabulary, vocabulary)


def _with_edge(features: Tensor) -> Tensor:
    """(N, C + 1, H + 2, W + 2): zeros around the features, and a channel that is 1 there and 0 elsewhere."""
    edge = functional.pad(torch.zeros_like(features[:, :1]), (1, 1, 1, 1), value=1.0)
    return torch.cat([functional.pad(features, (1, 1, 1, 1)), edge], 1)
