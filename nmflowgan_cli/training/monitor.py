"""The monitor of a training: validation, the best weights so far, picture grids, TensorBoard, and the clock."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from nmflowgan_cli.checkpoints.format import Header, save_weights
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.files import write_error
from nmflowgan_cli.imaging import Picture, write
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.training.learner import Learner, Metrics
from nmflowgan_cli.training.validation import Validation

BEST = "best.safetensors"
GRIDS = "grids"
ROWS = 4
AMPLIFIED = 4


class Monitor:
    """Validates now and then, keeps the best weights, writes a grid of pictures, and counts the seconds.

    The best count from half of the last stage on: before, noise may have the right histogram and no correlation,
    to which the KLD is blind. It draws no random number of the training's.
    """

    def __init__(
        self,
        learner: Learner,
        header: Header,
        run: Path,
        *,
        steps: int,
        validation: Validation | None = None,
        every: int = 500,
    ) -> None:
        self.learner, self.header, self.run = learner, header, run
        self.steps, self.validation, self.every = steps, validation, every
        self.best: Metrics = {}
        self.last: Metrics = {}
        self._fake: Tensor | None = None
        self._seconds_before, self._began = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the training has run, in all of its parts."""
        return self._seconds_before + time.monotonic() - self._began

    def __call__(self, step: int) -> Metrics:
        """The scores after `step` steps, where it is time for them; else nothing. Writes nothing, see `write`."""
        if self.validation is None or (step % self.every and step != self.steps):
            return {}
        self._fake = self._made(self.validation)
        scores = self.validation.scores(self._fake)
        self.last = {"step": step, **scores}
        if self._is_best(step):
            self.best = self.last
        return scores

    def write(self) -> None:
        """Write the weights of the last validation, where they are the best, and its grid of pictures.

        Raises TrainingError, PictureError or DiskError.
        """
        if self.validation is None or self._fake is None:
            return
        if self.best == self.last:
            with self.learner.exported() as model:
                save_weights(self.run / BEST, model.state_dict(), self.described(self.best), TrainingError)
        write_grid(self._grid, self.validation, self._fake)
        self._fake = None

    def make_up(self, step: int) -> None:
        """Write what a training that stopped right after saving `step` steps had not written; `write` ends with it."""
        if self.validation is not None and self.last.get("step") == step and not self._grid.exists():
            self._fake = self._made(self.validation)
            self.write()

    @property
    def _grid(self) -> Path:
        return self.run / GRIDS / f"{self.last['step']:07}.png"

    def _made(self, validation: Validation) -> Tensor:
        with self.learner.exported() as model:
            return validation.synthesize(cast(NoiseModel, model), next(model.parameters()).device)

    def described(self, scores: Metrics) -> Header:
        """The header of weights with these scores."""
        if self.validation is None or not scores:
            return self.header
        return replace(self.header, metrics={"validation": {**scores, "on": self.validation.kind}})

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "last": self.last, "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.last, self._seconds_before = state["best"], state["last"], state["seconds"]

    def _is_best(self, step: int) -> bool:
        counts = 2 * step >= self.learner.judged_from + self.steps
        return counts and self.last["val_kld"] < self.best.get("val_kld", float("inf"))


def write_grid(path: Path, validation: Validation, fake: Tensor) -> None:
    """A row a pair: clean, real, synthetic, and the noise of both, amplified about grey."""
    rows: list[Tensor] = []
    for clean, noisy, made in zip(validation.clean[:ROWS], validation.noisy, fake, strict=False):
        noise = [128 + AMPLIFIED * (picture - clean) for picture in (noisy, made)]
        rows.append(torch.cat([clean, noisy, made, *noise], 2))
    pixels = torch.cat(rows, 1).round().clamp(0, 255).permute(1, 2, 0).numpy().astype(np.uint8)
    write(path, Picture(pixels), "PNG")


def require_tensorboard() -> None:
    """Raise UsageError where the extra is not installed."""
    if find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs the package tensorboard", "pip install tensorboard")


@contextmanager
def board(run: Path, *, wanted: bool) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """A function that shows the metrics of a step in TensorBoard (`tensorboard --logdir RUN`), if that is wanted."""
    if not wanted:
        yield lambda _step, _metrics: None
        return
    require_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    try:
        with SummaryWriter(str(run / "tensorboard")) as writer:

            def show(step: int, metrics: Mapping[str, float]) -> None:
                for name, value in metrics.items():
                    writer.add_scalar(name, value, step)

            yield show
    except OSError as error:  # its thread writes; all other files of a training have errors of their own
        raise write_error(run / "tensorboard", error, TrainingError) from None
