"""Likelihood of real noise under a model with a density: bits per value, patch by patch.

Patches are those of the protocol, as they were in training: a flow sees no more of the picture than the patch.
"""

import math
from collections.abc import Iterator
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.pair_scores import Likelihood, Protocol
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.metrics.moments import CHANNELS, FloatArray
from nmflowgan_cli.metrics.noise import patch_rows
from nmflowgan_cli.models.base import Code, Fields, NoiseModel, encode

AT_ONCE = 8


def likelihood_of(model: NoiseModel, device: torch.device | str) -> Likelihood | None:
    """Bits per value of each patch of a picture; None for a model without a density."""
    if not model.has_density:
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
    clean_counts, noisy_counts = (torch.from_numpy(_channels_first(rows, side)).to(device) for rows in (clean, noisy))
    codes = Code(*(each.expand(len(clean), *each.shape[1:]) for each in code))
    fields = Fields(latent=uniform[:, 0], uniform=uniform[:, 1])
    return model.nll(clean_counts, noisy_counts, codes, fields).double().cpu().numpy() / (
        CHANNELS * side**2 * math.log(2)
    )


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
