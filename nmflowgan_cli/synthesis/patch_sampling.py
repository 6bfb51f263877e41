"""Synthesis of batches of small pictures, each in one piece: for data loaders and trainings."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.models.base import Code, Draws, Fields, NoiseModel, Window, encode, to_counts
from nmflowgan_cli.tiling import Box, canvas, patch_geometry, reflect_indices

PIXELS_AT_ONCE = 2**16
"""Pixels of a batch that go through a model together on the CPU."""


@torch.no_grad()
def sample_whole(model: NoiseModel, clean: Tensor, conditions: Sequence[Condition], keys: Sequence[int]) -> Tensor:
    """Noisy whole counts of a batch of clean counts, both (N, 3, H, W) float32 on the device of `model`.

    `keys`: from `randomness.picture_key`, one a picture; its noise depends on its key, whatever the rest of the batch.
    The CPU and CUDA draw different numbers. Raises ConditionError for a condition that the model does not know.
    """
    height, width = clean.shape[-2:]
    place = canvas(height, width, patch_geometry(model.geometry))
    window = _reflected(clean, place)
    code = encode(model.vocabulary, conditions).to(clean.device)
    rows, columns = Box(0, 0, height, width).slices(place)
    noisy = torch.empty_like(clean)
    for part in _parts(model, window):
        fields = _fields(keys[part], model.draws, place, clean.device)
        inside = Fields(fields.latent[..., rows, columns], fields.uniform[..., rows, columns], fields.whole)
        of_part = Code(*(field[part] for field in code))
        statistics = model.statistics(partial(_only, (clean[part], inside)), of_part)
        noisy[part] = model.sample(window[part], of_part, fields, statistics)[..., rows, columns]
    return to_counts(noisy)


def _parts(model: NoiseModel, window: Tensor) -> list[slice]:
    """The pictures of a batch that go through the model together; on the CPU few enough for the caches."""
    count, _, height, width = window.shape
    step = count
    if window.device.type == "cpu":
        step = max(1, PIXELS_AT_ONCE // (height * width)) if model.batches_keep_bits else 1
    return [slice(start, start + step) for start in range(0, count, step)]


def _only(window: Window) -> list[Window]:
    return [window]


def _reflected(clean: Tensor, place: Box) -> Tensor:
    """The pictures on their canvas, reflected at their borders; channels last."""
    height, width = clean.shape[-2:]
    rows = torch.from_numpy(reflect_indices(place.top, place.bottom, height)).to(clean.device)
    columns = torch.from_numpy(reflect_indices(place.left, place.right, width)).to(clean.device)
    return clean[..., rows[:, None], columns].contiguous(memory_format=torch.channels_last)


def _fields(keys: Sequence[int], draws: Draws, place: Box, device: torch.device) -> Fields:
    """The random numbers of each picture, from a generator of its own; those of pixels channels last."""
    side = (place.height, place.width)
    generators = [torch.Generator(device).manual_seed(key % 2**63) for key in keys]
    latent, uniform, whole = (
        torch.stack([draw(shape, generator=one, device=device) for one in generators])
        for draw, shape in (
            (torch.randn, (draws.latent, *side)),
            (torch.rand, (draws.uniform, *side)),
            (torch.randn, (draws.whole,)),
        )
    )
    return Fields(latent.contiguous(memory_format=torch.channels_last), uniform, whole)
