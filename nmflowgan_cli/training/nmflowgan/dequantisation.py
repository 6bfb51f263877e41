"""What real patches do not say: where the sensor's Bayer pattern lies, and the values that were rounded to counts.

The camera rounded and clipped a number x to the count y, so y stands for an interval: (y - 1/2, y + 1/2), from minus
infinity for 0 and to infinity for 255. Uniform dequantisation draws x evenly from the interval. That is right within a
count and wrong at the ends: dark noise would seem weaker than it is, its mean too high, and what is synthesized would
be clipped a second time. Here x is drawn from the flow's own Gaussian, cut off at the interval: a step of Monte Carlo
EM, whose gradient is, on average, that of the likelihood of the counts themselves (Fisher's identity). Where the noise
is wide against one count this is uniform dequantisation (paper section III-B).
Wei and Tanner, "A Monte Carlo Implementation of the EM Algorithm" (1990), https://doi.org/10.2307/2290005.
"""

import math

import torch
from torch import Tensor

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.models import texture
from nmflowgan_cli.models.base import encode
from nmflowgan_cli.models.flow import LEVELS, Code, ConditionalAffine, Given
from nmflowgan_cli.models.nmflowgan.lite import WHITE, ChannelMixing, LiteNMFlowGAN
from nmflowgan_cli.models.srgb import from_linear, to_linear
from nmflowgan_cli.training import distributed

PHASE_WINDOW = 32
"""Side of the window that the phase is judged by: in its 3,072 values the phases differ by some hundred nats."""
LOWEST, HIGHEST = -255.0, 510.0
"""Counts that bound what was clipped."""


@torch.no_grad()
def complete(model: LiteNMFlowGAN, batch: Batch) -> Batch:
    """The batch with points instead of rounded counts, and a phase for every patch; itself if it has no real ones."""
    if batch.rounded is None:
        return batch
    # Drawn for all patches: processes that share a batch must agree on how many numbers they drew.
    start, sweep = (distributed.rand_like(batch.noisy) for _ in range(2))
    real = batch.rounded
    if not real.any():
        return batch
    clean, noisy = batch.clean[real], batch.noisy[real]
    conditions = [batch.conditions[index] for index in real.nonzero()[:, 0].tolist()]
    code = encode(model.vocabulary, conditions).to(clean.device)
    phases = likeliest_phases(model, clean, noisy, code)
    given = model.given(clean, code, phases)
    points = points_of_counts(model, noisy, given, start[real], sweep[real])
    if model.rendering == "camera":
        points = without_edges(model, points, clean, given, distributed.randn_like(batch.noisy)[real])
    all_noisy, all_phases = batch.noisy.clone(), batch.phase.clone()
    all_noisy[real], all_phases[real] = points, phases
    return batch._replace(noisy=all_noisy, phase=all_phases, rounded=None)


