"""Training batches: clean and noisy patches with their conditions, and the interface of their sources."""

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
    """Names of the pairs of the real patches."""


class BatchSource(Protocol):
    """A source of training batches."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that may not change when a training is resumed."""
        ...

    @property
    def parts(self) -> dict[str, Any]:
        """The stateful parts that a checkpoint holds, by name: objects with `state_dict` and `load_state_dict`."""
        ...

    def vocabulary(self, patches: int) -> Vocabulary:
        """The vocabulary of a model that has seen `patches` patches."""
        ...

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """`size` patches, by `rng` alone and what `parts` remember."""
        ...
