"""Candidates by name: models, fitted references, and the noise before its rounding."""

import numpy as np
import pytest
from fakes import ConvolutionNoise, StatisticalNoise, photograph

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError, UsageError
from nmflowgan_cli.evaluation.candidates import candidates, open_weights
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
