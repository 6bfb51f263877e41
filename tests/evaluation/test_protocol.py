"""The protocol: what weighs how much, and that order and grouping change nothing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.errors import ConditionError, PictureError
from nmflowgan_cli.evaluation.protocol import Candidate, Draw, Protocol, Result
from nmflowgan_cli.evaluation.protocol import evaluate as evaluation

IP, IP_HIGH, S6 = Condition("IP", 100), Condition("IP", 800), Condition("S6", 800)
PROTOCOL = Protocol(patch=32, step=32)


@dataclass(frozen=True)
class GeneratedPair(Pair):
    """A pair that is made rather than read: real noise of a std around grey 128."""

    std: float = 5.0
    side: int = 64

    def load(self):
        if not self.std:
            raise PictureError(f"{self.name} is damaged")
        clean = np.full((self.side, self.side, 3), 128, np.uint8)
        noise = np.random.default_rng(len(self.name)).normal(0, self.std, clean.shape)
        return clean, np.rint(clean + noise).clip(0, 255).astype(np.uint8)


def evaluate(*arguments, **options) -> list[Result]:
    return list(evaluation(*arguments, **options).results)


def _pair(condition, name, std=5.0, side=64):
    path = Path(name)
    return GeneratedPair(path, path, condition, name, "val", name, std=std, side=side)


def _contender(std, name="model", known=(IP, IP_HIGH, S6)):
    def synthesize(rgb, condition, key):
        counts = rgb + np.random.default_rng(key).normal(0, std, rgb.shape).astype(np.float32)
        return Draw(np.floor(counts + 0.5).clip(0, 255).astype(np.uint8), counts)

    def check(condition):
        if condition not in known:
            raise ConditionError(f"{condition} is unknown")

    return Candidate(name, synthesize, check)


def test_all_cells_of_a_camera_and_all_cameras_weigh_the_same():
    pairs = [_pair(IP, "a"), _pair(IP, "ab"), _pair(IP, "abc"), _pair(IP_HIGH, "abcd", 12), _pair(S6, "abcde", 9)]
    [result] = evaluate(pairs, [_contender(5)], PROTOCOL)
    klds = [result.cells[condition].kld for condition in (IP, IP_HIGH, S6)]
    assert result.cameras["IP"].kld == pytest.approx((klds[0] + klds[1]) / 2)
    assert result.mean_of_cameras.kld == pytest.approx((result.cameras["IP"].kld + klds[2]) / 2)
    assert result.mean_of_cells.kld == pytest.approx(sum(klds) / 3)
    assert result.patch_weighted_kld == pytest.approx((3 * klds[0] + klds[1] + klds[2]) / 5)
    assert result.mean_of_cells.pictures == 5
    assert result.mean_of_cells.patches == 20


def test_within_a_cell_every_patch_weighs_the_same():
    large, small = _pair(IP, "a", 5, side=128), _pair(IP, "ab", 12, side=32)
    [both] = evaluate([large, small], [_contender(5)], PROTOCOL)
    [[only_large], [only_small]] = (evaluate([pair], [_contender(5)], PROTOCOL) for pair in (large, small))
    expected = (16 * only_large.mean_of_cells.kld + only_small.mean_of_cells.kld) / 17
    assert both.mean_of_cells.kld == pytest.approx(expected)


def test_neither_order_nor_company_matters():
    pairs = [_pair(IP, "a"), _pair(S6, "ab", 9), _pair(IP, "abc", 6)]
    [alone] = evaluate(pairs, [_contender(5)], PROTOCOL)
    _, together = evaluate(pairs[::-1], [_contender(8, "other"), _contender(5)], PROTOCOL)
    assert together.mean_of_cameras.kld == pytest.approx(alone.mean_of_cameras.kld, rel=1e-12)
    assert together.cells[IP].lags_fake == alone.cells[IP].lags_fake
    assert evaluate(pairs, [_contender(5)], PROTOCOL) == [alone]
    [reseeded] = evaluate(pairs, [_contender(5)], Protocol(patch=32, step=32, seed=1))
    assert reseeded.mean_of_cameras.kld != alone.mean_of_cameras.kld


def test_intervals_hold_the_mean_and_narrow_with_more_pictures():
    names = ["x" * length for length in range(1, 17)]
    widths = []
    for count in (4, 16):
        pairs = [_pair(IP, name, 4 + index % 4) for index, name in enumerate(names[:count])]
        [result] = evaluate(pairs, [_contender(5)], PROTOCOL)
        low, high = result.mean_of_cells.kld_interval
        assert low < result.mean_of_cells.kld < high
        assert result.cameras["IP"].kld_interval == pytest.approx((low, high))
        widths.append(high - low)
    assert widths[1] < 0.7 * widths[0]
    [single] = evaluate(pairs[:1], [_contender(5)], PROTOCOL)
    assert np.isnan(single.mean_of_cells.kld_interval).all()


def test_the_scores_of_known_noise():
    [result] = evaluate([_pair(IP, "a", 6, side=192)], [_contender(9)], Protocol())
    scores = result.cells[IP]
    assert scores.std_ratio == pytest.approx(1.5, abs=0.02)
    assert scores.std_error == pytest.approx(scores.std_ratio - 1)
    assert scores.std_curve == pytest.approx(3, abs=0.1)
    assert scores.mean_curve < 0.1
    assert scores.kld > 0.05
    assert scores.kld_official > scores.kld
    assert scores.akld > 0.1
    assert scores.spatial < 0.02


def test_unknown_conditions_are_refused_or_skipped_and_counted():
    pairs = [_pair(IP, "a"), _pair(S6, "ab")]
    with pytest.raises(ConditionError, match="phone: S6 ISO 800 is unknown"):
        evaluate(pairs, [_contender(5, "phone", (IP,))], PROTOCOL)
    first, second = evaluate(pairs, [_contender(5), _contender(5, "phone", (IP,))], PROTOCOL, skip_unknown=True)
    assert (first.skipped, second.skipped) == (0, 1)
    assert list(second.cells) == [IP]
    assert second.cells[IP] == first.cells[IP]
    assert evaluate(pairs, [_contender(5, known=())], PROTOCOL, skip_unknown=True) == []


def test_a_pair_that_cannot_be_used_is_told_and_left_out():
    pairs = [_pair(IP, "broken", std=0), _pair(IP, "good"), _pair(IP, "tiny", side=31)]
    told = []
    [result] = evaluate(
        pairs, [_contender(5)], PROTOCOL, on_failure=lambda pair, error: told.append((pair.name, str(error)))
    )
    assert [name for name, _ in told] == ["broken", "tiny"]
    assert "31x31" in told[1][1]
    assert result.cells[IP].pictures == 1
    with pytest.raises(PictureError, match="broken is damaged"):
        evaluate(pairs, [_contender(5)], PROTOCOL)


def test_the_noise_of_cells_is_handed_out():
    pairs = [_pair(IP, "a"), _pair(IP, "ab"), _pair(S6, "abc", 9)]
    found = evaluation(pairs, [_contender(5)], PROTOCOL)
    for noise in (found.real, found.results[0].noise):
        assert [noise[cell].histogram.sum() for cell in (IP, S6)] == [2 * 3 * 64 * 64, 3 * 64 * 64]
    values = np.arange(-260, 261)
    histogram = found.real[S6].histogram
    assert (histogram * values).sum() / histogram.sum() == pytest.approx(found.real[S6].channels.mean())
