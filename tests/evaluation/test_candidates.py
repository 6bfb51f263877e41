"""Candidates by name: models, fitted references, and the noise before its rounding."""

from pathlib import Path

import numpy as np
import pytest
from fakes import ConvolutionNoise, StatisticalNoise, photograph
from PIL import Image

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.errors import ConditionError, PictureError, UsageError
from nmflowgan_cli.evaluation.candidates import candidates, open_weights
from nmflowgan_cli.imaging import Picture, write
from nmflowgan_cli.synthesis.engine import synthesize

IP = Condition("IP", 400)


@pytest.mark.parametrize("model", [ConvolutionNoise(), StatisticalNoise(), ConvolutionNoise(context=16, border=0)])
@pytest.mark.parametrize("size", [(5, 3), (97, 150)])
def test_the_unrounded_noise_is_that_of_the_picture(model, size):
    clean = photograph(*size)
    [candidate] = candidates(["weights"], [], fit_note="", load=lambda _: model)
    draw = candidate.synthesize(clean, IP, 7)
    assert draw.unrounded is not None
    assert draw.unrounded.shape == clean.shape
    np.testing.assert_array_equal(np.floor(draw.unrounded + 0.5).clip(0, 255), draw.noisy)
    np.testing.assert_array_equal(draw.noisy, synthesize(model, clean, IP, 7, tile=64))


def test_a_candidate_knows_its_conditions():
    [candidate] = candidates(["weights"], [], fit_note="", load=lambda _: ConvolutionNoise())
    candidate.check(IP)
    with pytest.raises(ConditionError, match="S6"):
        candidate.check(Condition("S6", 400))


def test_a_name_may_stand_once():
    with pytest.raises(UsageError, match="named twice"):
        candidates(["a", "a"], [], fit_note="", load=lambda _: ConvolutionNoise())


def test_the_simulator_needs_neither_weights_nor_pairs():
    [simulator] = candidates(["isp"], [], fit_note="", load=open_weights(None))
    clean = photograph(40, 60)
    noisy = simulator.synthesize(clean, Condition("IP", 800), 1).noisy
    assert 1 < (noisy.astype(float) - clean).std() < 30


@pytest.mark.parametrize("name", ["awgn", "heteroscedastic", "oracle"])
def test_pairs_that_nothing_can_be_fitted_on_are_told_with_the_reasons(tmp_path: Path, name: str) -> None:
    small, large, deep = (tmp_path / f"{side}.png" for side in ("small", "large", "deep"))
    write(small, Picture(photograph(8, 8)))
    write(large, Picture(photograph(8, 9)))
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(deep)
    pairs = [Pair(small, noisy, IP, "scene", "train", noisy.name) for noisy in (large, deep, large, large)]
    with pytest.raises(PictureError) as caught:
        candidates([name], pairs, fit_note="", load=lambda _: ConvolutionNoise())
    assert "none of the 4 pairs" in str(caught.value)
    assert f"{small} and {large} differ in size: 8x8 and 9x8" in str(caught.value)
    assert f"{deep} is not supported: 16 bits a channel" in str(caught.value)
    assert str(caught.value).endswith("; ...")
