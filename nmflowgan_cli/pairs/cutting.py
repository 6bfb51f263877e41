"""Cutting of a picture into patches, and their detail. Pure geometry and arithmetic."""

from collections.abc import Iterable, Iterator

import numpy as np

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import PER_COUNT, Pixels, depth_of
from nmflowgan_cli.tiling import Box

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def starts(size: int, patch: int, step: int) -> list[int]:
    """First rows (or columns) of patches: every `step`, moved back to the border where they would reach beyond it.

    None where `size` is below `patch`. With `step` up to `patch`, the patches cover everything. Cropping of the
    official prep.py, https://github.com/YoungJooHan/NM-FlowGAN, without the patches that it writes twice.
    """
    if patch < 1 or step < 1:
        raise UsageError(f"patches of {patch} pixels every {step} pixels", "both must be at least 1")
    if size < patch:
        return []
    return sorted({min(start, size - patch) for start in range(0, size, step)})


def patches(height: int, width: int, patch: int | None, step: int | None = None) -> list[Box]:
    """The patches of a picture in reading order, squares with sides of `patch` pixels; the whole picture for None.

    `step`: from one patch to the next; by default `patch`, so that they do not overlap. Empty where none fits.
    """
    if patch is None:
        return [Box(0, 0, height, width)]
    rows, columns = (starts(size, patch, patch if step is None else step) for size in (height, width))
    return [Box(top, left, top + patch, left + patch) for top in rows for left in columns]


def cut(rgb: Pixels, boxes: Iterable[Box]) -> Iterator[Pixels]:
    """The patches `boxes` of a picture (H, W, 3); views of it."""
    for box in boxes:
        yield rgb[box.top : box.bottom, box.left : box.right]


def detail(rgb: Pixels) -> float:
    """The detail of a patch: the mean absolute difference of luma between neighbouring pixels, in counts.

    `rgb`: (H, W, 3) uint8 or uint16. A clear sky has below 1, foliage 10 and more; 0 for a single pixel.
    """
    luma = rgb.astype(np.float32) @ _LUMA / (PER_COUNT if depth_of(rgb) == 16 else 1)
    differences = [np.abs(np.diff(luma, axis=axis)) for axis in (0, 1)]
    pairs = sum(difference.size for difference in differences)
    return float(sum(float(difference.sum()) for difference in differences) / pairs) if pairs else 0.0


def detailed(rgb: Pixels, boxes: Iterable[Box], least: float) -> list[Box]:
    """Those of `boxes` with a `detail` of at least `least`."""
    boxes = list(boxes)
    return [box for box, patch in zip(boxes, cut(rgb, boxes), strict=True) if detail(patch) >= least]
