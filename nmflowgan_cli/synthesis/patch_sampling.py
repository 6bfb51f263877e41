"""Synthesis of batches of small pictures, each in one piece: for data loaders and trainings."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.models.base import Fields, NoiseModel, encode, to_counts
from nmflowgan_cli.tiling import Box, canvas, reflect_indices


@torch.no_grad()
def sample_whole(model: NoiseModel, clean: Tensor, conditions: Sequence[Condition], keys: Sequence[int]) -> Tensor:
    """Noisy whole counts of a batch of clean counts, both (N, 3, H, W) float32 on the device of `model`.

    `keys`: from `randomness.picture_key`, one a picture; its noise depends on its key, whatever the rest of the batch.
    The CPU and CUDA draw different numbers. Raises ConditionError for a condition that the model does not know.
    """
    height, width = clean.shape[-2:]
    place = canvas(height, width, model.geometry)
    window, fields = _reflected(clean, place), _fields(keys, place, clean.device)
    code = encode(model.vocabulary, conditions).to(clean.device)
    rows, columns = Box(0, 0, height, width).slices(place)
    inside = Fields(*(field[..., rows, columns] for field in fields))
    statistics = model.statistics(lambda: [(clean, inside)], code)
    noisy = model.sample(window, code, fields, statistics)[..., rows, columns]
    return to_counts(noisy)


def _reflected(clean: Tensor, place: Box) -> Tensor:
    """The pictures on their canvas, reflected at their borders."""
    height, width = clean.shape[-2:]
    rows = torch.from_numpy(reflect_indices(place.top, place.bottom, height)).to(clean.device)
    columns = torch.from_numpy(reflect_indices(place.left, place.right, width)).to(clean.device)
    return clean[..., rows[:, None], columns]


def _fields(keys: Sequence[int], place: Box, device: torch.device) -> Fields:
    """The random fields of each picture, from a generator of its own."""
    shape = (3, place.height, place.width)
    generators = [torch.Generator(device).manual_seed(key % 2**63) for key in keys]
    latent = torch.stack([torch.randn(shape, generator=generator, device=device) for generator in generators])
    uniform = torch.stack([torch.rand(shape, generator=generator, device=device) for generator in generators])
    return Fields(latent, uniform)
