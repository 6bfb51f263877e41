"""Laws of the tiles: cores partition, windows hold their context, lie on the grid and in the canvas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.base import Geometry
from nmflowgan_cli.tiling import SMALLEST, Box, canvas, reflect_indices, tile_size, tiles

SIDES = st.integers(1, 300)
GEOMETRIES = st.builds(
    lambda multiple, context, border: Geometry(multiple, context, border * multiple),
    multiple=st.sampled_from([1, 2, 4, 16]),
    context=st.integers(0, 100),
    border=st.integers(0, 7),
)


@given(SIDES, SIDES, GEOMETRIES, st.integers(1, 200))
def test_cores_partition_the_picture(height: int, width: int, geometry: Geometry, tile: int) -> None:
    seen = np.zeros((height, width), int)
    for item in tiles(height, width, geometry, tile):
        seen[item.core.slices(Box(0, 0, height, width))] += 1
    assert (seen == 1).all()


@given(SIDES, SIDES, GEOMETRIES, st.integers(1, 200))
def test_windows_hold_their_context_and_lie_on_the_grid(height: int, width: int, geometry: Geometry, tile: int) -> None:
    whole = canvas(height, width, geometry)
    for item in tiles(height, width, geometry, tile):
        window, core = item.window, item.core
        assert whole.top <= window.top <= core.top < core.bottom <= window.bottom <= whole.bottom
        assert whole.left <= window.left <= core.left < core.right <= window.right <= whole.right
        assert all(edge % geometry.multiple == 0 for edge in window)
        assert window.top <= max(core.top - geometry.context, whole.top)
        assert window.left <= max(core.left - geometry.context, whole.left)
        assert window.bottom >= min(core.bottom + geometry.context, whole.bottom)
        assert window.right >= min(core.right + geometry.context, whole.right)
        assert min(window.height, window.width) >= SMALLEST


@given(SIDES, SIDES, GEOMETRIES)
def test_canvas_holds_the_border(height: int, width: int, geometry: Geometry) -> None:
    whole = canvas(height, width, geometry)
    assert whole.top == whole.left == -geometry.border
    assert whole.bottom >= height + geometry.border
    assert whole.right >= width + geometry.border
    assert tiles(height, width, geometry, 10**6)[0].core == Box(0, 0, height, width)


@given(st.integers(-50, 50), st.integers(0, 100), st.integers(2, 30))
def test_reflection_agrees_with_numpy(start: int, length: int, size: int) -> None:
    before, after = max(-start, 0), max(start + length - size, 0)
    padded = np.pad(np.arange(size), (before, after), "reflect")
    assert (reflect_indices(start, start + length, size) == padded[start + before :][:length]).all()


def test_a_single_row_repeats_itself() -> None:
    assert reflect_indices(-3, 4, 1).tolist() == [0] * 7


def test_tiles_are_rounded_up() -> None:
    assert tile_size(1, Geometry(16, 0, 0)) == SMALLEST
    assert tile_size(100, Geometry(16, 0, 0)) == 112
    with pytest.raises(UsageError, match="tile of 0"):
        tile_size(0, Geometry(1, 0, 0))
