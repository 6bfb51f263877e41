"""Every metric against independent code, closed forms and its invariances."""

import numpy as np
import pytest
from scipy import ndimage, stats

from nmflowgan_cli.metrics.moments import LevelMoments, noise_of
from nmflowgan_cli.metrics.noise import (
    COARSE,
    FINE,
    Bins,
    ChannelMoments,
    SpatialCorrelation,
    akld,
    kl_divergence,
    level_curves,
    local_variance,
    mean_difference,
    patch_kld,
    patch_rows,
    self_floor,
)

RANDOM = np.random.default_rng(20)
START = RANDOM.bit_generator.state


@pytest.fixture(autouse=True)
def _same_numbers_for_every_test():
    RANDOM.bit_generator.state = START


def _normal(std, shape, mean=0.0):
    return RANDOM.normal(mean, std, shape)


def _integer(std, shape, mean=0.0):
    return np.rint(_normal(std, shape, mean)).clip(-255, 255).astype(np.int16)


@pytest.mark.parametrize("bins", [COARSE, FINE])
def test_histograms_are_those_of_numpy(bins):
    edges = bins.first + bins.width * np.arange(bins.number + 1)
    rows = np.concatenate((_normal(80, (4, 500)), np.resize(edges, (4, 600))), axis=1)
    expected = np.stack([np.histogram(row, edges)[0] for row in rows])
    np.testing.assert_array_equal(bins.histograms(rows), expected)


def test_kl_divergence_is_that_of_scipy():
    real, fake = _integer(6, (5, 3000)), _integer(9, (5, 3000))
    edges = np.arange(-260, 261, 4)
    expected = [
        stats.entropy(np.histogram(r, edges)[0] + 1, np.histogram(f, edges)[0] + 1)
        for r, f in zip(real, fake, strict=True)
    ]
    np.testing.assert_allclose(kl_divergence(real, fake), expected, rtol=1e-10)


def test_kl_divergence_of_binned_gaussians():
    real, fake = _integer(8, (1, 3_000_000)), _integer(11, (1, 3_000_000), mean=2)
    edges = np.arange(-260, 261, 4) - 0.5  # rounding moves the edges of the continuous law
    p, q = (np.diff(stats.norm(mean, std).cdf(edges)) for mean, std in ((0, 8), (2, 11)))
    expected = np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0]))
    assert kl_divergence(real, fake)[0] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("std", "same", "unrounded"), [(3, 0.0002, 0.0122), (6, 0.0004, 0.0038), (12, 0.0008, 0.0017)])
def test_closed_cases_of_normal_noise_on_96_pixel_patches(std, same, unrounded):
    shape = (96 * 5, 96 * 5, 3)
    real = _integer(std, shape)
    assert patch_kld(real, _integer(std, shape)).mean() == pytest.approx(same, abs=0.00008)
    assert patch_kld(real, _normal(std, shape)).mean() == pytest.approx(unrounded, abs=0.0003)
    assert self_floor(real).mean() == pytest.approx(same, abs=0.0001)


def test_patches_are_cut_on_the_grid():
    noise = np.arange(10 * 7 * 3).reshape(10, 7, 3)
    expected = [noise[y : y + 4, x : x + 4].ravel() for y in (0, 3, 6) for x in (0, 3)]
    rows = list(patch_rows(noise, 4, 3))
    assert [len(row) for row in rows] == [2, 2, 2]
    np.testing.assert_array_equal(np.concatenate(rows), expected)


def test_patches_cover_the_border_where_they_are_asked_to():
    noise = np.arange(10 * 8 * 3).reshape(10, 8, 3)
    expected = [noise[y : y + 4, x : x + 4].ravel() for y in (0, 3, 6) for x in (0, 3, 4)]
    np.testing.assert_array_equal(np.concatenate(list(patch_rows(noise, 4, 3, border=True))), expected)
    fitting = noise[:, :7]
    plain, covered = (np.concatenate(list(patch_rows(fitting, 4, 3, border=border))) for border in (False, True))
    np.testing.assert_array_equal(plain, covered)


