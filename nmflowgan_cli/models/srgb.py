"""The sRGB transfer curve (IEC 61966-2-1), continued by its own formulas below black and above white.

Continued, it is invertible on all numbers: noise below black keeps its size until the display clips it.
"""

import torch
from torch import Tensor


def to_linear(srgb: Tensor) -> Tensor:
    """Linear light of sRGB values; 0 is black and 1 is white, values outside are allowed."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp_min(0.04) + 0.055) / 1.055) ** 2.4)


def from_linear(linear: Tensor) -> Tensor:
    """The inverse of `to_linear`."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(0.003) ** (1 / 2.4) - 0.055)


def log_slope(srgb: Tensor) -> Tensor:
    """ln of the derivative of `to_linear` at `srgb`."""
    steep = 2.4 / 1.055 * ((srgb.clamp_min(0.04) + 0.055) / 1.055) ** 1.4
    return torch.where(srgb <= 0.04045, torch.full_like(srgb, 1 / 12.92), steep).log()
