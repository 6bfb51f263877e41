"""The noise that a denoiser learns from: the real one, or that of a frozen noise model, drawn anew for every patch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.errors import ConditionError, UsageError
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.models.gaussian import FITS
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.patch_sampling import sample_whole
from nmflowgan_cli.synthesis.weights import Weights, find_weights
from nmflowgan_cli.training.fitting import fitted

REAL = "real"


@dataclass(frozen=True)
class PatchNoise:
    """Makes the noisy patches of a training."""

    name: str
    model: NoiseModel | None
    """In evaluation mode; None for the real noisy patches."""
    sha256: str
    """Of the weights; "" where the noise is real or was fitted on the pairs themselves."""
    keeps_real: bool = False
    """Patches of pairs keep the noise that they have; others get the model's."""

    def noisy(self, batch: Batch, device: torch.device, *, seed: int, step: int) -> tuple[Tensor, Tensor]:
        """Clean and noisy patches, (N, 3, P, P) float32 integer counts on `device`.

        Synthetic noise depends on `seed`, `step` and the place in the batch alone. It is rounded and clipped to 8 bits
        as any picture in a file is; the paper clips it only.
        """
        clean, real = (patches.to(device, memory_format=torch.channels_last) for patches in (batch.clean, batch.noisy))
        if self.model is None:
            return clean, real
        made = self._without(batch)
        if made:
            keys = [picture_key(seed, f"step {step} patch {number}", 0) for number in made]
            conditions = [self.model.vocabulary.stand_in(batch.conditions[number]) for number in made]
            sampled = sample_whole(self.model, clean[made], conditions, keys)
            real = (
                sampled if len(made) == len(clean) else real.index_copy(0, torch.tensor(made, device=device), sampled)
            )
        return clean, real

    def _without(self, batch: Batch) -> list[int]:
        """The patches of a batch that get noise of the model."""
        kept = batch.rounded.tolist() if self.keeps_real and batch.rounded is not None else [False] * len(batch.clean)
        return [number for number, keeps in enumerate(kept) if not keeps]


def open_noise(
    name: str, pairs: Sequence[Paired], device: torch.device, *, cache_dir: Path | None = None, keeps_real: bool = False
) -> PatchNoise:
    """The noise of that name, see `TrainingRequest.noise`; Gaussian models are fitted on `pairs`.

    `keeps_real`: see PatchNoise. Raises WeightsError, PictureError, UsageError where there is nothing to fit on, and
    ConditionError where a model does not know a condition of the pairs that are to get its noise.
    """
    weights = find_noise(name, () if keeps_real else pairs, cache_dir=cache_dir)
    if weights is not None:
        return PatchNoise(weights.name, weights.load().to(device), weights.sha256, keeps_real)
    if name in FITS and not pairs:
        raise UsageError(f"--noise {name} is fitted on pairs", "give DATA, or name weights")
    return PatchNoise(name, None if name == REAL else fitted(name, pairs).to(device), "", keeps_real)


def find_noise(name: str, pairs: Sequence[Paired], *, cache_dir: Path | None = None) -> Weights | None:
    """The weights of a noise, which know all conditions of `pairs`; None where it is real or to be fitted on them.

    Raises WeightsError or ConditionError.
    """
    if name == REAL or name in FITS:
        return None
    weights = find_weights(name, cache_dir=cache_dir)
    for condition in dict.fromkeys(pair.condition for pair in pairs):
        try:
            weights.vocabulary.check(weights.vocabulary.stand_in(condition))
        except ConditionError as error:
            raise ConditionError(f"{name}: {error.message}", error.hint) from None
    return weights
