"""The spatial network and the critics: sizes, identity start, padding, parameter counts."""

import pytest
import torch

from nmflowgan_cli.models.nmflowgan.critic import PaperCritic, PatchCritic
from nmflowgan_cli.models.nmflowgan.unet import UNet, reflect_to_multiple
from nmflowgan_cli.reflection import reflected


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_of_the_paper():
    assert parameters(UNet()) == 31_031_875
    assert parameters(PaperCritic()) == 14_160_969


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (16, 16), (17, 5), (33, 48)])
def test_any_size_keeps_its_shape(size):
    network = UNet((2, 4, 4, 8, 8)).eval()
    x = torch.randn(2, 3, *size)
    assert network(x).shape == x.shape


def test_zero_init_starts_as_the_identity_whatever_the_conditions():
    network = UNet((16, 32, 64), extra_channels=7, zero_init=True)
    x = torch.randn(2, 3, 9, 11)
    assert torch.equal(network(x, torch.randn(2, 7, 9, 11)), x)


def test_conditions_reach_the_output():
    torch.manual_seed(0)
    network = UNet((4, 8), extra_channels=2).eval()
    x = torch.randn(1, 3, 8, 8)
    assert not torch.allclose(network(x, torch.zeros(1, 2, 8, 8)), network(x, torch.ones(1, 2, 8, 8)))


def test_the_padding_is_a_reflection_that_is_cut_off_again():
    torch.manual_seed(0)
    network = UNet((2, 4, 4)).eval()
    x = torch.randn(1, 3, 10, 7)
    padded = torch.nn.functional.pad(x, (0, 1, 0, 2), mode="reflect")
    torch.testing.assert_close(network(x), network(padded)[..., :10, :7])


def test_reflection_repeats_for_pictures_smaller_than_the_padding():
    row = torch.arange(4.0).expand(1, 1, 1, 4)
    assert reflect_to_multiple(row[..., :1], 4)[0, 0, 0].tolist() == [0, 0, 0, 0]
    assert reflect_to_multiple(row[..., :2], 5)[0, 0, 0].tolist() == [0, 1, 0, 1, 0]
    assert reflect_to_multiple(row, 12)[0, 0, 0].tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1]
    assert reflect_to_multiple(torch.zeros(1, 3, 16, 32), 16).shape == (1, 3, 16, 32)


@pytest.mark.parametrize("size", range(2, 20))
def test_reflection_keeps_the_parity_of_an_index(size):
    assert torch.equal(reflected(torch.arange(-64, 64), size) % 2, torch.arange(128) % 2)


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    network = UNet((8, 16), dropout=0.5)
    x = torch.randn(1, 3, 8, 8)
    assert not torch.equal(network.train()(x), network(x))
    assert torch.equal(network.eval()(x), network(x))


def test_the_paper_critic_scores_each_sample_of_96_pixel_patches():
    critic = PaperCritic().eval()
    noise, clean = torch.randn(2, 3, 96, 96), torch.rand(2, 3, 96, 96) * 255
    scores = critic(noise, clean)
    assert scores.shape == (2,)
    torch.testing.assert_close(critic(noise[1:], clean[1:]), scores[1:], rtol=1e-3, atol=1e-4)


def test_a_logit_of_the_patch_critic_sees_twelve_pixels():
    critic = PatchCritic(10, width=4)
    x = torch.randn(1, 10, 32, 32, requires_grad=True)
    logits = critic(x)
    assert logits.shape == (1, 1, 16, 16)
    (gradient,) = torch.autograd.grad(logits[0, 0, 8, 8], x)
    seen = gradient.abs().sum((0, 1)) > 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (12, 12)
