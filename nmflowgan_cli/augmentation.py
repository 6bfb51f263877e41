"""Camera noise on the fly: a callable for the data loader of a denoiser's training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.runtime import resolve_device
from nmflowgan_cli.synthesis.condition_choice import choices
from nmflowgan_cli.synthesis.patch_sampling import sample_whole
from nmflowgan_cli.synthesis.weights import find_weights

Pictures = TypeVar("Pictures", NDArray[np.uint8], Tensor)
Wanted = str | int | Sequence[str | int]


class Noisy(NamedTuple):
    """Noisy pictures, and what camera and ISO each of them got."""

    pictures: Any
    conditions: list[Condition]


class AddCameraNoise:
    """Adds the noise of a camera to clean patches, as the weights would in `synthesize`.

    Takes NumPy arrays (H, W, 3) or (N, H, W, 3), uint8 RGB, and tensors (3, H, W) or (N, 3, H, W), uint8 or floating
    point in [0, 1]; returns the same kind, rounded to whole counts and clipped as any picture in a file is. Arrays are
    computed on `device`, tensors where they are. Patches are taken whole, not in tiles.

    `camera`, `iso`: one, several, "random", or for the ISO a range "100-3200"; drawn anew for each picture.

    The noise of a picture depends on `seed`, on a name, and on nothing else in the batch. Without `index` the name is a
    count of the pictures seen; in a worker of a torch DataLoader also the worker's own seed, so workers and epochs
    differ, and runs are alike if torch's seed is (`torch.manual_seed`, or the loader's `generator`). With `index`, the
    name is that index (and `repeat`, say the epoch), so workers and order do not matter. The CPU and CUDA draw
    different numbers. torch's and NumPy's global generators are left alone.

    Where several processes train with one seed of torch's, as under torchrun, give each its own `seed`.

    Weights are loaded at the first call, once a process; what is pickled is only what was asked for. Raises
    WeightsError and ConditionError when made, PictureError when called with something else.

    >>> from nmflowgan_cli import AddCameraNoise
    >>> noise = AddCameraNoise("isp", camera="IP", iso="100-800", seed=1)
    >>> noise(np.full((8, 8, 3), 90, np.uint8), index=5).shape
    (8, 8, 3)
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        camera: Wanted = "random",
        iso: Wanted = "random",
        seed: int = 0,
        device: str = "cpu",
        cache_dir: Path | None = None,
    ) -> None:
        cameras, isos = _texts(camera), _texts(iso)
        self.weights = find_weights(None if weights is None else str(weights), cameras, cache_dir=cache_dir)
        self.seed = seed
        self.device = resolve_device(device)
        self._choices = choices(self.weights.vocabulary, cameras, isos)
        self._models: dict[torch.device, NoiseModel] = {}
        self._seen = 0

    def __call__(self, clean: Pictures, *, index: int | Sequence[int] | None = None, repeat: int = 0) -> Pictures:
        """The noisy pictures. `index`: of the picture in its data set, or of each picture of the batch."""
        return self.with_conditions(clean, index=index, repeat=repeat).pictures

    def with_conditions(self, clean: Any, *, index: int | Sequence[int] | None = None, repeat: int = 0) -> Noisy:
        """The noisy pictures, with the camera and the ISO that each got."""
        batch, single = _batch(clean, self.device)
        names = self._names(len(batch), index)
        conditions = [self._choices.draw(self.seed, name, repeat) for name in names]
        keys = [picture_key(self.seed, name, repeat) for name in names]
        noisy = sample_whole(self._model(batch.device), batch, conditions, keys)
        return Noisy(_like(noisy[0] if single else noisy, clean), conditions)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_models": {}}

    def _model(self, device: torch.device) -> NoiseModel:
        if device not in self._models:
            self._models[device] = self.weights.load().to(device)
        return self._models[device]

    def _names(self, count: int, index: int | Sequence[int] | None) -> list[str]:
        """What the random numbers of each picture are named after."""
        if index is not None:
            indices = [index] if isinstance(index, int) else [int(number) for number in index]
            if len(indices) != count:
                raise PictureError(f"{len(indices)} indices for {count} pictures", "one index a picture")
            return [f"index {number}" for number in indices]
        first, self._seen = self._seen, self._seen + count
        worker = torch.utils.data.get_worker_info()
        place = f"worker {worker.seed}" if worker else "main"
        return [f"{place} {number}" for number in range(first, first + count)]


def _texts(wanted: Wanted) -> list[str]:
    return [str(wanted)] if isinstance(wanted, str | int) else [str(one) for one in wanted]


def _batch(clean: Any, device: torch.device) -> tuple[Tensor, bool]:
    """Counts (N, 3, H, W), float32, and whether `clean` is a single picture."""
    if isinstance(clean, np.ndarray):
        if clean.dtype != np.uint8 or clean.ndim not in (3, 4) or clean.shape[-1] != 3 or clean.size == 0:
            raise PictureError(f"an array of shape {clean.shape} and type {clean.dtype}", "(H, W, 3) uint8, or a batch")
        counts = torch.from_numpy(np.array(clean, order="C")).to(device).movedim(-1, -3).float()
    elif isinstance(clean, Tensor):
        known = clean.dtype == torch.uint8 or clean.is_floating_point()
        if not known or clean.ndim not in (3, 4) or clean.shape[-3] != 3 or clean.numel() == 0:
            raise PictureError(
                f"a tensor of shape {tuple(clean.shape)} and type {clean.dtype}",
                "(3, H, W) uint8 or floating point in [0, 1], or a batch",
            )
        counts = clean.detach().float() if clean.dtype == torch.uint8 else _counts(clean.detach())
    else:
        raise PictureError(f"pictures of type {type(clean).__name__}", "a NumPy array or a torch tensor")
    return (counts[None], True) if counts.ndim == 3 else (counts, False)


def _counts(clean: Tensor) -> Tensor:
    """Values in [0, 1] as counts; what is a whole count but for its last bits becomes one.

    What is outside by less than half a count, as rounding leaves it, is clipped.
    """
    low, high = (value.item() for value in clean.aminmax())
    if not (low > -0.5 / 255 and high < 1 + 0.5 / 255):
        raise PictureError(f"values from {low:g} to {high:g}", "floating point pictures are in [0, 1]")
    counts = (clean.float() * 255).clamp(0, 255)
    whole = counts.round()
    tolerance = 255 * torch.finfo(clean.dtype).eps
    return torch.where((counts - whole).abs() <= tolerance, whole, counts)


def _like(noisy: Tensor, clean: Any) -> Any:
    """Whole counts (..., 3, H, W) as the kind of thing that `clean` is."""
    if isinstance(clean, np.ndarray):
        return np.ascontiguousarray(noisy.to(torch.uint8).movedim(-3, -1).cpu().numpy())
    return noisy.to(clean.dtype) if clean.dtype == torch.uint8 else (noisy / 255).to(clean.dtype)
