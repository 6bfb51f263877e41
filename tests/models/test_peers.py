"""Laws of the other systems of the paper as noise models of this tool: any size, any tiles, any batch, any command."""

import numpy as np
import pytest
import torch
from fakes import photograph

from nmflowgan_cli.checkpoints.official import VOCABULARY as OFFICIAL
from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.models.base import Fields, NoiseModel, encode
from nmflowgan_cli.models.c2n import C2N
from nmflowgan_cli.models.srgbflow import SRGBFlow
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.engine import synthesize
from nmflowgan_cli.synthesis.patch_sampling import sample_whole

VOCABULARY = Vocabulary(("IP", "GP"), (100, 800), {"IP": {100: 1, 800: 1}, "GP": {800: 1}})
IP = Condition("IP", 300)
KEY = picture_key(3, "picture.png", 0)


def awake(model):
    """The model in evaluation mode, every part of which does something."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "convolution" not in name:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def c2n() -> C2N:
    torch.manual_seed(0)
    model = awake(C2N(VOCABULARY, width=4))
    with torch.no_grad():
        model.tail.weight.mul_(0.02)
    return model


def srgbflow() -> SRGBFlow:
    torch.manual_seed(0)
    model = awake(SRGBFlow(VOCABULARY))
    with torch.no_grad():
        for layer in model.flow.bijections[1:]:
            if hasattr(layer, "log_scale"):
                layer.log_scale.add_(0.7)
    return model


MODELS = {"c2n": c2n, "srgbflow": srgbflow}


@pytest.fixture(params=MODELS)
def model(request) -> NoiseModel:
    return MODELS[request.param]()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (150, 171)])
def test_tiles_and_batches_change_no_bit(model, size):
    rgb = photograph(*size)
    untiled = synthesize(model, rgb, IP, KEY, tile=4096)
    assert untiled.shape == rgb.shape
    assert (untiled != rgb).any()
    for tile, batch in ((64, 1), (96, 8)):
        assert np.array_equal(synthesize(model, rgb, IP, KEY, tile=tile, batch=batch), untiled), (tile, batch)


def test_noise_depends_on_the_key(model):
    rgb = photograph(64, 64)
    made = [synthesize(model, rgb, IP, picture_key(seed, "a", 0)) for seed in (0, 0, 1)]
    assert np.array_equal(made[0], made[1])
    assert (made[0] != made[2]).mean() > 0.3


def test_a_batch_of_patches_is_the_patches_one_by_one(model):
    clean = torch.from_numpy(np.stack([photograph(40, 48, n).transpose(2, 0, 1) for n in range(3)])).float()
    conditions, keys = [IP, Condition("GP", 800), IP], [5, 6, 7]
    together = sample_whole(model, clean, conditions, keys)
    for one, (condition, key) in enumerate(zip(conditions, keys, strict=True)):
        alone = sample_whole(model, clean[one : one + 1], [condition], [key])[0]
        assert (together[one] - alone).abs().max() <= 1
        assert (together[one] != alone).float().mean() < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (5, 1)])
@torch.no_grad()
def test_any_size_of_a_window(model, size):
    draws, clean = model.draws, torch.full((2, 3, *size), 100.0)
    fields = Fields(*(torch.rand(2, channels, *size) for channels in draws[:2]), torch.randn(2, draws.whole))
    noisy = model.sample(clean, encode(VOCABULARY, [IP, IP]), fields)
    assert noisy.shape == clean.shape
    assert torch.isfinite(noisy).all()


def test_more_cameras_and_isos_leave_the_known_ones_as_they_are(model):
    wider = Vocabulary(("IP", "GP", "X"), (100, 800, 200), {**VOCABULARY.trained, "X": {200: 1}})
    options = {"width": 4} if isinstance(model, C2N) else {}
    grown = type(model)(wider, **options)
    grown.load_state_dict(model.extended(wider))
    rgb = photograph(64, 64)
    for condition in (Condition("IP", 100), Condition("GP", 800)):
        expected = synthesize(model, rgb, condition, KEY)
        assert np.abs(synthesize(grown.eval(), rgb, condition, KEY).astype(int) - expected).max() <= 1
    assert synthesize(grown, rgb, Condition("X", 200), KEY).shape == rgb.shape


def test_camera_and_iso_mean_nothing_to_c2n():
    made = [synthesize(c2n(), photograph(64, 64), condition, KEY) for condition in (IP, Condition("GP", 800))]
    assert np.array_equal(*made)


@pytest.mark.parametrize(("made", "parameters"), [(C2N, 2_154_068), (SRGBFlow, 6_160)])
def test_they_have_the_parameters_of_the_published_networks(made, parameters):
    assert sum(parameter.numel() for parameter in made(OFFICIAL).parameters()) == parameters


def flow_and_input() -> tuple[SRGBFlow, torch.Tensor, torch.Tensor, Fields]:
    model = srgbflow().double()
    clean = torch.randint(20, 230, (1, 3, 5, 4)).double()
    noisy = (clean + 9 * torch.randn_like(clean)).round().clamp(0, 255)
    return model, clean, noisy, Fields(torch.rand_like(clean), torch.rand_like(clean))


def double(code):
    return type(code)(*(field.double() for field in code))


def test_the_inverse_of_srgbflow_and_its_log_determinant():
    model, clean, noisy, fields = flow_and_input()
    given = model.given(clean, double(encode(VOCABULARY, [IP])), fields.uniform)
    z, log_det = model.flow(noisy / 256, given)
    torch.testing.assert_close(model.flow.inverse(z, given), noisy / 256, rtol=1e-9, atol=1e-9)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.flow(x, given)[0], noisy / 256)
    _, expected = torch.linalg.slogdet(jacobian.reshape(noisy.numel(), noisy.numel()))
    torch.testing.assert_close(log_det[0], expected, rtol=1e-9, atol=1e-9)


def test_the_likelihood_of_srgbflow_is_higher_for_its_own_noise():
    model, rgb = srgbflow(), photograph(64, 64).clip(60, 200)
    own = synthesize(model, rgb, IP, KEY).astype(int)
    code, fields = encode(VOCABULARY, [IP]), Fields(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    clean, noisy, stronger = (
        torch.from_numpy(np.clip(counts, 0, 255).transpose(2, 0, 1)[None]).float()
        for counts in (rgb, own, 3 * own - 2 * rgb)
    )
    assert model.nll(clean, noisy, code, fields) < model.nll(clean, stronger, code, fields)
