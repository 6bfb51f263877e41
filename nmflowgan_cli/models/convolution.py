"""Convolutions for inference on the CPU: bias, convolution and ReLU in one pass of oneDNN, channels last.

torch's own convolution takes a slow path for 1x1 kernels and for pictures that are not channels last: up to four times
as long for the layers of `lite`; and it packs and casts the weights at every call. The bits of float32 are the same.
"""

from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

FUSED = torch.ops.mkldnn._convolution_pointwise
PACKED = torch.ops.mkldnn._reorder_convolution_weight
TYPES = (torch.float32, torch.bfloat16)
"""Types that the fused convolution computes in."""

FEW = 4
"""Fewer outputs torch adds up in another order than oneDNN: in float32 they keep the bits of torch."""


class _Weights(NamedTuple):
    """Weights in the layout of oneDNN, and the state of the layer that they were packed from."""

    state: tuple[object, ...]
    weight: Tensor
    bias: Tensor | None


_packed: WeakKeyDictionary[nn.Conv2d, dict[torch.dtype, _Weights]] = WeakKeyDictionary()


def convolve(layer: nn.Conv2d, x: Tensor, *, relu: bool = False) -> Tensor:
    """The output of a convolution of stride 1 that keeps the size, or its ReLU: (N, C, H, W) -> (N, outputs, H, W).

    Under autocast in its type. Fused for pictures that are channels last, on the CPU, where no gradients are wanted.
    """
    exact = layer.out_channels < FEW and computing_type(x) == torch.float32
    if exact or not _fusable(x):
        return _activated(layer(x), relu=relu)
    weights = _weights(layer, computing_type(x), x.shape)
    return _fused(x, weights.weight, weights.bias, layer.kernel_size[0], relu=relu)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor, *, relu: bool = False) -> Tensor:
    """As `convolve`, a 1x1 convolution by `weight` (outputs, C, 1, 1) and `bias` (outputs,)."""
    if not _fusable(x):
        return _activated(functional.conv2d(x, weight, bias), relu=relu)
    return _fused(x, weight.to(computing_type(x)), bias.to(computing_type(x)), 1, relu=relu)


def _fused(x: Tensor, weight: Tensor, bias: Tensor | None, kernel: int, *, relu: bool) -> Tensor:
    pad, activation = [kernel // 2] * 2, "relu" if relu else "none"
    return FUSED(x.to(computing_type(x)), weight, bias, pad, [1, 1], [1, 1], 1, activation, [], "")


def _activated(y: Tensor, *, relu: bool) -> Tensor:
    return functional.relu_(y) if relu else y


def _fusable(x: Tensor) -> bool:
    usable = x.device.type == "cpu" and torch.backends.mkldnn.is_available() and not torch.is_grad_enabled()
    return usable and computing_type(x) in TYPES and x.is_contiguous(memory_format=torch.channels_last)


def computing_type(x: Tensor) -> torch.dtype:
    """The type that convolutions of `x` compute in on the CPU: that of autocast, or its own."""
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") and x.device.type == "cpu" else x.dtype


def _weights(layer: nn.Conv2d, dtype: torch.dtype, shape: torch.Size) -> _Weights:
    """The layer's weights as oneDNN wants them; in inference mode kept, and packed anew when the layer has changed.

    Elsewhere nothing is kept: a training may change weights in ways that their version does not show.
    """
    if not torch.is_inference_mode_enabled():
        return _Weights((), layer.weight.to(dtype), None if layer.bias is None else layer.bias.to(dtype))
    state = (layer.weight.data_ptr(), layer.weight._version, None if layer.bias is None else layer.bias._version)
    kept = _packed.setdefault(layer, {})
    if dtype not in kept or kept[dtype].state != state:
        pad = [side // 2 for side in layer.kernel_size]
        weight = PACKED(layer.weight.detach().to(dtype), pad, [1, 1], [1, 1], 1, list(shape))
        bias = None if layer.bias is None else layer.bias.detach().to(dtype)
        kept[dtype] = _Weights(state, weight, bias)
    return kept[dtype]
