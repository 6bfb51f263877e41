"""The Gaussian reference models recover what made the noise, and interpolate between ISOs."""

import numpy as np
import pytest
import torch

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.gaussian import GaussianNoise, fit_awgn, fit_heteroscedastic, level_moments

IP, S6 = Condition("IP", 100), Condition("S6", 1600)
CLEAN = np.repeat(np.tile(np.arange(50, 200, dtype=np.uint8), (400, 1))[..., None], 3, axis=2)


def _noisy(std, mean=0.0, seed=0):
    noise = np.random.default_rng(seed).normal(mean, std, CLEAN.shape)
    return np.rint(CLEAN + noise).clip(0, 255).astype(np.uint8)


def _draw(model: GaussianNoise, clean: np.ndarray, condition: Condition) -> np.ndarray:
    counts = torch.from_numpy(clean).float().permute(2, 0, 1)[None]
    latent = torch.randn(counts.shape, generator=torch.Generator().manual_seed(1))
    noisy = model.sample(counts, encode(model.vocabulary, [condition]), Fields(latent, torch.zeros_like(latent)))
    return (noisy - counts)[0].permute(1, 2, 0).numpy()


def test_awgn_is_the_mean_and_variance_of_each_channel():
    noisy = _noisy(np.array([4.0, 6.0, 9.0]), mean=np.array([0.0, -2.0, 1.0]))
    model = fit_awgn(level_moments([(IP, CLEAN, noisy)]))
    noise = noisy.astype(float) - CLEAN
    np.testing.assert_allclose(model.offset[0, 0].numpy(), noise.var((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(model.mean[0, 0].numpy(), noise.mean((0, 1)), atol=1e-5)
    drawn = _draw(model, CLEAN, IP)
    np.testing.assert_allclose(drawn.std((0, 1)), [4.0, 6.0, 9.0], rtol=0.03)
    np.testing.assert_allclose(drawn.mean((0, 1)), [0.0, -2.0, 1.0], atol=0.15)


def test_without_mean_the_second_moment_is_kept():
    noisy = _noisy(5.0, mean=-3.0)
    model = fit_awgn(level_moments([(IP, CLEAN, noisy)]), with_mean=False)
    noise = noisy.astype(float) - CLEAN
    assert not model.mean.any()
    np.testing.assert_allclose(model.offset[0, 0].numpy(), (noise**2).mean((0, 1)), rtol=1e-5)


@pytest.mark.parametrize(("slope", "offset"), [(0.5, 4.0), (-0.3, 70.0), (0.0, 25.0)])
def test_heteroscedastic_recovers_the_line(slope, offset):
    noisy = _noisy(np.sqrt(slope * CLEAN + offset - 1 / 12), mean=1.0)
    model = fit_heteroscedastic(level_moments([(IP, CLEAN, noisy)]))
    np.testing.assert_allclose(model.slope[0, 0].numpy(), slope, atol=0.03)
    np.testing.assert_allclose(model.offset[0, 0].numpy(), offset, atol=3.0)
    np.testing.assert_allclose(model.mean[0, 0].numpy(), 1.0, atol=0.15)


def test_variance_never_falls_below_zero():
    model = fit_heteroscedastic(level_moments([(IP, CLEAN, _noisy(np.sqrt(0.5 * (CLEAN - 49.0))))]))
    dark = np.zeros((8, 8, 3), np.uint8)
    assert np.isfinite(_draw(model, dark, IP)).all()


def test_one_flat_picture_has_no_slope():
    clean = np.full((50, 50, 3), 90, np.uint8)
    model = fit_heteroscedastic(level_moments([(IP, clean, clean + np.uint8(2))]))
    assert not model.slope.any()
    assert not model.offset.any()
    assert torch.all(model.mean == 2)


def test_pictures_are_summed_whatever_their_order():
    samples = [(IP, CLEAN, _noisy(4.0, seed=1)), (S6, CLEAN, _noisy(9.0, seed=2)), (IP, CLEAN[:99], _noisy(7.0)[:99])]
    there, back = (fit_heteroscedastic(level_moments(order)) for order in (samples, samples[::-1]))
    assert there.vocabulary.cameras == ("IP", "S6")
    for condition in (IP, S6):
        np.testing.assert_array_equal(_draw(there, CLEAN, condition), _draw(back, CLEAN, condition))


def test_knows_only_what_it_was_fitted_on_and_interpolates_between():
    low, high = Condition("S6", 400), Condition("S6", 1600)
    model = fit_awgn(level_moments([(low, CLEAN, _noisy(4.0)), (high, CLEAN, _noisy(8.0))]))
    between = _draw(model, CLEAN, Condition("S6", 800)).std()
    assert 4.2 < between < 7.8
    with pytest.raises(ConditionError, match="400 to 1600"):
        encode(model.vocabulary, [Condition("S6", 3200)])
