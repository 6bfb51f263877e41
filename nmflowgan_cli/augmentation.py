"""Camera noise on the fly: a callable for the data loader of a denoiser's training."""

import operator
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import luma
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.runtime import keep_freed_memory, precision_context, resolve_device, resolve_precision
from nmflowgan_cli.synthesis.condition_choice import choices
from nmflowgan_cli.synthesis.noise_choice import NoiseChoice
from nmflowgan_cli.synthesis.patch_sampling import sample_whole

Pictures = TypeVar("Pictures", bound=NDArray[Any] | Tensor)
Wanted = str | int | Sequence[str | int]
Index = SupportsIndex | Iterable[SupportsIndex]

ARRAY_TYPES = (np.uint8, np.float16, np.float32, np.float64)
HALF_A_COUNT = 0.5 / 255


class Noisy(NamedTuple):
    """Noisy pictures, and the camera and ISO of each."""

    pictures: Any
    conditions: list[Condition]


class AddCameraNoise:
    """Adds the noise of a camera to clean patches, as the weights would in `synthesize`.

    Takes NumPy arrays (H, W, 3) RGB, (H, W, 1) or (H, W) grey, or batches (N, H, W, 3) or (N, H, W, 1); and tensors
    (3, H, W) or (1, H, W), or batches (N, 3, H, W) or (N, 1, H, W). Values are uint8, or floating point in [0, 1];
    those outside by less than half a count (0.5 / 255) are clipped. Returns the same shape and type (subclasses of
    Tensor included), rounded to whole counts and clipped as any picture in a file is. Arrays are computed on `device`,
    tensors where they are. Patches are taken whole, not in tiles.

    A grey picture gets the noise of the RGB picture with three channels like it, whose luma (ITU-R BT.601, rounded) is
    returned: as `synthesize` makes grey pictures.

    `profile`: the file of a noise profile; `like`: noisy pictures to estimate one from; either in place of weights.
    `rendered`: "plain" or "camera", of `like` or of a camera by name, as `synthesize` takes it.
    `white_balance`: "R,B", the gains of red and blue for profiles; drawn anew for each picture by default.

    `precision`: "float32", or "fast": bfloat16 where a measurement at the first call finds it faster and the model's
    statistics stay what they are; the noise is then the same on machines of the same kind.

    `camera`, `iso`: one, several, "random", or for the ISO a range "100-3200"; drawn anew for each picture.

    The noise of a picture depends on `seed`, on a name, and on nothing else in the batch. Without `index` the name is a
    count of the pictures seen; in a worker of a torch DataLoader also the worker's own seed, so workers and epochs
    differ, and runs are alike if torch's seed is (`torch.manual_seed`, or the loader's `generator`). With `index`, the
    name is that index (and `repeat`, say the epoch), so workers and order do not matter. The CPU and CUDA draw
    different numbers. torch's and NumPy's global generators are left alone.

    Where several processes train with one seed of torch's, as under torchrun, give each its own `seed`.

    Weights are loaded at the first call, once a process; what is pickled is only what was asked for. Raises
    WeightsError and ConditionError when made, PictureError when called with something else, or with values that are
    not in [0, 1].

    >>> from nmflowgan_cli import AddCameraNoise
    >>> noise = AddCameraNoise("isp", camera="IP", iso="100-800", seed=1)
    >>> noise
    AddCameraNoise('isp', camera='IP', iso='100-800', seed=1)
    >>> noise(np.full((8, 8, 3), 90, np.uint8), index=5).shape
    (8, 8, 3)
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        camera: Wanted = "random",
        iso: Wanted = "random",
        profile: str | Path | None = None,
        like: str | Path | Sequence[str | Path] = (),
        rendered: str = "",
        white_balance: str = "",
        seed: int = 0,
        device: str = "cpu",
        precision: str = "fast",
        cache_dir: Path | None = None,
    ) -> None:
        cameras, isos = _texts(camera), _texts(iso)
        self.weights = NoiseChoice(
            weights=None if weights is None else str(weights),
            profile=None if profile is None else Path(profile),
            like=(str(like),) if isinstance(like, str | Path) else tuple(map(str, like)),
            rendered=rendered,
            white_balance=white_balance,
            cache_dir=cache_dir,
        ).find(cameras)
        self.camera, self.iso, self.seed = camera, iso, seed
        self.device, self.precision = resolve_device(device), precision
        resolve_precision(precision, self.device)  # refuses an unknown one
        self._choices = choices(self.weights.vocabulary, cameras, isos)
        self._name = self.weights.name if weights is None else str(weights)
        self._models: dict[torch.device, NoiseModel] = {}
        self._seen = 0

    def __repr__(self) -> str:
        return f"AddCameraNoise({self._name!r}, camera={self.camera!r}, iso={self.iso!r}, seed={self.seed})"

    def __call__(self, clean: Pictures, *, index: Index | None = None, repeat: int = 0) -> Pictures:
        """The noisy pictures. `index`: of the picture in its data set, or of each picture of the batch; any integers
        (of Python, NumPy or torch)."""
        return self.with_conditions(clean, index=index, repeat=repeat).pictures

    def with_conditions(self, clean: Any, *, index: Index | None = None, repeat: int = 0) -> Noisy:
        """The noisy pictures, with the camera and the ISO of each."""
        batch = _batch(clean, self.device)
        names = self._names(len(batch), index)
        conditions = [self._choices.draw(self.seed, name, repeat) for name in names]
        keys = [picture_key(self.seed, name, repeat) for name in names]
        model = self._model(batch.device)
        precision = resolve_precision(self.precision, batch.device, bears_bfloat16=model.bears_bfloat16)
        with torch.inference_mode(), precision_context(precision, batch.device):
            noisy = sample_whole(model, batch.expand(-1, 3, -1, -1), conditions, keys)
        return Noisy(_like(noisy if batch.shape[1] == 3 else _luma(noisy), clean), conditions)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_models": {}}

    def _model(self, device: torch.device) -> NoiseModel:
        if device not in self._models:
            keep_freed_memory()
            self._models[device] = self.weights.load().to(device)
        return self._models[device]

    def _names(self, count: int, index: Index | None) -> list[str]:
        """The names of the random numbers of each picture."""
        if index is not None:
            indices = _indices(index)
            if len(indices) != count:
                raise PictureError(f"{len(indices)} indices for {count} pictures", "one index a picture")
            return [f"index {number}" for number in indices]
        first, self._seen = self._seen, self._seen + count
        worker = torch.utils.data.get_worker_info()
        place = f"worker {worker.seed}" if worker else "main"
        return [f"{place} {number}" for number in range(first, first + count)]


def _texts(wanted: Wanted) -> list[str]:
    return [str(wanted)] if isinstance(wanted, str | int) else [str(one) for one in wanted]


def _indices(index: Any) -> list[int]:
    """One integer or several, as a list; raises PictureError for anything else."""
    single = not isinstance(index, Iterable) or getattr(index, "ndim", 1) == 0
    numbers: Iterable[Any] = [index] if single else index
    try:
        return [operator.index(number) for number in numbers]
    except TypeError:
        raise PictureError(f"index {index!r} is no integer", "an integer for each picture") from None


def _batch(clean: Any, device: torch.device) -> Tensor:
    """Counts (N, 3, H, W) or (N, 1, H, W), float32; raises PictureError for anything that is no picture."""
    if isinstance(clean, np.ndarray):
        pictures = _from_array(clean).to(device).movedim(-1, -3)
    elif isinstance(clean, Tensor):
        pictures = _from_tensor(clean)
    else:
        raise PictureError(f"pictures of type {type(clean).__name__}", "a NumPy array or a torch tensor")
    counts = pictures.float() if pictures.dtype == torch.uint8 else _counts(pictures)
    return counts[None] if counts.ndim == 3 else counts


def _from_array(clean: NDArray[Any]) -> Tensor:
    """(.., H, W, C) of any permitted array."""
    channels = clean.shape[-1] if clean.ndim in (3, 4) else int(clean.ndim == 2)
    if clean.dtype not in ARRAY_TYPES or channels not in (1, 3) or clean.size == 0:
        raise PictureError(
            f"an array of shape {clean.shape} and type {clean.dtype}",
            "(H, W, 3), (H, W, 1) or (H, W), uint8 or floating point in [0, 1], or a batch (N, H, W, C)",
        )
    pictures = torch.from_numpy(np.array(clean, order="C"))
    return pictures[..., None] if clean.ndim == 2 else pictures


def _from_tensor(clean: Tensor) -> Tensor:
    """(.., C, H, W) of any permitted tensor, without its gradients and its subclass."""
    known = clean.dtype == torch.uint8 or clean.is_floating_point()
    if not known or clean.ndim not in (3, 4) or clean.shape[-3] not in (1, 3) or clean.numel() == 0:
        raise PictureError(
            f"a tensor of shape {tuple(clean.shape)} and type {clean.dtype}",
            "(3, H, W) or (1, H, W), uint8 or floating point in [0, 1], or a batch",
        )
    return clean.detach().as_subclass(Tensor)


def _counts(clean: Tensor) -> Tensor:
    """Values in [0, 1] as counts; what is a whole count but for its last bits becomes one."""
    low, high = (extreme.item() for extreme in clean.aminmax())
    if not (low > -HALF_A_COUNT and high < 1 + HALF_A_COUNT):
        raise PictureError(f"values from {low:g} to {high:g}", "floating point pictures are in [0, 1]")
    counts = clean.float().clamp(0, 1) * 255
    whole = counts.round()
    tolerance = 255 * torch.finfo(clean.dtype).eps
    return torch.where((counts - whole).abs() <= tolerance, whole, counts)


def _luma(noisy: Tensor) -> Tensor:
    """Luma (N, 1, H, W) of whole counts (N, 3, H, W)."""
    count, _, height, width = noisy.shape
    rgb = noisy.to(torch.uint8).movedim(1, -1).reshape(count * height, width, 3)
    return torch.from_numpy(luma(rgb.cpu().numpy())).to(noisy).reshape(count, 1, height, width)


def _like(noisy: Tensor, clean: Any) -> Any:
    """Whole counts (N, C, H, W) as the kind of thing that `clean` is."""
    if isinstance(clean, np.ndarray):
        values = noisy if clean.dtype == np.uint8 else noisy / 255
        return np.ascontiguousarray(values.movedim(-3, -1).cpu().numpy(), clean.dtype).reshape(clean.shape)
    values = noisy if clean.dtype == torch.uint8 else noisy / 255
    return _wrapped(values.to(clean.dtype).reshape(clean.shape), clean)


def _wrapped(tensor: Tensor, like: Tensor) -> Tensor:
    """The tensor in the subclass of `like`, say torchvision's Image, with the attributes that `like` has."""
    if type(like) in (Tensor, torch.nn.Parameter):
        return tensor
    wrapped = tensor.as_subclass(type(like))
    vars(wrapped).update(vars(like))
    return wrapped