def test_kld_is_zero_on_itself_never_negative_and_not_symmetric():
    real, fake = _integer(5, (64, 64, 3)), _integer(9, (64, 64, 3))
    assert np.all(patch_kld(real, real, size=32, step=32) == 0)
    forward, backward = patch_kld(real, fake, size=32), patch_kld(fake, real, size=32)
    assert (forward > 0).all()
    assert not np.allclose(forward, backward)


def test_kld_knows_nothing_of_the_order_of_pixels():
    real, fake = _integer(5, (64, 64, 3)), _integer(9, (64, 64, 3))
    shuffled = RANDOM.permutation(fake.ravel()).reshape(fake.shape)
    np.testing.assert_array_equal(patch_kld(real, fake, size=64), patch_kld(real, shuffled, size=64))


def test_fine_bins_see_what_coarse_ones_pool():
    quarters = RANDOM.integers(0, 4, (32, 32, 3)).astype(np.int16)
    assert patch_kld(quarters, np.zeros_like(quarters), size=32) == 0
    assert patch_kld(quarters, np.zeros_like(quarters), size=32, bins=FINE) > 1


def test_wrong_noise_is_refused():
    good = np.zeros((96, 96, 3), np.int16)
    with pytest.raises(ValueError, match="smaller than a patch"):
        patch_kld(good[:50], good[:50])
    with pytest.raises(ValueError, match="one shape"):
        patch_kld(good, good[:50])
    with pytest.raises(ValueError, match="NaN"):
        patch_kld(good, np.full(good.shape, np.nan))
    with pytest.raises(ValueError, match="shape"):
        SpatialCorrelation().add(good[..., 0])
    with pytest.raises(ValueError, match="signed integer"):
        ChannelMoments().add(good.astype(np.uint8))
    with pytest.raises(ValueError, match="within"):
        local_variance(good + np.int16(300))
    with pytest.raises(ValueError, match="uint8"):
        noise_of(good.astype(np.uint8), good)


def test_noise_does_not_wrap_around():
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert (noise_of(black, white) == -255).all()
    assert (noise_of(white, black) == 255).all()


def test_self_floor_sees_no_difference_in_content_but_in_length():
    ramp = np.tile(np.arange(192), (96, 1)) // 2
    noise = (_normal(1, (96, 192, 3)) * (1 + ramp[..., None] / 20)).round().astype(np.int16)
    assert self_floor(noise)[0] < 0.002
    np.testing.assert_allclose(self_floor(noise.transpose(1, 0, 2)), self_floor(noise))
    assert self_floor(noise[:, :191]).size == 0


def test_akld_is_that_of_scipy_and_zero_on_itself():
    real, fake = _integer(6, (40, 50, 3)), _integer(12, (40, 50, 3))

    def variance(noise):
        blurred = ndimage.gaussian_filter((noise / 255.0) ** 2, 1.4, mode="mirror", radius=3, axes=(0, 1))
        return blurred.clip(1e-10)

    ratio = (variance(fake) / variance(real)).clip(0.1, 10)
    expected = 0.5 * np.mean(np.log(1 / ratio) + ratio - 1)
    assert akld(local_variance(real), local_variance(fake)) == pytest.approx(expected, rel=1e-9)
    assert akld(local_variance(real), local_variance(real)) == 0


def test_akld_of_flat_noise_is_the_closed_form():
    one, two = (local_variance(np.full((20, 20, 3), value, np.int16)) for value in (4, -8))
    assert akld(one, two) == pytest.approx(0.5 * (4 - 1 - np.log(4)))


