"""Convolutions for inference on the CPU: bias, convolution and ReLU in one pass of oneDNN, channels last.

`torch.nn.functional.conv2d` takes a slow path for 1x1 kernels and for pictures that are not channels last: up to four
times as long for the layers of `lite`. Bits are those of torch's own convolution of a contiguous picture.
"""

import torch
from torch import Tensor
from torch.nn import functional

FUSED = torch.ops.mkldnn._convolution_pointwise
TYPES = (torch.float32, torch.bfloat16)
"""Types that the fused convolution computes in."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, relu: bool = False) -> Tensor:
    """A convolution of stride 1 that keeps the size, and the ReLU of it: (N, C, H, W) -> (N, outputs, H, W).

    `weight`: (outputs, C, K, K), K odd. `bias`: (outputs,). Under autocast in its type. Fused for pictures that are
    channels last, on the CPU, where no gradients are wanted.
    """
    pad = weight.shape[-1] // 2
    if not fusable(x):
        y = functional.conv2d(x, weight, bias, padding=pad)
        return functional.relu_(y) if relu else y
    x, weight, bias = (None if tensor is None else tensor.to(_type(x)) for tensor in (x, weight, bias))
    activation = "relu" if relu else "none"
    return FUSED(x, weight, bias, [pad, pad], [1, 1], [1, 1], 1, activation, [], "")


def fusable(x: Tensor) -> bool:
    """Whether `convolve` takes the fused convolution for `x`."""
    usable = x.device.type == "cpu" and torch.backends.mkldnn.is_available() and not torch.is_grad_enabled()
    return usable and _type(x) in TYPES and x.is_contiguous(memory_format=torch.channels_last)


def _type(x: Tensor) -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
