"""The paper's model: counts, closed form against the chain, statistics of the whole picture, any size."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest
import torch

from nmflowgan_cli.checkpoints.official import IGNORED, VOCABULARY, official_name
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.models.base import Code, Fields, Window, encode
from nmflowgan_cli.models.flow import dequantisation_log_det, dequantise
from nmflowgan_cli.models.nmflowgan.paper import ConditionalLinear, PaperNMFlowGAN, SignalDependent, StructureAware
from nmflowgan_cli.synthesis.engine import synthesize

WIDTHS = (2, 4, 4, 8, 8)


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def model() -> PaperNMFlowGAN:
    """A narrow model in evaluation mode, whose noise is a few counts strong."""
    torch.manual_seed(3)
    made = PaperNMFlowGAN(VOCABULARY, widths=WIDTHS).eval()
    with torch.no_grad():
        for layer in made.conditional_layers:
            if isinstance(layer, ConditionalLinear):
                layer.log_scale.normal_(1.5, 0.2)
                layer.bias.normal_(0, 0.3)
    return made


def picture(height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, Fields]:
    """A clean picture with a dark and a bright half, and its fields."""
    generator = torch.Generator().manual_seed(4)
    clean = torch.randint(20, 90, (batch, 3, height, width), generator=generator).float()
    clean[..., width // 2 :] += 120
    latent = torch.randn(clean.shape, generator=generator)
    return clean, Fields(latent, torch.rand(clean.shape, generator=generator))


def test_parameter_counts():
    model = PaperNMFlowGAN(VOCABULARY, widths=WIDTHS)
    assert parameters(model.flow) == 25_484
    kinds = (StructureAware(10), SignalDependent(10), ConditionalLinear(5, 5))
    assert [parameters(layer) for layer in kinds] == [9_777, 2_815, 150]


def test_every_tensor_has_its_official_name():
    names = {official_name(name) for name in PaperNMFlowGAN(VOCABULARY, widths=WIDTHS).state_dict()}
    assert len(names | IGNORED) == 292


def test_the_official_vocabulary_counts_every_training_patch():
    assert sum(sum(isos.values()) for isos in VOCABULARY.trained.values()) == 657_038
    assert sum(len(isos) for isos in VOCABULARY.trained.values()) == 15


def test_untrained_codes_are_refused_and_isos_between_trained_ones_are_not():
    VOCABULARY.check(Condition("G4", 400))
    for camera, iso in (("G4", 1600), ("N6", 3200), ("IP", 3200), ("GP", 50)):
        with pytest.raises(ConditionError):
            VOCABULARY.check(Condition(camera, iso))


def test_moments_are_those_of_the_chain(model):
    model = model.double()
    clean, fields = (part.double() for part in (picture(7, 9)[0], torch.stack(picture(7, 9)[1][:2])))
    fields = Fields(*fields)
    code = encode(VOCABULARY, [Condition("IP", 500)])
    code = type(code)(*(field.double() for field in code))
    mean, deviation = model.moments(clean, code, fields)
    given = model.given(clean, code, fields)
    noise = model.flow.inverse(fields.latent, given) - given.clean
    torch.testing.assert_close(mean + deviation * fields.latent, noise, rtol=1e-9, atol=1e-12)
    z, log_det = model.flow(given.clean + mean, given)
    torch.testing.assert_close(z, torch.zeros_like(z), rtol=0, atol=1e-8)
    torch.testing.assert_close(log_det, -deviation.log().flatten(1).sum(1), rtol=1e-9, atol=1e-9)


def test_likelihood_is_the_density_of_the_dequantised_noise(model):
    clean, fields = picture(6, 8, batch=2)
    code = encode(VOCABULARY, [Condition("S6", 3200), Condition("GP", 100)])
    noisy = (clean + 5 * fields.latent).round().clamp(0, 255)
    uniform = fields.uniform.flip(0)
    mean, deviation = model.moments(clean, code, fields)
    noise = dequantise(noisy, uniform) - dequantise(clean, fields.uniform)
    log_density = torch.distributions.Normal(mean, deviation).log_prob(noise).flatten(1).sum(1)
    expected = -(log_density + dequantisation_log_det(noisy))
    torch.testing.assert_close(
        model.flow_nll(noisy, model.given(clean, code, fields), uniform), expected, rtol=1e-4, atol=1e-2
    )


def test_sampling_follows_moments_and_unet(model):
    clean, fields = picture(16, 16)
    code = encode(VOCABULARY, [Condition("S6", 800)])
    noise = model.pixelwise_noise(clean, code, fields)
    assert torch.equal(noise, noise.round())
    assert (clean + noise).min() >= 0
    assert (clean + noise).max() <= 255
    mean, deviation = model.moments(clean, code, fields)
    exact = 256 * (mean + deviation * fields.latent) + fields.uniform
    inside = (clean + exact > 0) & (clean + exact < 255)
    assert (noise - exact)[inside].abs().max() <= 1 + 1e-3
    torch.testing.assert_close(model.sample(clean, code, fields), clean + 256 * model.unet(noise / 256))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (17, 33)])
def test_any_size(model, size):
    clean, fields = picture(*size)
    noisy = model.sample(clean, encode(VOCABULARY, [Condition("IP", 800)]), fields)
    assert noisy.shape == clean.shape
    assert torch.isfinite(noisy).all()


def double(code: Code) -> Code:
    return Code(*(field.double() for field in code))


def test_a_sample_does_not_depend_on_its_batch(model):
    """In float64: the last bits of float32 depend on the batch, and random weights magnify them."""
    model = deepcopy(model).double()
    clean, fields = picture(16, 20, batch=2)
    clean, fields = clean.double(), Fields(*(field.double() for field in fields))
    conditions = [Condition("S6", 3200), Condition("N6", 100)]
    together = model.moments(clean, double(encode(VOCABULARY, conditions)), fields)
    for index in range(2):
        one = slice(index, index + 1)
        code = double(encode(VOCABULARY, conditions[one]))
        alone = model.moments(clean[one], code, Fields(fields.latent[one], fields.uniform[one]))
        for batched, single in zip(together, alone, strict=True):
            torch.testing.assert_close(batched[one], single, rtol=1e-6, atol=1e-9)


def tiles(clean: torch.Tensor, fields: Fields, side: int) -> Iterator[tuple[slice, slice, Window]]:
    """The picture in tiles that neither overlap nor leave gaps."""
    height, width = clean.shape[-2:]
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = slice(top, top + side), slice(left, left + side)
            parts = (tensor[..., rows, columns] for tensor in (clean, *fields[:2]))
            clean_part, latent, uniform = parts
            yield rows, columns, (clean_part, Fields(latent, uniform))


def test_statistics_gathered_from_tiles_are_those_of_the_picture(model):
    clean, fields = picture(40, 50)
    code = encode(VOCABULARY, [Condition("S6", 1600)])
    whole = model.statistics(lambda: [(clean, fields)], code)
    tiled = model.statistics(lambda: (window for *_, window in tiles(clean, fields, 16)), code)
    assert [len(layer) for layer in whole] == [3, 3]
    for layer, other in zip(whole, tiled, strict=True):
        for moments, others in zip(layer, other, strict=True):
            torch.testing.assert_close(moments, others, rtol=1e-5, atol=1e-6)
    for given, own in zip(model.moments(clean, code, fields, whole), model.moments(clean, code, fields), strict=True):
        torch.testing.assert_close(given, own, rtol=1e-4, atol=1e-6)


def test_tiled_equals_untiled_with_the_statistics_of_the_picture(model):
    context, side, height, width = model.geometry.context, 16, 208, 224
    clean, fields = picture(height, width)
    code = encode(VOCABULARY, [Condition("S6", 1600)])
    statistics = model.statistics(lambda: [(clean, fields)], code)
    with torch.no_grad():
        untiled = model.sample(clean, code, fields)
        rows, columns = slice(0, 96 + side + context), slice(0, 96 + side + context)
        window = (tensor[..., rows, columns] for tensor in (clean, *fields[:2]))
        clean_part, latent, uniform = window
        tile = model.sample(clean_part, code, Fields(latent, uniform), statistics)
        alone = model.sample(clean_part, code, Fields(latent, uniform))
    inner = (..., slice(0, 96 + side), slice(0, 96 + side))
    difference = (tile[inner] - untiled[inner]).abs()
    # A value that lies on the edge of a count may fall on either side of it by rounding in float32.
    assert (difference > 0.01).float().mean() < 1e-3
    assert (alone[inner] - untiled[inner]).abs().mean() > 100 * difference.mean()


def test_the_engine_gives_the_same_bytes_whatever_the_tiles(model):
    generator = np.random.default_rng(5)
    rgb = generator.integers(0, 120, (150, 170, 3)).astype(np.uint8)
    rgb[:, 90:] += 120
    condition = Condition("S6", 1600)
    outputs = [synthesize(model, rgb, condition, 7, tile=tile, batch=batch) for tile, batch in ((512, 1), (64, 2))]
    assert np.array_equal(outputs[0], outputs[1])


def test_tensors_decide_the_device(model):
    """On torch's device without data, where anything made on the CPU would not fit."""
    clean, fields = picture(5, 7)
    clean, fields = clean.to("meta"), Fields(*(field.to("meta") for field in fields))
    code = encode(VOCABULARY, [Condition("IP", 200)]).to("meta")
    statistics = model.to("meta").statistics(lambda: [(clean, fields)], code)
    assert model.sample(clean, code, fields, statistics).device.type == "meta"


def test_gradients_reach_the_spatial_network(model):
    clean, fields = picture(16, 16)
    model.sample(clean, encode(VOCABULARY, [Condition("IP", 100)]), fields).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.unet.parameters())
