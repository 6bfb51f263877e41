"""Extension of a model by cameras and ISOs: inputs and tables grow, and what was known stays as it was.

Every input or table row of a new camera or ISO is a mixture of the old ones, so growing is a product with two
matrices: a camera starts as the mean of the known cameras, an ISO between its neighbours in log ISO.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from nmflowgan_cli.conditions import Vocabulary


def merged(before: Vocabulary, added: Vocabulary) -> Vocabulary:
    """Cameras and ISOs of both, those of `before` first; patches are added up."""
    cameras = tuple(dict.fromkeys((*before.cameras, *added.cameras)))
    isos = tuple(dict.fromkeys((*before.isos, *added.isos)))
    trained = {camera: _summed(before.trained.get(camera, {}), added.trained.get(camera, {})) for camera in cameras}
    return Vocabulary(cameras, isos, trained, {**before.names, **added.names})


def camera_mixtures(before: Vocabulary, after: Vocabulary) -> Tensor:
    """(cameras after, cameras before): how much of each known camera one starts with."""
    mean = torch.full((len(before.cameras),), 1 / len(before.cameras))
    known = dict(zip(before.cameras, torch.eye(len(before.cameras)), strict=True))
    return torch.stack([known.get(camera, mean) for camera in after.cameras])


def iso_mixtures(before: Vocabulary, after: Vocabulary) -> Tensor:
    """(ISOs after, ISOs before): one-hot for a known ISO, else linear in log ISO; beyond the ends the last one."""
    return torch.stack([torch.tensor(_iso_weights(iso, before.isos)) for iso in after.isos])


def _iso_weights(iso: int, known: tuple[int, ...]) -> list[float]:
    lower = max((other for other in known if other <= iso), default=min(known))
    upper = min((other for other in known if other >= iso), default=max(known))
    share = math.log(iso / lower) / math.log(upper / lower) if lower < upper else 0.0
    return [(1 - share) * (other == lower) + share * (other == upper) * (lower < upper) for other in known]


def extended_inputs(weight: Tensor, mixtures: tuple[Tensor, ...]) -> Tensor:
    """The weight of a linear layer (outputs, inputs) for groups of inputs that are mixed apart."""
    groups = weight.split([mixture.shape[1] for mixture in mixtures], 1)
    return torch.cat([group @ mixture.T for group, mixture in zip(groups, mixtures, strict=True)], 1)


def extended_table(rows: Tensor, isos: Tensor, cameras: Tensor) -> Tensor:
    """A table of rows for each ISO and camera, ISO-major."""
    table = rows.unflatten(0, (isos.shape[1], cameras.shape[1]))
    return torch.einsum("ji,dc,ick->jdk", isos, cameras, table).flatten(0, 1)


def _summed(first: Mapping[int, int], second: Mapping[int, int]) -> dict[int, int]:
    return {iso: first.get(iso, 0) + second.get(iso, 0) for iso in sorted({*first, *second})}
