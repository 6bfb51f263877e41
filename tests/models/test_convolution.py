"""Fused convolutions: torch's values, whatever the batch, and the weights that the layer has now."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from nmflowgan_cli.models.convolution import convolve, pointwise

SHAPES = [(16, 16, 3), (24, 32, 3), (64, 32, 3), (12, 12, 3), (10, 32, 1), (32, 6, 1), (32, 3, 1)]


def layer_of(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def picture(inputs: int, batch: int = 5) -> torch.Tensor:
    x = torch.randn(batch, inputs, 40, 52, generator=torch.Generator().manual_seed(1))
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("relu", [False, True])
def test_values_are_those_of_torch_with_and_without_gradients(shape: tuple[int, int, int], relu: bool) -> None:
    layer, x = layer_of(*shape), picture(shape[0])
    expected = functional.relu(layer(x)) if relu else layer(x)
    torch.testing.assert_close(convolve(layer, x, relu=relu), expected)
    with torch.no_grad():
        torch.testing.assert_close(convolve(layer, x, relu=relu), expected.detach())
        torch.testing.assert_close(convolve(layer, x.contiguous(), relu=relu), expected.detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_sample_has_the_same_bits_in_any_batch(shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    layer, x = layer_of(*shape), picture(shape[0])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        whole = convolve(layer, x, relu=True)
        assert whole.dtype == dtype
        for first, last in ((0, 1), (1, 3), (0, 4)):
            assert torch.equal(convolve(layer, x[first:last], relu=True), whole[first:last])


@pytest.mark.parametrize("change", ["step", "load"])
def test_weights_that_changed_are_packed_anew(change: str) -> None:
    layer, x = layer_of(16, 16, 3), picture(16)
    with torch.inference_mode():
        before = convolve(layer, x)
    with torch.no_grad():
        if change == "step":
            layer.weight.add_(1)
        else:
            layer.load_state_dict({name: 2 * value for name, value in layer.state_dict().items()})
    with torch.inference_mode():
        after = convolve(layer, x)
        assert not torch.equal(before, after)
        torch.testing.assert_close(after, layer(x))


def test_pointwise_is_a_convolution_with_a_bias_of_its_own() -> None:
    weight, bias, x = torch.randn(32, 10, 1, 1), torch.randn(32), picture(10)
    expected = functional.relu(functional.conv2d(x, weight, bias))
    with torch.no_grad():
        torch.testing.assert_close(pointwise(x, weight, bias, relu=True), expected)
    torch.testing.assert_close(pointwise(x, weight, bias, relu=True), expected)
