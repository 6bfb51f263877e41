"""The learner: what the training loop steps, remembers and exports."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from torch import nn

from nmflowgan_cli.data.batches import Batch

Metrics = dict[str, float]


class Stateful(Protocol):
    """An object with a state that a checkpoint can hold."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class Learner(ABC):
    """A model with its losses and optimisers, on its device."""

    model: nn.Module
    """What is exported."""
    compiled: Sequence[nn.Module] = ()
    """The networks that `--compile` compiles."""
    judged_from: int = 0
    """The step from which on validation finds the best weights: before, part of the model has not learnt."""

    @property
    @abstractmethod
    def parts(self) -> dict[str, Stateful]:
        """Everything that a checkpoint must remember, by name."""

    @abstractmethod
    def step(self, batch: Batch, step: int) -> Metrics:
        """One training step, the `step`th from 0, on this process's part of a batch on the device of the model."""

    def finish(self, batch: Callable[[], Batch]) -> None:  # noqa: B027 - most have nothing to do
        """What is left to do after the last step; `batch` draws further batches, on the CPU."""

    @contextmanager
    def exported(self) -> Iterator[nn.Module]:
        """The model as it is exported: in evaluation mode, while the context lasts."""
        modes = {module: module.training for module in self.model.modules()}
        self.model.eval()
        try:
            yield self.model
        finally:
            for module, training in modes.items():
                module.training = training
