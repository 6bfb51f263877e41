"""Tiling of a picture: canvas, windows and reflection. Pure geometry, in pixels of the picture.

The canvas is the picture, extended on every side by the model's border and padded below and to the right
to a multiple; what lies outside of the picture is its reflection. A window is what the model sees at
once; the core is the part of its result that is kept. Cores partition the picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.reflection import reflected

SMALLEST = 64
"""Windows have at least this side: below it the convolution kernels change, and with them the last bit."""


@dataclass(frozen=True)
class Geometry:
    """The constraints of a model on its windows; all in pixels.

    `multiple`: origins and sides of windows are multiples of it.
    `context`: so much of the surroundings must be around a tile for it to equal the untiled result.
    `border`: so far the canvas reaches beyond the picture on every side (reflected clean picture, fresh
    random fields). Where it equals `context`, noise at the picture's edge is as real as anywhere.
    `patch_border`: the border of patches that are made whole, as short as the noise at their edge stays like that
    inside; by default `border`.
    """

    multiple: int
    context: int
    border: int
    patch_border: int | None = None


class Box(NamedTuple):
    """Rows [top, bottom) and columns [left, right), relative to the picture; may be negative."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    def slices(self, origin: "Box") -> tuple[slice, slice]:
        """This box as row and column slices of an array that covers `origin`."""
        return (
            slice(self.top - origin.top, self.bottom - origin.top),
            slice(self.left - origin.left, self.right - origin.left),
        )


@dataclass(frozen=True)
class Tile:
    """A window, the input of the model, and its core, the part of the result that is kept."""

    window: Box
    core: Box


class Span(NamedTuple):
    """An interval [start, stop) of rows or columns."""

    start: int
    stop: int


def canvas(height: int, width: int, geometry: Geometry) -> Box:
    """The picture with its border, its sides padded to the multiple and to SMALLEST."""
    rows, columns = _canvas_span(height, geometry), _canvas_span(width, geometry)
    return Box(rows.start, columns.start, rows.stop, columns.stop)


def patch_geometry(geometry: Geometry) -> Geometry:
    """The geometry with the border of patches."""
    return geometry if geometry.patch_border is None else replace(geometry, border=geometry.patch_border)


def tiles(height: int, width: int, geometry: Geometry, tile: int) -> list[Tile]:
    """The tiles of a picture in reading order; their cores have sides of `tile` rounded by `tile_size`."""
    cut = partial(_spans, geometry=geometry, step=tile_size(tile, geometry))
    return [
        Tile(
            Box(row_window.start, column_window.start, row_window.stop, column_window.stop),
            Box(row_core.start, column_core.start, row_core.stop, column_core.stop),
        )
        for row_window, row_core in cut(height)
        for column_window, column_core in cut(width)
    ]


def tile_size(tile: int, geometry: Geometry) -> int:
    """`tile` rounded up to SMALLEST and to the model's multiple; raises UsageError below 1."""
    if tile < 1:
        raise UsageError(f"a tile of {tile} pixels is too small", f"at least {SMALLEST} is sensible")
    return _round_up(max(tile, SMALLEST), geometry.multiple)


def reflect_indices(start: int, stop: int, size: int) -> NDArray[np.intp]:
    """Indices into `size` rows for the coordinates [start, stop), see `reflected`."""
    return reflected(np.arange(start, stop), size)


def _canvas_span(size: int, geometry: Geometry) -> Span:
    start = -_round_up(geometry.border, geometry.multiple)
    length = max(size + geometry.border - start, SMALLEST)
    return Span(start, start + _round_up(length, geometry.multiple))


def _spans(size: int, *, geometry: Geometry, step: int) -> Iterator[tuple[Span, Span]]:
    """(window, core) of every step along one axis of the picture."""
    whole = _canvas_span(size, geometry)
    for start in range(0, size, step):
        core = Span(start, min(start + step, size))
        low = _round_down(core.start - geometry.context, geometry.multiple)
        high = _round_up(core.stop + geometry.context, geometry.multiple)
        yield _grown(Span(low, high), whole, geometry.multiple), core


def _grown(window: Span, whole: Span, multiple: int) -> Span:
    """`window` within the canvas and, as far as that allows, at least SMALLEST long."""
    start, stop = max(window.start, whole.start), min(window.stop, whole.stop)
    smallest = _round_up(SMALLEST, multiple)
    stop = min(max(stop, start + smallest), whole.stop)
    return Span(max(min(start, stop - smallest), whole.start), stop)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _round_down(value: int, multiple: int) -> int:
    return value // multiple * multiple
