"""Points for counts, and Bayer phases: what a model made comes back from its rounded and clipped pictures."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.data.batches import UNKNOWN_PHASE, Batch
from nmflowgan_cli.models import texture
from nmflowgan_cli.models.base import encode
from nmflowgan_cli.models.flow import likelihood
from nmflowgan_cli.models.nmflowgan.lite import LiteNMFlowGAN
from nmflowgan_cli.training.nmflowgan import dequantisation

VOCABULARY = Vocabulary(("IP", "S6"), (100, 800), {"IP": {100: 1, 800: 1}, "S6": {100: 1, 800: 1}})


@pytest.fixture
def model():
    """A flow in which everything depends on everything, the Bayer site above all."""
    torch.manual_seed(0)
    model = LiteNMFlowGAN(VOCABULARY)
    with torch.no_grad():
        for parameter in model.flow.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def made_by(model, brightest=40, size=64):
    """Pictures that `model` made: clean, unrounded and rounded ones, latents, code and phases."""
    torch.manual_seed(1)
    clean = torch.randint(0, brightest, (8, 3, size, size)).float()
    code = encode(VOCABULARY, [Condition(("IP", "S6")[n % 2], (100, 800)[n // 4]) for n in range(8)])
    given = model.given(clean, code, torch.arange(8) % 4)
    latents = torch.randn_like(clean)
    with torch.no_grad():
        unrounded = model.noisy(latents, given)
    return given, unrounded, unrounded.round().clamp(0, 255), latents


def test_whitening_is_the_flow_after_linear_light(model):
    given, unrounded, _, latents = made_by(model, size=16)
    matrix, offset = dequantisation.whitening(model, given)
    noise, _ = model.flow.bijections[0]((unrounded + 0.5) / 256, given)
    white = torch.einsum("nijhw,njhw->nihw", matrix, noise) + offset
    assert torch.allclose(white, latents, atol=1e-3)


def assert_round_and_clip_to(drawn, counts):
    inside = (drawn - counts).abs() <= 0.5 + 1e-3  # float32
    assert (inside | ((counts == 0) & (drawn < 0)) | ((counts == 255) & (drawn > 255))).all()


def test_points_round_and_clip_to_their_counts(model):
    for brightest in (40, 255):
        given, _, rounded, _ = made_by(model, brightest)
        drawn = dequantisation.points_of_counts(model, rounded, given, *(torch.rand_like(rounded) for _ in range(2)))
        assert_round_and_clip_to(drawn, rounded)
        assert drawn.min() < -5


@pytest.mark.parametrize("brightest", [40, 255])
def test_latents_of_points_are_standard_where_the_model_is_right(model, brightest):
    """However much was clipped; latents of uniform dequantisation are far from it in the dark."""
    given, _, rounded, _ = made_by(model, brightest)
    drawn = dequantisation.points_of_counts(model, rounded, given, *(torch.rand_like(rounded) for _ in range(2)))
    _, latents = likelihood(model.flow, drawn, given, 0.5)
    assert latents.mean().item() == pytest.approx(0, abs=0.01)
    assert latents.std().item() == pytest.approx(1, abs=0.01)
    if brightest == 40:
        assert (rounded == 0).float().mean() > 0.2
        _, uniform = likelihood(model.flow, rounded, given, torch.rand_like(rounded))
        assert uniform.std() < 0.9


def test_the_phase_is_that_under_which_the_model_made_the_picture(model):
    given, _, rounded, _ = made_by(model, 255)
    found = dequantisation.likeliest_phases(model, given.clean * 256 - 0.5, rounded, given.code)
    assert found.tolist() == [0, 1, 2, 3] * 2


def test_on_sharp_edges_the_model_speaks_for_itself():
    """Pixels that pairs cannot be trusted in are drawn from the model: they teach it nothing, on average."""
    torch.manual_seed(0)
    model = LiteNMFlowGAN(VOCABULARY, rendered="camera").eval()
    clean = torch.full((4, 3, 64, 64), 90.0)
    clean[..., 32:] += 100
    conditions = [Condition("IP", 800)] * 4
    batch = Batch(clean, clean.clone(), conditions, torch.full((4,), UNKNOWN_PHASE), torch.ones(4, dtype=torch.bool))
    completed = dequantisation.complete(model, batch)
    edges = texture.edges(clean).expand_as(clean)
    assert_round_and_clip_to(completed.noisy[~edges], batch.noisy[~edges])
    given = model.given(clean, encode(VOCABULARY, conditions))
    _, latents = likelihood(model.flow, completed.noisy, given, 0.5)
    assert latents[edges].std().item() == pytest.approx(1, abs=0.05)


def test_only_real_patches_are_completed(model):
    given, unrounded, rounded, _ = made_by(model, 255)
    real = torch.arange(8) % 3 == 0
    phase = torch.where(real, UNKNOWN_PHASE, torch.arange(8) % 4)
    conditions = [Condition(("IP", "S6")[n % 2], (100, 800)[n // 4]) for n in range(8)]
    noisy = torch.where(real[:, None, None, None], rounded, unrounded)
    batch = Batch(given.clean * 256 - 0.5, noisy, conditions, phase, real)
    completed = dequantisation.complete(model, batch)
    assert completed.phase.tolist() == [0, 1, 2, 3] * 2
    assert torch.equal(completed.noisy[~real], unrounded[~real])
    assert_round_and_clip_to(completed.noisy[real], rounded[real])
    assert not torch.equal(completed.noisy[real], rounded[real])
    simulated = batch._replace(rounded=None)
    state = torch.get_rng_state()
    assert dequantisation.complete(model, simulated) is simulated
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("low", "high"), [(-0.5, 0.5), (1.0, math.inf), (-math.inf, -1.5), (6.0, 6.5), (-9.0, -8.0), (3.0, 1e4)]
)
def test_truncated_normal_follows_its_distribution(low, high):
    mean, deviation, count = 10.0, 3.0, 4000
    uniform = torch.from_numpy((np.random.default_rng(0).permutation(count) + 0.5) / count).float()
    full = lambda value: torch.full((count,), value)  # noqa: E731
    drawn = dequantisation.truncated_normal(
        full(mean), full(deviation), full(mean + deviation * low), full(mean + deviation * high), uniform
    )
    expected = stats.truncnorm(low, high, loc=mean, scale=deviation)
    assert stats.kstest(drawn.double().numpy(), expected.cdf).statistic < 0.01


def test_truncated_normal_ends_where_no_probability_is_left():
    edges = torch.tensor([50.0, -60.0]), torch.tensor([60.0, -50.0])
    drawn = dequantisation.truncated_normal(torch.zeros(2), torch.ones(2), *edges, torch.full((2,), 0.5))
    assert drawn.tolist() == [50.0, -50.0]
