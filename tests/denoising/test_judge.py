"""PSNR and SSIM against scikit-image, tiles against the whole, and what judging makes of denoisers."""

import math

import numpy as np
import pytest
from denoisers import awake
from fakes import photograph

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.origin import REAL
from nmflowgan_cli.denoising.judge import Denoiser, PictureResult, Row, denoise, judge, mean, with_gaps
from nmflowgan_cli.denoising.quality import psnr, ssim
from nmflowgan_cli.errors import PictureError, UsageError
from nmflowgan_cli.report.csv_tables import denoising_rows
from nmflowgan_cli.report.denoised_crops import Gathered, strip

IP, S6 = Condition("IP", 100), Condition("S6", 800)


def noisy(clean, std, seed=0):
    noise = np.random.default_rng(seed).normal(0, std, clean.shape)
    return np.rint(clean + noise).clip(0, 255).astype(np.uint8)


class Pair:
    """A pair in memory."""

    scene, split, origin = "", "", REAL

    def __init__(self, name, condition, clean, other):
        self.name, self.condition, self.pictures = name, condition, (clean, other)

    def size(self):
        return 1, *self.pictures[0].shape[:2]

    def load(self):
        return self.pictures


@pytest.mark.parametrize("size", [(7, 7), (7, 40), (151, 66), (300, 20)])
@pytest.mark.parametrize("std", [1.0, 20.0])
def test_psnr_and_ssim_are_those_of_scikit_image(size, std):
    metrics = pytest.importorskip("skimage.metrics")
    clean = photograph(*size)
    other = noisy(clean, std)
    assert psnr(clean, other) == pytest.approx(metrics.peak_signal_noise_ratio(clean, other, data_range=255), abs=1e-9)
    expected = metrics.structural_similarity(clean, other, channel_axis=2, data_range=255)
    assert ssim(clean, other) == pytest.approx(expected, abs=1e-7)


def test_psnr_and_ssim_in_closed_cases():
    grey = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(grey, grey + np.uint8(5)) == pytest.approx(20 * math.log10(255 / 5))
    assert (psnr(grey, grey), ssim(grey, grey)) == (math.inf, 1.0)
    small = (0.01 * 255) ** 2
    assert ssim(grey, grey + np.uint8(5)) == pytest.approx((2 * 100 * 105 + small) / (100**2 + 105**2 + small))
    clean = photograph(40, 50)
    other = noisy(clean, 9)
    assert ssim(clean, other) == ssim(other, clean)
    assert psnr(clean, noisy(clean, 3)) > psnr(clean, other)
    with pytest.raises(PictureError, match="cannot be compared"):
        psnr(grey, grey[1:])
    with pytest.raises(PictureError, match="at least 7x7"):
        ssim(grey[:6], grey[:6])


@pytest.mark.parametrize("size", [(1, 1), (30, 200), (150, 131)])
def test_tiles_equal_the_whole(size):
    """In double precision, where no rounding to counts is undecided."""
    model = awake().double()
    model.forward = lambda window, forward=model.forward: forward(window.double())  # type: ignore[method-assign]
    picture = noisy(photograph(*size), 10)
    whole = denoise(model, picture, tile=1000)
    assert whole.shape == picture.shape
    assert not np.array_equal(whole, picture)
    np.testing.assert_array_equal(denoise(model, picture, tile=64), whole)


