"""The laws of every layer of a flow: inverse, log-determinant against autograd, shapes, dtypes, batches."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from nmflowgan_cli.models.base import Code
from nmflowgan_cli.models.flow import Bijection, Chain, Given, NoiseExtraction
from nmflowgan_cli.models.nmflowgan import lite
from nmflowgan_cli.models.nmflowgan.paper import CodeNorm, ConditionalLinear, SignalDependent, StructureAware

ISOS, CAMERAS, HEIGHT, WIDTH = 5, 5, 4, 6

LAYERS: dict[str, Callable[[], Bijection]] = {
    "noise extraction": NoiseExtraction,
    "conditional linear": lambda: ConditionalLinear(ISOS, CAMERAS),
    "structure-aware": lambda: StructureAware(ISOS + CAMERAS),
    "signal-dependent": lambda: SignalDependent(ISOS + CAMERAS),
    "linear light": lite.LinearLight,
    "lite conditional linear": lambda: lite.ConditionalLinear(CAMERAS),
    "lite channel mixing": lambda: lite.ChannelMixing(lite.Conditioner(CAMERAS, 3, place=4, width=8)),
    "lite signal-dependent": lambda: lite.ConditionedAffine(lite.Conditioner(CAMERAS, 6, place=4, width=8)),
    "lite structure-aware": lambda: lite.ConditionedAffine(
        lite.Conditioner(CAMERAS, 6, place=4, width=8, convolutions=2)
    ),
    "empty chain": Chain,
    "chain": lambda: Chain(
        NoiseExtraction(),
        StructureAware(ISOS + CAMERAS),
        SignalDependent(ISOS + CAMERAS),
        ConditionalLinear(ISOS, CAMERAS),
    ),
}
"""Every layer by a readable name; what is added here is held to all the laws below."""

every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())


def bijection(make: Callable[[], Bijection], dtype: torch.dtype = torch.float64) -> Bijection:
    """A layer with all its parameters and running statistics moved away from where they start."""
    torch.manual_seed(1)
    layer = make().to(dtype).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        for module in layer.modules():
            if isinstance(module, CodeNorm) and module.running_mean is not None and module.running_var is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return layer


def inputs(batch: int = 2, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, Given]:
    """A picture in the flow domain, and everything a layer may condition on; an ISO between two trained ones."""
    generator = torch.Generator().manual_seed(2)
    clean = 0.1 + 0.8 * torch.rand(batch, 3, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    x = clean + 0.05 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    iso = torch.tensor([[0.0, 0.3, 0.7, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)[:batch]
    camera = functional.one_hot(torch.tensor([3, 1])[:batch], CAMERAS).double()
    code = Code(camera, iso, torch.tensor([2.7, 0.0], dtype=torch.float64)[:batch])
    rows, columns = torch.arange(HEIGHT) % 2, torch.arange(WIDTH) % 2
    phase = functional.one_hot(2 * rows[:, None] + columns[None, :], 4).permute(2, 0, 1).expand(batch, -1, -1, -1)
    return x.to(dtype), given_as(Given(clean, code, lite.pixel_features(clean, phase.double())), dtype)


def given_as(given: Given, dtype: torch.dtype) -> Given:
    return Given(given.clean.to(dtype), Code(*(field.to(dtype) for field in given.code)), given.features.to(dtype))


def sample_of(given: Given, index: int) -> Given:
    """The conditions of one sample of a batch, as a batch of one."""
    one = slice(index, index + 1)
    return Given(given.clean[one], Code(*(field[one] for field in given.code)), given.features[one])


@every_layer
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_shapes_and_dtypes(make, dtype):
    x, given = inputs(dtype=dtype)
    layer = bijection(make, dtype)
    z, log_det = layer(x, given)
    assert (z.shape, log_det.shape) == (x.shape, (len(x),))
    assert z.dtype == log_det.dtype == layer.inverse(z, given).dtype == dtype


@every_layer
def test_inverse_undoes_forward_and_forward_undoes_inverse(make):
    x, given = inputs()
    layer = bijection(make)
    torch.testing.assert_close(layer.inverse(layer(x, given)[0], given), x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(layer(layer.inverse(x, given), given)[0], x, rtol=1e-9, atol=1e-9)


@every_layer
def test_log_determinant_is_that_of_the_jacobian(make):
    x, given = inputs()
    layer = bijection(make)
    _, log_det = layer(x, given)
    for index in range(len(x)):
        one = sample_of(given, index)
        jacobian = torch.autograd.functional.jacobian(lambda v, one=one: layer(v, one)[0], x[index : index + 1])
        size = x[index].numel()
        _, expected = torch.linalg.slogdet(jacobian.reshape(size, size))
        torch.testing.assert_close(log_det[index], expected, rtol=1e-9, atol=1e-9)


@every_layer
def test_a_sample_does_not_depend_on_its_batch(make):
    x, given = inputs()
    layer = bijection(make)
    z, log_det = layer(x, given)
    for index in range(len(x)):
        alone, alone_log_det = layer(x[index : index + 1], sample_of(given, index))
        torch.testing.assert_close(z[index : index + 1], alone, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(log_det[index : index + 1], alone_log_det, rtol=1e-9, atol=1e-9)


@every_layer
def test_tensors_decide_the_device(make):
    """On torch's device without data, where anything made on the CPU would not fit."""
    x, given = inputs()
    layer = bijection(make).to("meta")
    there = Given(given.clean.to("meta"), given.code.to("meta"), given.features.to("meta"))
    z, log_det = layer(x.to("meta"), there)
    assert {z.device.type, log_det.device.type, layer.inverse(z, there).device.type} == {"meta"}


@every_layer
def test_gradients_reach_every_parameter(make):
    x, given = inputs()
    layer = bijection(make)
    z, log_det = layer(x.requires_grad_(), given)
    (z.square().sum() + log_det.square().sum()).backward()
    assert [name for name, parameter in layer.named_parameters() if parameter.grad is None] == []


def test_conditional_linear_mixes_its_rows_as_the_iso_code_says():
    layer = bijection(lambda: ConditionalLinear(ISOS, CAMERAS))
    assert isinstance(layer, ConditionalLinear)
    _, given = inputs()
    log_scale, bias = layer.coefficients(given)
    row = CAMERAS * 1 + 3
    expected = 0.3 * layer.log_scale[row] + 0.7 * layer.log_scale[row + CAMERAS]
    torch.testing.assert_close(log_scale[0, :, 0, 0], expected)
    torch.testing.assert_close(bias[1, :, 0, 0], layer.bias[1])


def test_the_code_does_not_reach_the_signal_dependent_layer():
    """A defect of the paper's design that its weights live with: the norms take the code away."""
    layer = bijection(lambda: SignalDependent(ISOS + CAMERAS))
    x, given = inputs()
    other = given._replace(code=Code(given.code.camera.flip(1), given.code.iso.flip(1), given.code.log_iso))
    torch.testing.assert_close(layer(x, given)[0], layer(x, other)[0])


def test_code_norm_of_one_sample_in_training_takes_the_running_statistics():
    norm = CodeNorm(3)
    x = torch.randn(1, 3)
    torch.testing.assert_close(norm.train()(x), nn.BatchNorm1d(3).eval()(x))