@torch.no_grad()
def likeliest_phases(model: LiteNMFlowGAN, clean: Tensor, noisy: Tensor, code: Code) -> Tensor:
    """The Bayer phase (N,) of the upper left pixels under which the flow finds the noise most likely; 0 without."""
    if model.rendering != "plain":
        return torch.zeros(len(clean), dtype=torch.long, device=clean.device)
    # The window starts at even coordinates, so that it has the phase of the patch.
    top, left = (max(0, side - PHASE_WINDOW) // 4 * 2 for side in clean.shape[2:])
    rows, columns = slice(top, top + PHASE_WINDOW), slice(left, left + PHASE_WINDOW)
    clean, noisy = clean[:, :, rows, columns], noisy[:, :, rows, columns]
    nll = [
        model.flow_nll(noisy, model.given(clean, code, torch.full_like(code.log_iso, phase).long()))
        for phase in range(4)
    ]
    return torch.stack(nll, 1).argmin(1)


@torch.no_grad()
def points_of_counts(model: LiteNMFlowGAN, noisy: Tensor, given: Given, start: Tensor, sweep: Tensor) -> Tensor:
    """Numbers that round and clip to the counts `noisy` (N, 3, H, W), drawn from the flow's own distribution.

    A sweep of Gibbs sampling: each channel in turn, given the other two, from its Gaussian cut off at the interval
    of its count. It starts at uniform dequantisation. The noise of neighbours is drawn apart, as the flow sees it.
    `start`, `sweep`: like `noisy`, uniform in [0, 1), which dequantise and draw from the Gaussians.
    """
    matrix, offset = whitening(model, given)
    clean = to_linear((LEVELS * given.clean - 0.5) / WHITE)
    low = to_linear(torch.where(noisy > 0, noisy - 0.5, LOWEST) / WHITE) - clean
    high = to_linear(torch.where(noisy < WHITE, noisy + 0.5, HIGHEST) / WHITE) - clean
    noise = to_linear((noisy + start - 0.5) / WHITE) - clean
    latents = (matrix * noise[:, None]).sum(2) + offset
    for channel in range(3):
        column = matrix[:, :, channel]
        precision = column.square().sum(1)
        mean = noise[:, channel] - (column * latents).sum(1) / precision
        drawn = truncated_normal(mean, precision.rsqrt(), low[:, channel], high[:, channel], sweep[:, channel])
        latents = latents + column * (drawn - noise[:, channel])[:, None]
        noise[:, channel] = drawn
    return WHITE * from_linear(noise + clean)


def without_edges(model: LiteNMFlowGAN, points: Tensor, clean: Tensor, given: Given, latents: Tensor) -> Tensor:
    """`points` (N, 3, H, W) with draws from the model itself on sharp edges, where pairs cannot be trusted.

    Values that are missing are drawn like values that were rounded: on average they teach the model nothing.
    """
    return torch.where(texture.edges(clean), model.noisy(latents, given), points)


def whitening(model: LiteNMFlowGAN, given: Given) -> tuple[Tensor, Tensor]:
    """The matrix (N, 3, 3, H, W) and the offset (N, 3, H, W) by which noise in linear light becomes white latents.

    z = matrix n + offset: after `LinearLight` each layer is affine, within a channel or across channels.
    """
    affine = torch.eye(3, 4, device=given.clean.device).expand(len(given.clean), *given.clean.shape[2:], 3, 4)
    affine = affine.permute(0, 3, 4, 1, 2).clone()
    for layer in model.flow.bijections[1:]:
        if isinstance(layer, ConditionalAffine):
            log_scale, bias = layer.coefficients(given)
            affine *= log_scale.exp()[:, :, None]
            affine[:, :, 3] += bias
        elif isinstance(layer, ChannelMixing):
            green_red, blue_red, blue_green = (rows[:, None] for rows in layer.conditioner(given).unbind(1))
            affine[:, 2] += blue_red * affine[:, 0] + blue_green * affine[:, 1]
            affine[:, 1] += green_red * affine[:, 0]
    return affine[:, :, :3], affine[:, :, 3]


def truncated_normal(mean: Tensor, deviation: Tensor, low: Tensor, high: Tensor, uniform: Tensor) -> Tensor:
    """Draws from a normal distribution cut off at `low` and `high`, by the inverse of its cumulative distribution.

    `uniform`: in [0, 1); all tensors of one shape. So far out that no probability is left, the end nearest to the mean.
    """
    start, end = ((edge - mean).double() / deviation for edge in (low, high))
    # In the lower tail small probabilities are exact; in the upper one they would be lost beside 1.
    upper = start + end > 0
    start, end = torch.where(upper, -end, start), torch.where(upper, -start, end)
    below, above = (torch.special.erfc(-edge * math.sqrt(0.5)) / 2 for edge in (start, end))
    drawn = torch.special.ndtri(below + uniform.double().clamp_min(1e-9) * (above - below))
    drawn = torch.where(above > 1e-290, torch.minimum(torch.maximum(drawn, start), end), end)
    drawn = torch.where(upper, -drawn, drawn)
    return (mean + deviation * drawn).to(mean.dtype)
