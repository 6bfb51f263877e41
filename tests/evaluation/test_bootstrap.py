"""Intervals: resampling sums is resampling pictures, and intervals hold what they should."""

import math
from dataclasses import replace

import numpy as np
import pytest

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.bootstrap import POOLED_RESAMPLES, RESAMPLES, combined, intervals, resampled
from nmflowgan_cli.evaluation.scores import (
    JUDGED,
    NoiseStatistics,
    PictureScore,
    cell_scores,
    divergences,
    pooled,
    weighted_mean,
)

IP, S6 = Condition("IP", 100), Condition("S6", 800)


def _statistics(seed, std, side=40):
    random = np.random.default_rng(seed)
    clean = random.integers(0, 64, (side, side, 3)).astype(np.uint8)
    statistics = NoiseStatistics()
    statistics.add(clean, np.rint(random.normal(0, std, clean.shape)).astype(np.int16))
    return statistics


def _score(seed, condition=IP, std=5.0):
    random = np.random.default_rng(seed)
    values = random.uniform(0.01, 0.1, 7)
    return PictureScore(condition, seed + 1, *values, _statistics(seed, std), _statistics(100 + seed, std * 1.2))


def _merged(statistics):
    whole = NoiseStatistics()
    for one in statistics:
        whole.merge(one)
    return whole


def test_a_stack_of_weighted_sums_scores_as_repeated_pictures_do():
    scores = [_score(seed) for seed in range(3)]
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0]])
    real, fake = (combined([getattr(score, side) for score in scores], weights) for side in ("real", "fake"))
    stacked = pooled(real, fake)
    for row, chosen in enumerate(([0, 1, 2], [0, 0, 2])):
        mine = [scores[index] for index in chosen]
        expected = pooled(_merged(score.real for score in mine), _merged(score.fake for score in mine))
        for name, value in expected.items():
            assert stacked[name].shape == (2,)
            assert stacked[name][row] == pytest.approx(float(value), rel=1e-9), name


def test_means_of_patches_and_of_pictures():
    one, two = _score(1), replace(_score(2), pictures=4, nll=math.nan)
    means = divergences([one, two], np.array([[1.0, 1.0], [3.0, 1.0]]))
    assert means["kld"] == pytest.approx([(2 * one.kld + 3 * two.kld) / 5, (6 * one.kld + 3 * two.kld) / 9])
    assert means["akld"] == pytest.approx([(one.akld + 4 * two.akld) / 5, (3 * one.akld + 4 * two.akld) / 7])
    assert means["nll"] == pytest.approx(one.nll)


def test_weighted_means_of_unknown_and_infinite_values():
    values = np.array([1.0, math.nan, math.inf])
    weights = np.array([[1.0, 5.0, 0.0], [0.0, 5.0, 0.0], [1.0, 0.0, 1.0]])
    np.testing.assert_array_equal(weighted_mean(values, weights), [1.0, math.nan, math.inf])


def test_every_number_has_an_interval_around_it_that_pooling_does_not_change():
    scores = [_score(seed, std=4 + seed % 3) for seed in range(12)]
    drawn = resampled(scores, [IP], 0)[IP]
    assert drawn["kld"].shape == (RESAMPLES,)
    assert drawn["spatial"].shape == (POOLED_RESAMPLES,)
    found = intervals(drawn, len(scores))
    assert tuple(found) == JUDGED
    whole = cell_scores(scores, _merged(s.real for s in scores), _merged(s.fake for s in scores))
    for name in ("kld", "akld", "std_ratio", "std_error", "std_curve"):
        low, high = found[name]
        assert low < getattr(whole, name) < high, name
    assert resampled(scores, [IP], 0)[IP]["kld"].tolist() == drawn["kld"].tolist()
    assert resampled(scores, [IP], 1)[IP]["kld"].tolist() != drawn["kld"].tolist()


def test_a_draw_without_a_cell_knows_nothing_of_it():
    scores = [_score(seed) for seed in range(4)] + [_score(5, S6)]
    drawn = resampled(scores, [IP, S6], 0)
    missing = np.isnan(drawn[S6]["kld"]).mean()
    assert missing == pytest.approx((4 / 5) ** 5, abs=0.05)
    assert np.isnan(drawn[S6]["std_ratio"]).any()
    assert intervals(drawn[S6], 1) == {}
