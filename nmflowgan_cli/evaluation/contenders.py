"""The models that `evaluate` can name: weights, the Gaussian references and the camera simulator."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.pairs import Pair
from nmflowgan_cli.errors import OutOfMemoryError, PictureError, UsageError
from nmflowgan_cli.evaluation.protocol import Bytes, Contender, Draw, Synthesizer
from nmflowgan_cli.models.base import Fields, NoiseModel
from nmflowgan_cli.models.flow import Code
from nmflowgan_cli.models.gaussian import fit_awgn, fit_heteroscedastic, level_moments
from nmflowgan_cli.synthesis import engine, tiling

GAUSSIAN = {"awgn": fit_awgn, "heteroscedastic": fit_heteroscedastic}
SIMULATOR = "isp"


def contenders(
    names: Sequence[str],
    fit_pairs: Sequence[Pair],
    *,
    fit_note: str,
    load: Callable[[str], NoiseModel],
    device: torch.device | str = "cpu",
    unrounded: bool = False,
) -> list[Contender]:
    """The contenders of these names, in their order.

    `fit_pairs`: what the Gaussian references are fitted on, told in their note by `fit_note`. `load`: from the
    name or path of weights to their model. `unrounded`: whether to keep what `kld_official` needs.
    """
    if len(set(names)) < len(names):
        raise UsageError(f"a model is named twice: {', '.join(names)}")
    sums = _sums(fit_pairs) if GAUSSIAN.keys() & set(names) else {}
    entries = []
    for name in names:
        note = fit_note if name in GAUSSIAN else ""
        model = GAUSSIAN[name](sums) if name in GAUSSIAN else _simulator() if name == SIMULATOR else load(name)
        synthesize = _synthesizer(model.to(device), device, unrounded=unrounded)
        entries.append(Contender(name, synthesize, model.vocabulary.check, note))
    return entries


def _simulator() -> NoiseModel:
    from nmflowgan_cli.data.profiles import default_isp

    return default_isp()


def _sums(pairs: Sequence[Pair]) -> Any:
    """The sums for the Gaussian fits over all pairs that can be read; the others are named by the evaluation."""

    def samples() -> Any:
        for pair in pairs:
            try:
                yield pair.condition, *pair.load()
            except PictureError:
                continue

    sums = level_moments(samples())
    if not sums:
        raise PictureError("none of the pairs to fit the Gaussian models on can be read")
    return sums


def _synthesizer(model: NoiseModel, device: torch.device | str, *, unrounded: bool) -> Synthesizer:
    def draw(rgb: Bytes, condition: Condition, key: int) -> Draw:
        if not unrounded:
            return Draw(engine.synthesize(model, rgb, condition, key, device=device))
        recorder = _Recorder(model)
        noisy = engine.synthesize(recorder, rgb, condition, key, device=device, tile=max(rgb.shape))
        return Draw(noisy, recorder.counts(*rgb.shape[:2]))

    return draw


class _Recorder(NoiseModel):
    """A model that remembers what it made before the rounding; for pictures done in a single tile."""

    def __init__(self, model: NoiseModel) -> None:
        self.model = model
        self.vocabulary, self.geometry = model.vocabulary, model.geometry
        self.made: list[Tensor] = []

    def to(self, device: torch.device | str) -> NoiseModel:
        return _Recorder(self.model.to(device))

    def statistics(self, windows: Any, code: Code) -> Any:
        return self.model.statistics(windows, code)

    def sample(self, clean: Tensor, code: Code, fields: Fields, statistics: Any = None) -> Tensor:
        self.made.append(self.model.sample(clean, code, fields, statistics))
        return self.made[-1]

    def counts(self, height: int, width: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(H, W, 3) float32 counts of the picture, without the canvas around it."""
        if len(self.made) != 1:
            raise OutOfMemoryError(f"a picture of {width}x{height} does not fit in one piece", "go without --official")
        [tile] = tiling.tiles(height, width, self.geometry, max(height, width))
        rows, columns = tile.core.slices(tile.window)
        return self.made[0][0, :, rows, columns].permute(1, 2, 0).float().cpu().numpy()


def open_weights(cache_dir: Path | None) -> Callable[[str], NoiseModel]:
    """A loader of weights by name or path, through the cache."""

    def load(name: str) -> NoiseModel:
        from nmflowgan_cli.checkpoints.build import load_model
        from nmflowgan_cli.checkpoints.hub import resolve

        return load_model(resolve(name, cache_dir=cache_dir))

    return load
