"""Synthesis of batches of small pictures, each in one piece: for data loaders and trainings."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.models.base import Draws, Fields, NoiseModel, encode, to_counts
from nmflowgan_cli.tiling import Box, canvas, reflect_indices


@torch.no_grad()
def sample_whole(model: NoiseModel, clean: Tensor, conditions: Sequence[Condition], keys: Sequence[int]) -> Tensor:
    """Noisy whole counts of a batch of clean counts, both (N, 3, H, W) float32 on the device of `model`.

    `keys`: from `randomness.picture_key`, one a picture; its noise depends on its key, whatever the rest of the batch.
    The CPU and CUDA draw different numbers. Raises ConditionError for a condition that the model does not know.
    """
    height, width = clean.shape[-2:]
    place = canvas(height, width, model.geometry)
    window, fields = _reflected(clean, place), _fields(keys, model.draws, place, clean.device)
    code = encode(model.vocabulary, conditions).to(clean.device)
    rows, columns = Box(0, 0, height, width).slices(place)
    inside = Fields(fields.latent[..., rows, columns], fields.uniform[..., rows, columns], fields.whole)
    statistics = model.statistics(lambda: [(clean, inside)], code)
    noisy = model.sample(window, code, fields, statistics)[..., rows, columns]
    return to_counts(noisy)


def _reflected(clean: Tensor, place: Box) -> Tensor:
    """The pictures on their canvas, reflected at their borders."""
    height, width = clean.shape[-2:]
    rows = torch.from_numpy(reflect_indices(place.top, place.bottom, height)).to(clean.device)
    columns = torch.from_numpy(reflect_indices(place.left, place.right, width)).to(clean.device)
    return clean[..., rows[:, None], columns]


def _fields(keys: Sequence[int], draws: Draws, place: Box, device: torch.device) -> Fields:
    """The random numbers of each picture, from a generator of its own."""
    side = (place.height, place.width)
    kinds = ((torch.randn, (draws.latent, *side)), (torch.rand, (draws.uniform, *side)), (torch.randn, (draws.whole,)))
    generators = [torch.Generator(device).manual_seed(key % 2**63) for key in keys]
    return Fields(
        *(torch.stack([draw(shape, generator=one, device=device) for one in generators]) for draw, shape in kinds)
    )
