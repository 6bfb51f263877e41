"""The U-Net: what it begins as, how far it sees, and that tiles show nowhere."""

import numpy as np
import pytest
import torch
from denoisers import some
from fakes import photograph

from nmflowgan_cli.denoising.judge import denoise
from nmflowgan_cli.denoising.unet import UNet


def awake(**options) -> UNet:
    """A small U-Net whose every weight does something, in evaluation mode."""
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        model = UNet(**options)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def test_it_begins_as_the_identity_and_is_below_a_million_parameters():
    noisy, model = some(1, 3, 16, 24), UNet()
    assert torch.equal(model(noisy), noisy)
    assert sum(parameter.numel() for parameter in model.parameters()) < 1_000_000


@pytest.mark.parametrize("options", [{"widths": ()}, {"widths": (4, 0)}, {"blocks": 0}])
def test_sizes_that_are_none(options):
    with pytest.raises(ValueError, match="U-Net of widths"):
        UNet(**options)


@pytest.mark.parametrize("place", [(96, 96), (97, 99), (102, 103)])
def test_a_pixel_is_decided_within_its_context(place):
    model = awake(widths=(4, 5, 6), blocks=1).double()
    noisy = some(1, 3, 192, 192).double()
    changed = noisy.clone()
    changed[..., place[0], place[1]] += 50
    different = (model(noisy) != model(changed))[0].any(0)
    reach = max(
        int((different.any(axis).nonzero().flatten() - center).abs().max())
        for axis, center in ((1, place[0]), (0, place[1]))
    )
    side = model.geometry.multiple
    assert model.geometry.context - 2 * side < reach <= model.geometry.context


@pytest.mark.parametrize("sides", [(1, 1), (5, 90), (130, 203)])
def test_tiles_show_nowhere(sides):
    model, noisy = awake(widths=(4, 6), blocks=1), photograph(*sides, 3)
    whole = denoise(model, noisy, tile=1024)
    assert whole.shape == noisy.shape
    tiled = denoise(model, noisy, tile=64)
    difference = np.abs(tiled.astype(int) - whole)  # kernels of small windows may differ in the last bit
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