def test_level_curves_are_plain_means_and_stds():
    clean = RANDOM.integers(0, 64, (90, 90, 3)).astype(np.uint8)
    noise = _integer(5, clean.shape, mean=-2)
    moments = LevelMoments()
    for rows in (slice(0, 30), slice(30, 90)):
        moments.add(clean[rows], noise[rows])
    mean, std = level_curves(moments)
    for channel in range(3):
        chosen = noise[..., channel][clean[..., channel] // 8 == 5]
        assert mean[channel, 5] == pytest.approx(chosen.mean())
        assert std[channel, 5] == pytest.approx(chosen.std())
    assert np.isnan(mean[:, 8:]).all()
    assert mean_difference(mean, mean + 1.5) == pytest.approx(1.5)
    assert np.isnan(mean_difference(mean, np.full(mean.shape, np.nan)))


def test_bins_of_few_pixels_are_left_out():
    clean = np.zeros((10, 49, 3), np.uint8)
    moments = LevelMoments()
    moments.add(clean, _integer(3, clean.shape))
    assert np.isnan(level_curves(moments)[0]).all()
    moments.add(clean, _integer(3, clean.shape))
    assert not np.isnan(level_curves(moments)[0][:, 0]).any()


@pytest.mark.parametrize(("dy", "dx"), [(0, 1), (1, 0), (3, -2), (-8, 8), (0, 0)])
def test_spatial_correlation_is_that_of_scipy(dy, dx):
    noise = _integer(9, (30, 40, 3))
    noise[:, 1:] += noise[:, :-1] // 2
    correlation = SpatialCorrelation()
    correlation.add(noise)
    first = noise[max(0, -dy) : 30 - max(0, dy), max(0, -dx) : 40 - max(0, dx)]
    second = noise[max(0, dy) : 30 - max(0, -dy), max(0, dx) : 40 - max(0, -dx)]
    for channel in range(3):
        expected = stats.pearsonr(first[..., channel].ravel(), second[..., channel].ravel())[0]
        assert correlation.map()[channel, 8 + dy, 8 + dx] == pytest.approx(expected, abs=1e-12)


def test_strips_change_nothing_of_the_spatial_correlation(monkeypatch):
    noise = _integer(9, (50, 40, 3))
    whole = SpatialCorrelation()
    whole.add(noise)
    for strip in (1, 7, 49):
        monkeypatch.setattr("nmflowgan_cli.metrics.noise.CORRELATION_ROWS", strip)
        parts = SpatialCorrelation()
        parts.add(noise)
        np.testing.assert_array_equal(parts.sums, whole.sums)


def test_lags_of_a_moving_average():
    noise = np.rint(ndimage.uniform_filter(_normal(60, (400, 400, 3)), (2, 2, 1))).astype(np.int16)
    correlation = SpatialCorrelation()
    correlation.add(noise)
    np.testing.assert_allclose(correlation.lags(), [0.5, 0, 0], atol=0.02)


def test_spatial_correlation_of_tiny_and_of_silent_pictures():
    correlation = SpatialCorrelation()
    correlation.add(np.zeros((1, 1, 3), np.int16))
    correlation.add(np.zeros((3, 20, 3), np.int16))
    assert np.isnan(correlation.map()).all()


def test_channel_correlation_is_that_of_numpy():
    noise = _integer(6, (50, 60, 3))
    noise[..., 1] += noise[..., 0] // 2
    moments = ChannelMoments()
    moments.add(noise[:20])
    moments.add(noise[20:])
    expected = np.corrcoef(noise.reshape(-1, 3).T)
    np.testing.assert_allclose(moments.correlation(), expected[[0, 0, 1], [1, 2, 2]])
    assert moments.mean() == pytest.approx(noise.mean())
    assert moments.std() == pytest.approx(noise.std())


@pytest.mark.parametrize("kind", [SpatialCorrelation, ChannelMoments])
def test_pooling_is_exact_in_any_order_and_grouping(kind):
    pictures = [_integer(5, (20, 30, 3)), _integer(9, (31, 17, 3)), _integer(2, (9, 40, 3))]
    one, two, rest = kind(), kind(), kind()
    for picture in pictures:
        one.add(picture)
    for picture in pictures[:0:-1]:
        rest.add(picture)
    two.merge(rest)
    two.add(pictures[0])
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, vars(two)[name])


def test_bins_outside_hold_nothing():
    assert Bins(0, 1, 3).histograms(np.array([[-0.5, 0.0, 2.9, 3.0, 3.1]])).tolist() == [[1, 0, 2]]
