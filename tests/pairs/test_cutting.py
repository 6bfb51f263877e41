"""Patches: every pixel is in one, none reaches beyond the picture, flat ones can be left out."""

import numpy as np
import pytest
from fakes import photograph
from hypothesis import given
from hypothesis import strategies as st

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.pairs.cutting import cut, detail, detailed, patches, starts
from nmflowgan_cli.tiling import Box


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_patches_cover_the_picture_and_stay_inside(height: int, width: int, patch: int, step: int) -> None:
    boxes = patches(height, width, patch, step)
    assert bool(boxes) == (patch <= min(height, width))
    assert len(set(boxes)) == len(boxes)
    assert boxes == sorted(boxes)
    seen = np.zeros((height, width), bool)
    for box in boxes:
        assert (box.height, box.width) == (patch, patch)
        assert box.top >= 0
        assert box.left >= 0
        assert box.bottom <= height
        assert box.right <= width
        seen[box.top : box.bottom, box.left : box.right] = True
    if boxes and step <= patch:
        assert seen.all()


def test_starts_are_those_of_the_official_cropping_once_each() -> None:
    assert starts(256, 96, 48) == [0, 48, 96, 144, 160]
    assert starts(96, 96, 48) == [0]
    assert starts(95, 96, 48) == []
    assert starts(1000, 512, 384) == [0, 384, 488]


def test_without_a_patch_size_the_picture_is_whole() -> None:
    assert patches(7, 5, None) == [Box(0, 0, 7, 5)]
    [whole] = cut(photograph(7, 5), patches(7, 5, None))
    assert np.array_equal(whole, photograph(7, 5))


@pytest.mark.parametrize(("patch", "step"), [(0, 8), (8, 0), (-1, 1)])
def test_impossible_patches(patch: int, step: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        patches(20, 20, patch, step)


def test_detail_is_the_mean_step_between_neighbours() -> None:
    assert detail(np.full((9, 9, 3), 77, np.uint8)) == 0
    assert detail(np.zeros((1, 1, 3), np.uint8)) == 0
    ramp = np.repeat(np.arange(0, 60, 6, dtype=np.uint8)[None, :, None], 3, 2).repeat(10, 0)
    assert detail(ramp) == pytest.approx(3, rel=1e-3)
    assert detail(ramp.transpose(1, 0, 2)) == pytest.approx(3, rel=1e-3)


def test_flat_patches_are_left_out() -> None:
    picture = photograph(40, 60)
    picture[:, :20] = 128
    boxes = patches(40, 60, 20)
    assert [box.left for box in detailed(picture, boxes, 1)] == [20, 40, 20, 40]
    assert detailed(picture, boxes, 0) == boxes
