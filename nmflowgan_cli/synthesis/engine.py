"""Synthesis of one picture by a noise model, tile by tile.

The tiles see the same clean pixels, the same random fields and the same surroundings as the untiled
picture would, so the result does not depend on the size of the tiles or on how many go together.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmflowgan_cli import interruption, runtime, tiling
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import NmflowganError, OutOfMemoryError, PictureError
from nmflowgan_cli.imaging import PER_COUNT, Pixels, depth_of
from nmflowgan_cli.models.base import Code, Fields, Geometry, NoiseModel, Window, encode, to_bytes, to_deep
from nmflowgan_cli.randomness import PictureFields
from nmflowgan_cli.runtime import precision_context, resolve_precision

Pixel = TypeVar("Pixel", np.uint8, np.uint16, np.float32)

DEFAULT_TILES = {"cpu": (256, 1), "cuda": (1024, 4)}
"""Tile and batch by kind of device. On the CPU small tiles stay in the caches, and keep several lanes busy."""
WIDE_CONTEXT = 64
"""Models that see farther get tiles of twice the side on the CPU: else windows are mostly surroundings."""
STATISTICS_TILE = 256
"""Whole-picture statistics are summed over windows of this size whatever the tile, so that their last bit stays."""


@dataclass(frozen=True)
class _Source:
    """A picture and its random planes, cut into windows."""

    rgb: Pixels
    fields: PictureFields
    device: torch.device

    def window(self, boxes: list[tiling.Box]) -> Window:
        """Clean counts and fields of boxes of one shape, (N, 3, H, W) float32 on the device."""
        planes = (self.fields.latent, self.fields.uniform)
        latent, uniform = (
            np.stack([plane(box.top, box.left, box.height, box.width) for box in boxes]) for plane in planes
        )
        whole = torch.from_numpy(self.fields.whole()).to(self.device).expand(len(boxes), -1)
        clean = np.stack([self._clean(box) for box in boxes])
        return self._tensor(clean), Fields(self._tensor(latent), self._tensor(uniform), whole)

    def _clean(self, box: tiling.Box) -> NDArray[Any]:
        """Counts (3, H, W), with fractions where the picture has 16 bits a channel."""
        height, width, _ = self.rgb.shape
        rows = tiling.reflect_indices(box.top, box.bottom, height)
        columns = tiling.reflect_indices(box.left, box.right, width)
        window = self.rgb[np.ix_(rows, columns)].transpose(2, 0, 1)
        return window if depth_of(self.rgb) == 8 else window.astype(np.float32) / PER_COUNT

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        # Channels last: convolutions then give the same bits wherever a pixel lies in its window, and run faster.
        return torch.from_numpy(array).to(self.device, torch.float32).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class _Run:
    """The common settings of a picture's tiles."""

    model: NoiseModel
    source: _Source
    code: Code
    precision: str
    lanes: Executor
    progress: Callable[[float], None]

    def on_lane(self, work: Callable[..., Any], *arguments: object) -> Future[Any]:
        """`work` on a lane, without gradients and in the precision asked for: both are settings of a thread."""

        def task() -> Any:
            with torch.inference_mode(), precision_context(self.precision, self.source.device):
                return work(*arguments)

        return self.lanes.submit(task)


def synthesize(
    model: NoiseModel,
    rgb: Pixels,
    condition: Condition,
    key: int,
    *,
    tile: int | None = None,
    batch: int | None = None,
    device: torch.device | str = "cpu",
    precision: str = "auto",
    lanes: Executor | None = None,
    progress: Callable[[float], None] = lambda share: None,
    dtype: type[Pixel] = np.uint8,
) -> NDArray[Pixel]:
    """The noisy picture: (H, W, 3) RGB, uint8 or uint16, rounded half up once and clipped; float32 counts are neither.

    `rgb`: the clean picture, (H, W, 3) RGB, uint8 or uint16 (65535 is count 255), any size from 1x1.
    `key`: from `randomness.picture_key`.
    `tile`: side of the tiles in pixels, `batch`: tiles that go together on CUDA; both bound the memory and change
    nothing else. On the CPU tiles go one by one: the last bit of a linear layer depends there on the batch.
    Where memory runs out, both are halved, down to single tiles of 64 pixels. `model` must be on `device`.
    `lanes`: of `runtime.lanes`, if several pictures share them. `progress` is called with the done share, in [0, 1].
    Raises ConditionError for a condition that the model was not trained on, OutOfMemoryError.
    """
    if rgb.dtype not in (np.uint8, np.uint16) or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise PictureError(
            f"a picture of shape {rgb.shape} and type {rgb.dtype}", "(H, W, 3) uint8 or uint16 is needed"
        )
    device = torch.device(device)
    usual_tile, usual_batch = DEFAULT_TILES[device.type]
    if device.type == "cpu" and model.geometry.context > WIDE_CONTEXT:
        usual_tile *= 2
    code = encode(model.vocabulary, [condition]).to(device)
    precision = resolve_precision(precision, device, bears_bfloat16=model.bears_bfloat16)
    source = _Source(rgb, PictureFields(key, model.draws), device)
    with nullcontext(lanes) if lanes else runtime.lanes(device) as shared, runtime.reproducible():
        run = _Run(model, source, code, precision, shared, progress)
        for tile_now, batch_now in _settings(tile or usual_tile, batch or usual_batch, device):
            noisy = _attempt(run, tile_now, batch_now, dtype)
            if noisy is not None:
                return noisy
    raise OutOfMemoryError(
        f"out of memory on {device} with tiles of {tiling.SMALLEST} pixels", "free memory, or use --device cpu"
    )


