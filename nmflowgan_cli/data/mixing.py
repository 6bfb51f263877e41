"""Batches of real and simulated pairs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.data.batches import Batch, BatchSource
from nmflowgan_cli.data.patches import PairSource
from nmflowgan_cli.errors import UsageError


class MixedSource:
    """Batches with `share` (0 to 1) of simulated patches, the mean over batches; the simulated ones come first."""

    def __init__(self, simulator: BatchSource, pairs: PairSource, share: float) -> None:
        if not 0 < share < 1:
            raise UsageError(f"--simulate-share {share} mixes nothing", "a number between 0 and 1, like 0.5")
        self.simulator, self.pairs, self.share = simulator, pairs, share

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that may not change when a training is resumed."""
        return {
            **self.pairs.settings,
            "simulate_share": self.share,
            "cameras": list(self.simulator.vocabulary(1).cameras),
        }

    @property
    def parts(self) -> dict[str, Any]:
        """The stateful parts that a checkpoint holds."""
        return self.pairs.parts

    def vocabulary(self, patches: int) -> Vocabulary:
        """The vocabulary of a model that has seen `patches` patches, simulated and real ones together."""
        known = [
            source.vocabulary(round(patches * share))
            for source, share in ((self.simulator, self.share), (self.pairs, 1 - self.share))
        ]
        cameras = tuple(dict.fromkeys(camera for vocabulary in known for camera in vocabulary.cameras))
        isos = tuple(sorted({iso for vocabulary in known for iso in vocabulary.isos}))
        return Vocabulary(cameras, isos, {camera: _sum_of_isos(camera, known) for camera in cameras})

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """`size` patches; the number of simulated ones is rounded up or down at random."""
        simulated = int(size * self.share + rng.random())
        parts = [
            source.batch(count, rng)
            for source, count in ((self.simulator, simulated), (self.pairs, size - simulated))
            if count
        ]
        return _joined(parts) if len(parts) > 1 else parts[0]


def _sum_of_isos(camera: str, known: list[Vocabulary]) -> dict[int, int]:
    isos = sorted({iso for vocabulary in known for iso in vocabulary.trained.get(camera, {})})
    return {iso: sum(vocabulary.trained.get(camera, {}).get(iso, 0) for vocabulary in known) for iso in isos}


def _joined(parts: list[Batch]) -> Batch:
    rounded = [
        torch.zeros(len(part.clean), dtype=torch.bool) if part.rounded is None else part.rounded for part in parts
    ]
    return Batch(
        torch.cat([part.clean for part in parts]),
        torch.cat([part.noisy for part in parts]),
        [condition for part in parts for condition in part.conditions],
        torch.cat([part.phase for part in parts]),
        torch.cat(rounded),
        [name for part in parts for name in part.names],
    )
