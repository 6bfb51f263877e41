"""The averages of Table I: what the paper prints follows from its columns and the patches of its test pictures."""

import math

import pytest

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.patches import patch_count
from nmflowgan_cli.evaluation.scores import NoiseStatistics, PictureScore
from nmflowgan_cli.evaluation.table1 import PAPER_PATCHES, PRINTED, averages, table1


def _row(columns):
    return averages(dict(zip(PAPER_PATCHES, columns, strict=True)), PAPER_PATCHES)


@pytest.mark.parametrize("name", [name for name in PRINTED if name != "heteroscedastic"])
def test_the_printed_average_is_the_patch_weighted_one(name):
    columns, printed = PRINTED[name]
    row = _row(columns)
    assert row.paper_weighted == pytest.approx(printed, abs=0.0004)
    assert row.patch_weighted == row.paper_weighted
    assert row.plain == pytest.approx(sum(columns) / 5)


def test_one_row_of_the_paper_does_not_follow_from_its_columns():
    columns, printed = PRINTED["heteroscedastic"]
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
