"""Rendering of pictures that were sampled down without smoothing: independent pixels, correlated channels."""

import torch
from torch import Tensor

from nmflowgan_cli.models.base import WHITE
from nmflowgan_cli.models.isp import Capture
from nmflowgan_cli.models.srgb import from_linear
from nmflowgan_cli.profiles.closed_form import Sensor, on_sensor, own


def expose_sampled(linear: Tensor, capture: Capture, normal: Tensor) -> Tensor:
    """Noisy pictures as `isp.expose` would make them, if each pixel came from another place of a larger picture.

    `linear`: (N, 3, H, W) light of the clean pictures in [0, 1]. `normal`: (N, 3, H, W) standard normal. Returns
    float32 counts; noise below black and above white is kept.
    """
    samples = zip(linear, normal, *capture, strict=True)
    return torch.stack([_sample(light, drawn, Sensor(*settings)) for light, drawn, *settings in samples])


def _sample(linear: Tensor, normal: Tensor, sensor: Sensor) -> Tensor:
    double = Sensor(*(field.double() for field in sensor[:7]))  # pyright: ignore[reportArgumentType]
    pixels, drawn = linear.flatten(1).T.double(), normal.flatten(1).T.double()
    mean, variance = on_sensor(pixels, double)
    factor = torch.linalg.cholesky(torch.einsum("nc,cij->nij", variance, own(double)))
    noise = mean @ torch.linalg.inv(double.matrix).T + torch.einsum("nij,nj->ni", factor, drawn)
    return (from_linear(pixels + noise) * WHITE).T.float().view_as(linear)
