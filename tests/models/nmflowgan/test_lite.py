"""The lite model: its closed form, any size, what reaches it, and what it does not depend on."""

import numpy as np
import pytest
import torch
from fakes import photograph

from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.nmflowgan import jpeg_blocks
from nmflowgan_cli.models.nmflowgan.lite import LiteNMFlowGAN
from nmflowgan_cli.models.nmflowgan.rendering import PERIOD, RENDERINGS
from nmflowgan_cli.models.srgb import from_linear, to_linear
from nmflowgan_cli.synthesis.engine import synthesize

VOCABULARY = Vocabulary(("IP", "GP"), (100, 800, 3200), {c: {100: 1, 800: 1, 3200: 1} for c in ("IP", "GP")})


@pytest.fixture(scope="module", params=RENDERINGS)
def model(request):
    """Random weights everywhere, as after some training."""
    torch.manual_seed(0)
    model = LiteNMFlowGAN(VOCABULARY, rendered=request.param).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def picture(height=20, width=24, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randint(0, 256, (batch, 3, height, width), generator=generator).float()
    shape = clean.shape
    return clean, Fields(torch.randn(shape, generator=generator), torch.rand(shape, generator=generator))


def code_of(*conditions):
    return encode(VOCABULARY, [Condition(*condition) for condition in conditions])


def test_size():
    model = LiteNMFlowGAN(VOCABULARY)
    flow, spatial = (sum(p.numel() for p in part.parameters()) for part in (model.flow, model.spatial))
    assert flow < 20_000
    assert spatial < 130_000


def test_untrained_spatial_network_is_the_identity():
    model = LiteNMFlowGAN(VOCABULARY)
    clean, fields = picture()
    given = model.given(clean, code_of(("IP", 800)))
    assert torch.equal(model.correlate(fields.latent, given), fields.latent)


def test_moments_are_the_chain_in_closed_form(model):
    clean, fields = picture()
    code = code_of(("GP", 1000))
    mean, factor = model.moments(clean, code)
    noise = mean + torch.einsum("nijhw,njhw->nihw", factor, fields.latent)
    linear = to_linear(clean / 255) + noise
    expected = 255 * from_linear(linear)
    torch.testing.assert_close(model.noisy(fields.latent, model.given(clean, code)), expected, rtol=1e-4, atol=1e-2)


def test_moments_factor_is_lower_triangular_with_a_positive_diagonal(model):
    _, factor = model.moments(picture()[0], code_of(("IP", 100)))
    assert factor[:, 0, 1:].abs().max() < 1e-6
    assert factor[:, 1, 2].abs().max() < 1e-6
    assert factor.diagonal(dim1=1, dim2=2).min() > 0


def test_nll_is_a_density(model):
    """Summed over all colours that a pixel may take, probability is one: what catches a wrong constant or sign."""
    clean = torch.full((1, 3, 1, 1), 120.0)
    code = code_of(("IP", 800))
    centre = model.noisy(torch.zeros_like(clean), model.given(clean, code)).flatten()
    ranges = [torch.arange(-120.0, 121.0, 5.0) + middle for middle in centre.round()]
    colours = torch.cartesian_prod(*ranges)[:, :, None, None]
    batch = len(colours)
    given = model.given(clean.expand(batch, -1, -1, -1), type(code)(*(f.expand(batch, *f.shape[1:]) for f in code)))
    total = (-model.flow_nll(colours, given).double()).exp().sum() * 5**3
    assert total.item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (3, 5), (17, 33)])
def test_any_size(model, height, width):
    clean, fields = picture(height, width)
    noisy = model.sample(clean, code_of(("IP", 800)), fields)
    assert noisy.shape == clean.shape
    assert torch.isfinite(noisy).all()


def test_black_and_white_pictures_are_finite(model):
    for level in (0.0, 255.0):
        clean = torch.full((1, 3, 16, 16), level)
        assert torch.isfinite(model.sample(clean, code_of(("GP", 3200)), picture(16, 16)[1])).all()


def test_camera_iso_level_and_site_all_reach_the_noise(model):
    clean, fields = picture(16, 16)
    base = model.sample(clean, code_of(("IP", 800)), fields) - clean
    assert not torch.allclose(base, model.sample(clean, code_of(("GP", 800)), fields) - clean)
    assert not torch.allclose(base, model.sample(clean, code_of(("IP", 801)), fields) - clean)
    period = PERIOD[model.rendering]
    flat = torch.full((1, 3, 32, 32), 90.0)
    _, factor = model.moments(flat, code_of(("IP", 800)))
    sites = factor[0, 0, 0, 8:24, 8:24].unfold(0, period, period).unfold(1, period, period)
    assert sites.std((0, 1)).max() < 1e-6
    assert len({round(site, 6) for site in sites.mean((0, 1)).flatten().tolist()}) >= 4
    _, brighter = model.moments(flat + 60, code_of(("IP", 800)))
    assert not torch.allclose(factor, brighter)


def test_a_sample_does_not_depend_on_its_batch(model):
    clean, fields = picture(batch=2)
    code = code_of(("IP", 100), ("GP", 3200))
    both = model.sample(clean, code, fields)
    for index in range(2):
        one = slice(index, index + 1)
        alone = model.sample(clean[one], type(code)(*(f[one] for f in code)), Fields(*(f[one] for f in fields)))
        torch.testing.assert_close(both[one], alone, rtol=1e-5, atol=1e-3)


def test_context_is_all_that_a_pixel_sees(model):
    """What lies further away than the geometry's context cannot change a pixel; what lies nearer does."""
    context = model.geometry.context
    clean, fields = picture(2 * context + 8, 2 * context + 8)
    code = code_of(("IP", 800))
    before = model.sample(clean, code, fields)[0, :, -4:, -4:]
    edge = clean.shape[2] - 4 - context
    changed, latent = clean.clone(), fields.latent.clone()
    changed[..., :edge, :] = 255 - changed[..., :edge, :]
    latent[..., :edge, :] += 1
    far = model.sample(changed, code, Fields(latent, fields.uniform))[0, :, -4:, -4:]
    assert torch.equal(before, far)
    latent[..., -8:-4, :] += 1
    near = model.sample(clean, code, Fields(latent, fields.uniform))[0, :, -4:, -4:]
    assert not torch.equal(before, near)


def test_tiles_keep_positions(model):
    rgb = photograph(70, 131)
    whole = synthesize(model, rgb, Condition("IP", 800), 7, tile=512)
    assert np.array_equal(synthesize(model, rgb, Condition("IP", 800), 7, tile=64), whole)


def test_block_edges_repeat_and_turn_with_the_picture():
    edges = jpeg_blocks.edge_map(2, 24, 32)
    assert edges.shape == (2, 4, 24, 32)
    assert torch.equal(edges[..., :16, :24], edges[..., 8:, 8:])
    first_column, last_column, first_row, last_row = edges[0, :, :24, :24]
    assert torch.equal(first_column.flip(1), last_column)
    assert torch.equal(first_column.T, first_row)
    assert torch.equal(first_row.flip(0), last_row)
    assert first_column.sum() == 24 * 3


def test_an_unknown_rendering_is_refused():
    with pytest.raises(ValueError, match="rendering 'film'"):
        LiteNMFlowGAN(VOCABULARY, rendered="film")


def test_one_gradient_step_reaches_everything(model):
    clean, fields = picture(8, 8)
    given = model.given(clean, code_of(("IP", 800)))
    (model.flow_nll(clean + 1, given).sum() + model.correlate(fields.latent, given).square().sum()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    model.zero_grad()
