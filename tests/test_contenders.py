"""What `evaluate` makes of names: models, fitted references, and the noise before its rounding."""

import numpy as np
import pytest
from fakes import ConvolutionNoise, StatisticalNoise, photograph

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError, UsageError
from nmflowgan_cli.evaluation.contenders import contenders
from nmflowgan_cli.synthesis.engine import synthesize

IP = Condition("IP", 400)


@pytest.mark.parametrize("model", [ConvolutionNoise(), StatisticalNoise(), ConvolutionNoise(context=16, border=0)])
@pytest.mark.parametrize("size", [(5, 3), (97, 150)])
def test_the_unrounded_noise_is_that_of_the_picture(model, size):
    clean = photograph(*size)
    [contender] = contenders(["weights"], [], fit_note="", load=lambda _: model)
    draw = contender.synthesize(clean, IP, 7)
    assert draw.unrounded is not None
    assert draw.unrounded.shape == clean.shape
    np.testing.assert_array_equal(np.floor(draw.unrounded + 0.5).clip(0, 255), draw.noisy)
    np.testing.assert_array_equal(draw.noisy, synthesize(model, clean, IP, 7, tile=64))


def test_a_contender_knows_its_conditions():
    [contender] = contenders(["weights"], [], fit_note="", load=lambda _: ConvolutionNoise())
    contender.check(IP)
    with pytest.raises(ConditionError, match="S6"):
        contender.check(Condition("S6", 400))


def test_a_name_may_stand_once():
    with pytest.raises(UsageError, match="named twice"):
        contenders(["a", "a"], [], fit_note="", load=lambda _: ConvolutionNoise())


def test_the_simulator_needs_neither_weights_nor_pairs():
    [simulator] = contenders(["isp"], [], fit_note="", load=lambda _: ConvolutionNoise())
    clean = photograph(40, 60)
    noisy = simulator.synthesize(clean, Condition("IP", 800), 1).noisy
    assert 1 < (noisy.astype(float) - clean).std() < 30
