"""Training batches: clean and noisy patches with their conditions, and the contract of whatever draws them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from nmflowgan_cli.conditions import Condition, Vocabulary

UNKNOWN_PHASE = -1


class Batch(NamedTuple):
    """A batch of pairs on the CPU."""

    clean: Tensor
    """(N, 3, H, W) float32, integer counts."""
    noisy: Tensor
    """(N, 3, H, W) float32 counts; simulated ones are neither rounded nor clipped."""
    conditions: list[Condition]
    phase: Tensor
    """(N,) Bayer phase of the upper left pixel; UNKNOWN_PHASE for real patches."""
    rounded: Tensor | None = None
    """(N,) bool, where the noisy counts are integers (real patches); None where none are."""
    names: Sequence[str] = ()
    """What the real patches are cut from."""


class BatchSource(Protocol):
    """Where a training takes its batches from."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What a resumed training must have in common with the one before."""
        ...

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint must remember, by name: objects with `state_dict` and `load_state_dict`."""
        ...

    def vocabulary(self, patches: int) -> Vocabulary:
        """What a model has seen after `patches` patches."""
        ...

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """`size` patches, by `rng` alone and what `parts` remember."""
        ...
