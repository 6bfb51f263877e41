"""The averages of Table I: what the paper prints follows from its columns and the patches of its test pictures."""

import math

import pytest

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.patches import patch_count
from nmflowgan_cli.evaluation.scores import NoiseStatistics, PictureScore
from nmflowgan_cli.evaluation.table1 import PAPER_PATCHES, averages, table1

CAMERAS = ("G4", "GP", "IP", "N6", "S6")
PRINTED = {
    "AWGN": ((0.0672, 0.1136, 0.0559, 0.1467, 0.0836), 0.0856),
    "C2N": ((0.2296, 0.4460, 0.1172, 0.2399, 0.6822), 0.3878),
    "NeCA-W": ((0.0893, 0.0867, 0.0452, 0.0847, 0.0716), 0.0706),
    "sRGBFlow": ((0.0424, 0.0669, 0.0390, 0.0528, 0.0439), 0.0477),
    "NM-FlowGAN": ((0.0389, 0.0259, 0.0164, 0.0407, 0.0334), 0.0283),
    "NeCA-W, paired": ((0.0611, 0.0260, 0.0284, 0.0435, 0.0337), 0.0344),
    "NAFlow, paired": ((0.0186, 0.0681, 0.0129, 0.0423, 0.0164), 0.0286),
}
"""Columns and average as they are printed, with four digits each."""
HETEROSCEDASTIC = ((0.0718, 0.1393, 0.0575, 0.1330, 0.0823), 0.0779)


def _row(columns):
    return averages(dict(zip(CAMERAS, columns, strict=True)), PAPER_PATCHES)


@pytest.mark.parametrize("name", PRINTED)
def test_the_printed_average_is_the_patch_weighted_one(name):
    columns, printed = PRINTED[name]
    row = _row(columns)
    assert row.paper_weighted == pytest.approx(printed, abs=0.0004)
    assert row.patch_weighted == row.paper_weighted
    assert row.plain == pytest.approx(sum(columns) / 5)


def test_one_row_of_the_paper_does_not_follow_from_its_columns():
    columns, printed = HETEROSCEDASTIC
    assert _row(columns).paper_weighted == pytest.approx(0.0902, abs=0.0001)
    assert abs(_row(columns).paper_weighted - printed) > 0.01


def test_the_weights_are_numbers_of_patches_of_the_test_pictures():
    assert sum(PAPER_PATCHES.values()) == 262_406
    sizes = {"G4": (2988, 5312), "GP": (3024, 4048), "IP": (3024, 4032), "N6": (3120, 4208), "S6": (2988, 5328)}
    for camera, size in sizes.items():
        pictures = PAPER_PATCHES[camera] / patch_count((1, *size), 96)
        assert pictures == pytest.approx(round(pictures), rel=0.03)


def _picture(camera, iso, kld, official, patches):
    nothing, unknown = NoiseStatistics(), math.nan
    return PictureScore(
        Condition(camera, iso), patches, kld, official, unknown, unknown, unknown, unknown, unknown, nothing, nothing
    )


def test_a_column_is_the_mean_over_patches_whatever_the_iso():
    row = table1(
        [_picture("IP", 100, 0.1, 0.2, 30), _picture("IP", 800, 0.4, 0.6, 10), _picture("X", 800, 1.0, 2.0, 40)]
    )
    assert row.patches == {"IP": 40, "X": 40}
    assert row.kld.cameras == pytest.approx({"IP": 0.175, "X": 1.0})
    assert row.kld.plain == pytest.approx(row.kld.patch_weighted)
    assert row.kld.paper_weighted == pytest.approx(0.175)
    assert row.kld_official.cameras["IP"] == pytest.approx(0.3)
    assert math.isnan(table1([_picture("X", 800, 1.0, 2.0, 40)]).kld.paper_weighted)