def _settings(tile: int, batch: int, device: torch.device) -> Iterator[tuple[int, int]]:
    """(tile, batch), backing off to (SMALLEST, 1); the CPU takes no batches."""
    batch = batch if device.type == "cuda" else 1
    while batch > 1:
        yield tile, batch
        batch //= 2
    while tile > tiling.SMALLEST:
        yield tile, 1
        tile //= 2
    yield min(tile, tiling.SMALLEST), 1


def _attempt(run: _Run, tile: int, batch: int, dtype: type[Pixel]) -> NDArray[Pixel] | None:
    """The noisy picture, or None where memory ran out (returned, so that the failed tensors are let go)."""
    try:
        return _sampled(run, tile, batch, dtype)
    except (MemoryError, torch.OutOfMemoryError):
        pass
    except RuntimeError as error:  # what torch's CPU allocator raises
        if "not enough memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
    if run.source.device.type == "cuda":
        torch.cuda.empty_cache()
    return None


def _sampled(run: _Run, tile: int, batch: int, dtype: type[Pixel]) -> NDArray[Pixel]:
    """The noisy picture from tiles that the lanes make in any order."""
    height, width, _ = run.source.rgb.shape
    noisy, done = np.empty(run.source.rgb.shape, dtype), 0
    statistics = interruption.result(run.on_lane(run.model.statistics, lambda: _whole(run.source), run.code))
    groups = _batches(tiling.tiles(height, width, run.model.geometry, tile), batch)
    pending = [run.on_lane(_make, run, group, statistics, noisy) for group in groups]
    try:
        for future in pending:
            done += interruption.result(future)
            run.progress(done / (height * width))
    finally:
        begun = [future for future in pending if not future.cancel()]
        if not interruption.asked():
            wait(begun)  # nothing writes to `noisy` after this
    return noisy


def _make(run: _Run, group: list[tiling.Tile], statistics: Any, noisy: NDArray[Any]) -> int:
    """Sample tiles and put their cores into `noisy`, rounded where it holds integers; the number of pixels made."""
    clean, fields = run.source.window([item.window for item in group])
    codes = Code(*(field.expand(len(group), *field.shape[1:]) for field in run.code))
    sample = run.model.sample_deep if noisy.dtype == np.uint16 else run.model.sample
    counts = sample(clean, codes, fields, statistics)
    if not torch.isfinite(counts).all():
        raise NmflowganError("the model gave values that are not numbers", "use --precision float32")
    whole = tiling.Box(0, 0, *noisy.shape[:2])
    for item, result in zip(group, counts, strict=True):
        rows, columns = item.core.slices(item.window)
        core = result[:, rows, columns].permute(1, 2, 0)
        noisy[item.core.slices(whole)] = _STORED[noisy.dtype.type](core).cpu().numpy()
    return sum(item.core.height * item.core.width for item in group)


_STORED: dict[Any, Callable[[Tensor], Tensor]] = {np.uint8: to_bytes, np.uint16: to_deep, np.float32: Tensor.float}
"""From float counts to pixels of a type."""


def _whole(source: _Source) -> Iterator[Window]:
    """The picture, once, in windows without gap or overlap."""
    height, width, _ = source.rgb.shape
    for item in tiling.tiles(height, width, Geometry(multiple=1, context=0, border=0), STATISTICS_TILE):
        yield source.window([item.core])


def _batches(tiles: list[tiling.Tile], batch: int) -> Iterator[list[tiling.Tile]]:
    """Groups of at most `batch` tiles with windows of one shape."""

    def shape(item: tiling.Tile) -> tuple[int, int]:
        return item.window.height, item.window.width

    for _, same in groupby(sorted(tiles, key=shape), shape):
        group = list(same)
        for start in range(0, len(group), batch):
            yield group[start : start + batch]
