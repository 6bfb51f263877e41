"""Validation of a noise model in training, on patches that are the same at every look.

The patches are real pairs that are held out where there are any of known cameras and ISOs; else simulated pairs, whose
exposure and noise training does not draw again, but whose photographs are those of the training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.data.batches import BatchSource
from nmflowgan_cli.data.mixing import MixedSource
from nmflowgan_cli.data.origin import all_real
from nmflowgan_cli.data.simulate import Simulator
from nmflowgan_cli.metrics.noise import ChannelMoments, SpatialCorrelation, kl_divergence
from nmflowgan_cli.models.base import NoiseModel, to_counts
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.patch_sampling import sample_whole
from nmflowgan_cli.training.sources import DataOptions, read_splits

PATCHES = 64
AT_ONCE = 16
SEED = 2312_10112
"""Of all that validation draws, whatever the seed of the training: runs can be compared."""


@dataclass(frozen=True)
class Validation:
    """Pairs of patches on the CPU, whose synthetic noise has keys of its own."""

    clean: Tensor
    """(N, 3, P, P) float32, integer counts."""
    noisy: Tensor
    """(N, 3, P, P) float32, integer counts."""
    conditions: Sequence[Condition]
    kind: str
    """Where the patches come from, in words."""

    def synthesize(self, model: NoiseModel, device: torch.device) -> Tensor:
        """(N, 3, P, P) float32 integer counts of the model, which must be in evaluation mode; on the CPU."""
        keys = [picture_key(SEED, f"validation {number}", 0) for number in range(len(self.clean))]
        parts = [slice(first, first + AT_ONCE) for first in range(0, len(keys), AT_ONCE)]
        made = (sample_whole(model, self.clean[p].to(device), self.conditions[p], keys[p]).cpu() for p in parts)
        return torch.cat(list(made))

    def scores(self, fake: Tensor) -> dict[str, float]:
        """KLD of patches (width 4), ratio of standard deviations, difference of the correlation at 1 pixel."""
        real, made = (self._noise(noisy) for noisy in (self.noisy, fake))
        kld = kl_divergence(real.reshape(len(real), -1), made.reshape(len(made), -1)).mean()
        (std, lag), (made_std, made_lag) = _strength_and_lag(real), _strength_and_lag(made)
        return {"val_kld": float(kld), "val_std_ratio": made_std / max(std, 1e-9), "val_lag1": made_lag - lag}

    def _noise(self, noisy: Tensor) -> np.ndarray:
        return (noisy - self.clean).permute(0, 2, 3, 1).numpy().astype(np.int16)


def validation_set(data: DataOptions, source: BatchSource, vocabulary: Vocabulary, patch: int) -> Validation | None:
    """What a training on `source` is validated by; None where nothing held out is known to `vocabulary`."""
    held_out = [pair for pair in read_splits(data)["val"] if vocabulary.knows(pair.condition)]
    if held_out:
        kind = "held-out real pairs" if all_real(held_out) else "held-out pairs"
        return draw(data.pair_source(held_out, patch), patch, kind)
    simulator = source.simulator if isinstance(source, MixedSource) else source
    return draw(simulator, patch, "simulated pairs") if isinstance(simulator, Simulator) else None


def draw(source: BatchSource, patch: int, kind: str, *, patches: int = PATCHES) -> Validation:
    """The same patches of `source` at every call; torch's generator is left alone."""
    batch = source.batch(patches, np.random.default_rng(SEED))
    noisy = to_counts(batch.noisy)
    kind = f"{len(noisy)} patches of {patch}x{patch} from {kind}"
    return Validation(batch.clean, noisy, batch.conditions, kind)


def _strength_and_lag(noise: np.ndarray) -> tuple[float, float]:
    moments, correlation = ChannelMoments(), SpatialCorrelation(1)
    for patch in noise:
        moments.add(patch)
        correlation.add(patch)
    return moments.std(), float(np.nan_to_num(correlation.lags(1))[0])
