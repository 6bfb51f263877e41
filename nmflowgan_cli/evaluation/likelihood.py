"""How likely a model with a density finds the real noise: bits per value, patch by patch.

Patches are those of the protocol, as they were in training: a flow sees no more of the picture than the patch.
"""

import math
from collections.abc import Iterator
from functools import singledispatch
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.pair_scores import Likelihood, Protocol
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.metrics.moments import CHANNELS, FloatArray
from nmflowgan_cli.metrics.noise import patch_rows
from nmflowgan_cli.models.base import Code, Fields, NoiseModel, encode
from nmflowgan_cli.models.gaussian import GaussianNoise
from nmflowgan_cli.models.nmflowgan.lite import LiteNMFlowGAN
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN

AT_ONCE = 8
WHITE = 255
LEAST_DEVIATION = math.sqrt(1 / 12)
"""What rounding alone makes, in counts; a level without any variance would hold all other counts for impossible."""


@singledispatch
def nats(model: NoiseModel, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
    """-ln p(noisy | clean, code) of each patch, summed over its values, (N,); NotImplementedError without a density.

    `clean`, `noisy`: (N, 3, P, P) integer counts. `fields`: the picture's dequantisation, and in place of the latents
    a second uniform field, which dequantises `noisy`.
    """
    raise NotImplementedError(type(model).__name__)


@nats.register
def _(model: GaussianNoise, clean: Tensor, noisy: Tensor, code: Code, _fields: Fields) -> Tensor:
    """The probability of the count itself: that of all values which round and clip to it."""
    mean, deviation = (moment.double() for moment in model.moments(clean, code))
    deviation = deviation.clamp(min=LEAST_DEVIATION)
    centre = noisy.double() - clean - mean
    low = torch.where(noisy > 0, (centre - 0.5) / deviation, -math.inf)
    high = torch.where(noisy < WHITE, (centre + 0.5) / deviation, math.inf)
    # In the lower tail small probabilities are exact; in the upper one they would be lost beside 1.
    low, high = torch.where(centre > 0, -high, low), torch.where(centre > 0, -low, high)
    log_high, log_low = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
    return -(log_high + torch.log1p(-(log_low - log_high).exp())).flatten(1).sum(1)


@nats.register
def _(model: LiteNMFlowGAN, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
    """That of the likeliest Bayer phase, which real patches do not tell."""
    number = 4 if model.rendering == "plain" else 1
    phases = [torch.full((len(clean),), phase, device=clean.device) for phase in range(number)]
    of_phases = [model.nll(noisy, model.given(clean, code, phase), fields.latent) for phase in phases]
    return torch.stack(of_phases).amin(0)


@nats.register
def _(model: PaperNMFlowGAN, clean: Tensor, noisy: Tensor, code: Code, fields: Fields) -> Tensor:
    """With the clean picture dequantised, too, as in training."""
    return model.nll(noisy, model.given(clean, code, fields), fields.latent)


def likelihood_of(model: NoiseModel, device: torch.device | str) -> Likelihood | None:
    """Bits per value of each patch of a picture; None for a model without a density."""
    if nats.dispatch(type(model)) is nats.dispatch(object):
        return None

    def bits(clean: Bytes, noisy: Bytes, condition: Condition, key: int, protocol: Protocol) -> FloatArray:
        code = encode(model.vocabulary, [condition]).to(device)
        random = np.random.default_rng(key)
        found = [_batch(model, *batch, code, random, protocol.patch) for batch in _batches(clean, noisy, protocol)]
        return np.concatenate(found)

    return bits


@torch.no_grad()
def _batch(
    model: NoiseModel, clean: Bytes, noisy: Bytes, code: Code, random: np.random.Generator, side: int
) -> FloatArray:
    device = code.camera.device
    shape = (len(clean), 2, CHANNELS, side, side)
    uniform = torch.from_numpy(random.random(shape, np.float32)).to(device)
    counts = (torch.from_numpy(_channels_first(rows, side)).to(device) for rows in (clean, noisy))
    codes = Code(*(each.expand(len(clean), *each.shape[1:]) for each in code))
    fields = Fields(latent=uniform[:, 0], uniform=uniform[:, 1])
    return nats(model, *counts, codes, fields).double().cpu().numpy() / (CHANNELS * side**2 * math.log(2))


def _channels_first(rows: Bytes, side: int) -> NDArray[np.float32]:
    """Patches (N, side * side * 3) as (N, 3, side, side) float32 counts."""
    return np.ascontiguousarray(rows.reshape(-1, side, side, CHANNELS).transpose(0, 3, 1, 2), np.float32)


def _batches(clean: Bytes, noisy: Bytes, protocol: Protocol) -> Iterator[tuple[Bytes, Bytes]]:
    """A few patches (N, P * P * 3) at a time, of both pictures alike."""
    rows = (patch_rows(picture, protocol.patch, protocol.step, border=protocol.border) for picture in (clean, noisy))
    return chain.from_iterable(
        ((c[i : i + AT_ONCE], n[i : i + AT_ONCE]) for i in range(0, len(c), AT_ONCE))
        for c, n in zip(*rows, strict=True)
    )