def test_judging_takes_every_picture_once_and_names_the_gap_to_the_bound():
    first, second = photograph(60, 70, 1), photograph(64, 50, 2)
    pairs = [
        Pair("a", IP, first, noisy(first, 6)),
        Pair("b", S6, np.stack([second] * 2), np.stack([noisy(second, 3)] * 2)),
    ]
    seen = []
    model = awake()
    denoisers = [Denoiser("d", model, "awgn", 7), Denoiser("best", model, "real", 9)]
    rows = judge(pairs, denoisers, look=lambda *shown: seen.append(shown))
    assert [(row.name, row.noise, row.steps) for row in rows] == [
        ("noisy", "", 0),
        ("d", "awgn", 7),
        ("best", "real", 9),
    ]
    assert [picture.name for picture in rows[0].pictures] == ["a", "b 0", "b 1"]
    assert rows[0].pictures[0].psnr == psnr(first, noisy(first, 6))
    assert rows[0].cameras == ["IP", "S6"]
    assert rows[0].of_camera("S6").psnr.value == rows[0].pictures[1].psnr
    assert rows[1].pgap is not None
    assert rows[1].pgap.value == 0.0
    assert rows[0].pgap is not None
    assert rows[0].pgap.value == pytest.approx(rows[2].psnr.value - rows[0].psnr.value)
    assert [len(shown[3]) for shown in seen] == [2, 2, 2]
    np.testing.assert_array_equal(seen[0][3]["d"], denoise(model, noisy(first, 6)))


def test_without_a_bound_there_is_no_gap_and_two_of_one_name_are_refused():
    clean = photograph(20, 20)
    pairs = [Pair("a", IP, clean, clean)]
    [as_it_was, one] = judge(pairs, [Denoiser("d", awake(), "awgn", 1)])
    assert as_it_was.pgap is one.pgap is None
    with pytest.raises(UsageError, match="one name"):
        judge(pairs, [Denoiser("d", awake(), "awgn", 1)] * 2)


def test_the_gap_is_that_of_the_same_pictures():
    """Its interval is that of the differences: what pictures have in common does not widen it."""

    def row(noise, *values):
        return Row(noise, noise, 1, [PictureResult(str(n), IP, value, 0.9) for n, value in enumerate(values)])

    bound, other = with_gaps([row("real", 30.0, 40.0, 50.0), row("awgn", 29.5, 39.5, 49.5)])
    assert other.pgap == (pytest.approx(0.5), (pytest.approx(0.5), pytest.approx(0.5)))
    assert bound.psnr.interval is not None
    assert bound.psnr.interval[1] - bound.psnr.interval[0] > 5
    assert mean([3.0]) == (3.0, None)


def test_a_strip_shows_crops_of_one_place_side_by_side():
    small = photograph(30, 40)
    made = strip({"clean": small, "noisy  20.00 dB": noisy(small, 9)})
    np.testing.assert_array_equal(made[-9:-69:-2, 8:88:2][::-1], small)


def test_a_page_is_given_one_crop_of_each_wanted_condition():
    clean = photograph(200, 300)
    gathered = Gathered([IP])
    for name, condition in (("a", S6), ("b", IP), ("c", IP)):
        other = noisy(clean, 6)
        gathered(Pair(name, condition, clean, other), clean, other, {"d": clean})
    [example] = gathered.examples
    top, left = example.place
    assert (example.condition, example.pair) == (IP, "b")
    np.testing.assert_array_equal(example.clean, clean[top : top + 128, left : left + 128])
    np.testing.assert_array_equal(example.real, noisy(clean, 6)[top : top + 128, left : left + 128])
    np.testing.assert_array_equal(example.made["d"], example.clean)
    assert example.clean.base is None


def test_rows_of_a_table_are_pictures_cameras_and_their_mean():
    def row(name, *values):
        places = zip("abc", (IP, IP, S6), values, strict=True)
        return Row(name, name, 3, [PictureResult(picture, place, value, 0.5) for picture, place, value in places])

    told = denoising_rows(with_gaps([row("awgn", 29.0, 30.0, 40.0), row("real", 30.0, 32.0, 40.5)]))
    assert [(each["denoiser"], each["picture"] or each["camera"]) for each in told] == [
        (name, place) for name in ("awgn", "real") for place in ("a", "b", "c", "IP", "S6", "mean of pictures")
    ]
    assert [each["pgap"] for each in told[:6]] == pytest.approx([1.0, 2.0, 0.5, 1.5, 0.5, 3.5 / 3])
    assert (told[0]["psnr_low"], told[3]["pgap_low"], told[3]["iso"], told[0]["iso"]) == ("", 1.0, "", 100)
    assert told[5]["psnr_low"] < told[5]["psnr"] < told[5]["psnr_high"]
