"""Random fields: planes that depend on the picture's key alone, however they are cut."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmflowgan_cli.randomness import RANDOM_BLOCK as BLOCK
from nmflowgan_cli.randomness import Draws, PictureFields, picture_key

KEY = picture_key(0, "folder/picture.png", 0)
WHOLE = (-BLOCK - 40, -60, 2 * BLOCK + 90, 2 * BLOCK)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.integers(0, 200), st.integers(1, 40), st.integers(1, 50))
def test_any_window_is_that_of_the_whole(top, left, height, width):
    y, x, rows, columns = WHOLE
    whole = PictureFields(KEY).latent(*WHOLE)
    top, left = min(top, rows - height), min(left, columns - width)
    window = PictureFields(KEY).latent(y + top, x + left, height, width)
    assert np.array_equal(window, whole[:, top : top + height, left : left + width])


def test_a_window_does_not_depend_on_what_was_drawn_before():
    fields = PictureFields(KEY, cached_blocks=2)
    first = fields.uniform(0, 0, 300, 300)
    fields.latent(-500, 900, 300, 300)
    assert np.array_equal(first, fields.uniform(0, 0, 300, 300))


def test_every_part_of_the_key_matters():
    keys = [picture_key(*parts) for parts in ((0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (0, "a0", 0))]
    corners = [PictureFields(key).latent(0, 0, 1, 4).tobytes() for key in keys]
    assert len(set(corners)) == len(keys)


def test_fields_are_standard_normal_and_uniform():
    fields = PictureFields(KEY)
    latent, uniform = fields.latent(0, 0, 600, 600), fields.uniform(0, 0, 600, 600)
    assert latent.dtype == uniform.dtype == np.float32
    assert abs(latent.mean()) < 0.005
    assert abs(latent.std() - 1) < 0.005
    assert abs(np.corrcoef(latent[0].ravel(), latent[1].ravel())[0, 1]) < 0.01
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.005
    assert abs(np.corrcoef(latent[0].ravel(), uniform[0].ravel())[0, 1]) < 0.01


def test_more_channels_leave_the_first_ones_and_whole_draws_hold_for_the_picture():
    usual, many = PictureFields(KEY), PictureFields(KEY, Draws(latent=20, uniform=0, whole=7))
    place = (-9, 100, 60, 50)
    assert many.latent(*place).shape == (20, 60, 50)
    assert np.array_equal(many.latent(*place)[:3], usual.latent(*place))
    assert many.uniform(*place).shape == (0, 60, 50)
    assert many.whole().shape == (7,)
    assert np.array_equal(many.whole(), PictureFields(KEY, Draws(whole=7)).whole())
    assert not np.isin(many.whole(), many.latent(0, 0, BLOCK, BLOCK)).any()
    assert usual.whole().shape == (0,)


def test_blocks_differ_from_their_neighbours():
    field = PictureFields(KEY).latent(-BLOCK, -BLOCK, 2 * BLOCK, 2 * BLOCK)
    blocks = [field[:, y : y + BLOCK, x : x + BLOCK].tobytes() for y in (0, BLOCK) for x in (0, BLOCK)]
    assert len(set(blocks)) == 4


SIDE = 1826
"""3 x 1826 x 1826 values are 10^7."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["latent", "uniform"])
def test_ten_million_values_have_the_moments_lags_and_distribution(name: str) -> None:
    """Within five standard errors of each moment and correlation; Kolmogorov-Smirnov at one in a thousand."""
    field = getattr(PictureFields(KEY), name)(-300, -200, SIDE, SIDE).astype(np.float64)
    values, error = torch.from_numpy(field).flatten(), 1 / np.sqrt(field.size)
    shares = torch.special.ndtr(values) if name == "latent" else values
    white = field if name == "latent" else (field - 0.5) * np.sqrt(12)
    kurtosis = 3 if name == "latent" else 1.8
    assert abs(white.mean()) < 5 * error
    assert abs(white.var() - 1) < 5 * error * np.sqrt(kurtosis - 1)
    assert abs((white**3).mean()) < 5 * error * np.sqrt(15)
    assert abs((white**4).mean() - kurtosis) < 5 * error * np.sqrt(96)
    for lag in (1, 2, 3, BLOCK):
        for pair in ((white[..., lag:], white[..., :-lag]), (white[:, lag:], white[:, :-lag])):
            assert abs((pair[0] * pair[1]).mean()) < 5.1 * error
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs((white[one] * white[other]).mean()) < 5 * error * np.sqrt(3)
    rank = torch.arange(1, len(values) + 1, dtype=torch.float64) / len(values)
    assert (shares.sort().values - rank).abs().max() < 1.95 * error
