"""The texture of a picture, against its definition and what it must not depend on."""

import math

import numpy as np
import torch
from scipy import ndimage

from nmflowgan_cli.models import texture
from nmflowgan_cli.models.flow import LEVELS


def features(grey):
    """Of a grey picture in counts; float64 (3, H, W)."""
    clean = torch.from_numpy(np.array(grey, np.float64))[None, None].expand(1, 3, -1, -1) / LEVELS
    return texture.texture(clean)[0].numpy()


def test_flat_and_linear_pictures_have_none():
    rows, columns = np.mgrid[:40, :40]
    faintest = math.log(texture.FAINTEST) / 4
    np.testing.assert_allclose(features(np.full((40, 40), 90.0)), faintest)
    inside = (slice(None), slice(13, -13), slice(13, -13))
    np.testing.assert_allclose(features(2 * rows + 3 * columns)[inside], faintest)


def test_against_scipy():
    grey = np.random.default_rng(0).uniform(100, 112, (48, 56))
    taps = np.array([1, 4, 6, 4, 1]) / 16
    spaced = np.zeros(9)
    spaced[::2] = taps

    def blurred(picture, kernel):
        return ndimage.correlate1d(ndimage.correlate1d(picture, kernel, 0, mode="nearest"), kernel, 1, mode="nearest")

    smooth = blurred(grey, taps)
    fine, coarse = (grey - smooth) ** 2, (smooth - blurred(smooth, spaced)) ** 2
    windows = ((fine, 5), (fine, 13), (coarse, 13))
    energies = np.array([ndimage.uniform_filter(energy, size, mode="nearest") for energy, size in windows])
    np.testing.assert_allclose(features(grey), np.log(energies + texture.FAINTEST) / 4, rtol=1e-5)


def test_it_turns_with_the_picture():
    grey = np.random.default_rng(1).uniform(100, 112, (40, 40))
    np.testing.assert_allclose(features(np.rot90(grey)), np.rot90(features(grey), axes=(1, 2)), rtol=1e-9)


def test_reach():
    grey = np.random.default_rng(2).uniform(100, 103, (60, 60))
    changed = grey.copy()
    changed[30, 30] += 4
    rows, columns = np.nonzero(np.abs(features(changed) - features(grey)).max(0) > 1e-12)
    assert max(abs(rows - 30).max(), abs(columns - 30).max()) == texture.REACH


def test_edges_are_no_texture():
    """However sharp: beyond some energy the features stay as they are."""
    step = np.where(np.arange(60) < 30, 60.0, 100.0) * np.ones((60, 1))
    sharper = np.where(np.arange(60) < 30, 10.0, 240.0) * np.ones((60, 1))
    assert features(sharper).max() == features(step).max() == math.log(texture.BUSIEST + texture.FAINTEST) / 4


def test_sharp_edges_are_found_within_two_pixels():
    step = np.where(np.arange(20) < 10, 60.0, 60.0 + texture.STEEPEST + 1) * np.ones((20, 1))
    found = texture.edges(torch.from_numpy(step)[None, None].expand(1, 3, -1, -1))[0, 0].numpy()
    assert found[:, 8:12].all()
    assert found.sum() == 20 * 4
    assert not texture.edges(torch.from_numpy(step / 1.1)[None, None].expand(1, 3, -1, -1)).any()
