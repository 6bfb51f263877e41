"""Bits per value: against sums over all counts, simulated data and scipy."""

import math

import numpy as np
import pytest
import torch
from fakes import VOCABULARY, ConvolutionNoise, photograph
from scipy import stats

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.likelihood import likelihood_of
from nmflowgan_cli.evaluation.pair_scores import Protocol
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.gaussian import GaussianNoise
from nmflowgan_cli.models.nmflowgan.lite import LiteNMFlowGAN
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN

IP = Condition("IP", 400)
PROTOCOL = Protocol(patch=16, step=16)


def _gaussian(mean, variance):
    model = GaussianNoise(VOCABULARY)
    model.mean.fill_(mean)
    model.offset.fill_(variance)
    return model


def _bits(model, clean, noisy, protocol=PROTOCOL, key=0):
    bits = likelihood_of(model, "cpu")
    assert bits is not None
    return bits(clean, noisy, IP, key, protocol)


@pytest.mark.parametrize(("level", "mean", "variance"), [(3, -1, 30), (128, 2, 4), (250, 0.5, 100), (100, 0, 0.1)])
def test_the_probabilities_of_all_counts_sum_to_one(level, mean, variance):
    counts = torch.arange(256.0)[:, None, None, None].expand(256, 3, 1, 1)
    clean = torch.full_like(counts, level)
    code = encode(VOCABULARY, [IP])
    fields = Fields(torch.zeros_like(counts), torch.zeros_like(counts))
    probability = (-_gaussian(mean, variance).nll(clean, counts, code, fields) / 3).exp()
    assert float(probability.sum()) == pytest.approx(1, abs=1e-6)
    edges = np.concatenate(([-np.inf], np.arange(255) + 0.5, [np.inf]))
    expected = np.diff(stats.norm(level + mean, math.sqrt(variance)).cdf(edges))
    np.testing.assert_allclose(probability.numpy(), expected, atol=1e-9)


def test_a_level_without_variance_is_not_infinitely_wrong():
    clean = np.full((16, 16, 3), 128, np.uint8)
    bits = [_bits(_gaussian(0, 0), clean, clean + np.uint8(error))[0] for error in (0, 1, 100)]
    assert 0 < bits[0] < bits[1] < bits[2] < 1e6


def test_bits_of_normal_noise_are_its_entropy():
    clean = np.full((96, 96, 3), 128, np.uint8)
    noisy = np.rint(clean + np.random.default_rng(0).normal(0, 5, clean.shape)).astype(np.uint8)
    assert _bits(_gaussian(0, 25), clean, noisy).mean() == pytest.approx(
        math.log2(5 * math.sqrt(2 * math.pi * math.e)), abs=0.02
    )
    assert _bits(_gaussian(0, 64), clean, noisy).mean() > _bits(_gaussian(0, 25), clean, noisy).mean()


def test_a_flow_that_is_a_gaussian_costs_what_the_gaussian_costs():
    """The paper's flow starts as the identity of the noise: normal, with the std of its last layer."""
    model = PaperNMFlowGAN(VOCABULARY, widths=(2, 2, 2, 2, 2), without=("sal", "sdl", "gan")).eval()
    std = 6.0
    with torch.no_grad():
        for layer in model.conditional_layers:
            layer.log_scale.fill_(math.log(256 / std) / len(model.conditional_layers))  # type: ignore[union-attr]
    clean = np.full((64, 64, 3), 128, np.uint8)
    noisy = np.rint(clean + np.random.default_rng(0).normal(0, std, clean.shape)).astype(np.uint8)
    # Both pictures are dequantised, so their difference is wider than the noise by a sixth of a count squared.
    flow, gaussian = _bits(model, clean, noisy).mean(), _bits(_gaussian(0, std**2), clean, noisy).mean()
    assert gaussian < flow < gaussian + 0.02


def test_neither_the_number_of_patches_at_once_nor_the_process_matters(monkeypatch):
    clean = photograph(64, 48)
    noisy = (clean // 2 + 60).astype(np.uint8)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = LiteNMFlowGAN(VOCABULARY, widths=(4,), width=4, convolutions=1, pointwise_width=4).eval()
    expected = _bits(model, clean, noisy, key=5)
    assert expected.shape == (12,)
    monkeypatch.setattr("nmflowgan_cli.evaluation.likelihood.AT_ONCE", 2)
    np.testing.assert_allclose(_bits(model, clean, noisy, key=5), expected, rtol=1e-5)
    assert not np.array_equal(_bits(model, clean, noisy, key=6), expected)


def test_a_model_without_a_density_has_no_bits():
    assert likelihood_of(ConvolutionNoise(), "cpu") is None
