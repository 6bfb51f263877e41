"""The resampling oracle: right at every level, and without any correlation."""

import numpy as np
import pytest
import torch
from scipy import stats

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.oracle import POOL, fit_oracle

IP, HIGH = Condition("IP", 100), Condition("IP", 1600)


def _picture(seed, std, mean=0.0, shape=(160, 160, 3), levels=(90, 110)):
    random = np.random.default_rng(seed)
    clean = random.integers(*levels, shape).astype(np.uint8)
    noise = random.laplace(mean, std / np.sqrt(2), shape)
    return clean, np.rint(clean + noise).clip(0, 255).astype(np.uint8)


def _drawn(model, clean, condition, seed=0):
    """Noise of the model, (H, W, 3)."""
    uniform = torch.from_numpy(np.random.default_rng(seed).random((1, 3, *clean.shape[:2]), np.float32))
    counts = torch.from_numpy(clean.transpose(2, 0, 1)[None].astype(np.float32))
    fields = Fields(torch.zeros_like(uniform), uniform)
    return (model.sample(counts, encode(model.vocabulary, [condition]), fields) - counts)[0].permute(1, 2, 0).numpy()


def test_the_noise_of_a_level_has_the_distribution_of_real_noise():
    clean, noisy = _picture(1, 8, mean=3)
    made = _drawn(fit_oracle([(IP, clean, noisy)]), clean, IP)
    for channel in range(3):
        chosen = clean[..., channel] == 100
        real = (noisy[..., channel].astype(int) - clean[..., channel])[chosen]
        assert stats.ks_2samp(real, made[..., channel][chosen]).pvalue > 0.001
    assert set(np.unique(made)) <= set(np.unique(noisy.astype(int) - clean))


def test_channels_and_neighbours_are_independent():
    clean, noisy = _picture(2, 8)
    noisy = (
        np.rint(clean + np.repeat(noisy[..., :1].astype(float) - clean[..., :1], 3, 2)).clip(0, 255).astype(np.uint8)
    )
    made = _drawn(fit_oracle([(IP, clean, noisy)]), clean, IP)
    assert np.abs(np.corrcoef(made.reshape(-1, 3).T)[[0, 0, 1], [1, 2, 2]]).max() < 0.03
    assert abs(np.corrcoef(made[:, 1:].ravel(), made[:, :-1].ravel())[0, 1]) < 0.02


def test_quantiles_are_the_inverse_of_the_cumulative_shares():
    clean = np.full((20, 40, 3), 50, np.uint8)
    noisy = clean.copy()
    noisy[:10, :, 0] += 7
    noisy[10:15, :, 0] -= 4
    model = fit_oracle([(IP, clean, noisy)])
    uniform = torch.tensor([0.0, 0.2499, 0.2501, 0.4999, 0.5001, 0.99999]).expand(1, 3, 1, 6)
    counts = torch.full((1, 3, 1, 6), 50.0)
    made = model.sample(counts, encode(model.vocabulary, [IP]), Fields(uniform, uniform)) - counts
    assert made[0, 0, 0].tolist() == [-4, -4, 0, 0, 7, 7]
    assert made[0, 1:].abs().max() == 0


def test_levels_that_are_rare_or_absent_draw_from_those_around():
    rich, poor = np.full((30, 30, 3), 100, np.uint8), np.full((2, 2, 3), 103, np.uint8)
    assert rich[..., 0].size >= POOL > poor[..., 0].size
    model = fit_oracle([(IP, rich, rich + np.uint8(5)), (IP, poor, poor - np.uint8(9))])
    for level in (0, 99, 103, 255):
        made = _drawn(model, np.full((40, 40, 3), level, np.uint8), IP)
        assert set(np.unique(made)) <= {5, -9}
        assert (made == 5).mean() > 0.98


def test_between_two_isos_both_give_residuals():
    flat = np.full((40, 40, 3), 100, np.uint8)
    model = fit_oracle([(IP, flat, flat + np.uint8(2)), (HIGH, flat, flat + np.uint8(20))])
    made = _drawn(model, flat, Condition("IP", 400))
    assert set(np.unique(made)) == {2, 20}
    assert (made == 20).mean() == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ConditionError):
        _drawn(model, flat, Condition("IP", 3200))
