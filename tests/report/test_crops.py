"""Crops of the measured pictures, spread over cameras, from places with flat and textured parts."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.errors import ConditionError, NmflowganError, OutOfMemoryError, PictureError
from nmflowgan_cli.evaluation.protocol import Candidate, Draw, Protocol
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.report import crops

IP, S6 = Condition("IP", 800), Condition("S6", 800)
PROTOCOL = Protocol(patch=32, step=32, seed=3)


@dataclass(frozen=True)
class GeneratedPair(Pair):
    side: int = 160

    def load(self):
        if self.name == "damaged":
            raise PictureError("damaged")
        clean = np.add.outer(np.linspace(20, 160, self.side), np.linspace(0, 70, 144))[..., None] + [0, 10, 20]
        return clean.astype(np.uint8), noisy(clean.astype(np.uint8), 6, 1)


def noisy(clean, std, seed):
    noise = np.random.default_rng(seed).normal(0, std, clean.shape)
    return np.rint(clean + noise).clip(0, 255).astype(np.uint8)


def pair(condition, name, side=160):
    return GeneratedPair(Path(name), Path(name), condition, name, "val", name, side=side)


def candidate(name="model", error=None, known=(IP, S6)):
    def check(condition):
        if condition not in known:
            raise ConditionError("unknown")

    def synthesize(clean, _condition, key):
        if error:
            raise error
        return Draw(noisy(clean, 5, key % 2**32))

    return Candidate(name, synthesize, check)


def test_examples_are_crops_of_what_was_measured():
    entries = [candidate(), candidate("other", known=(S6,)), candidate("broken", NmflowganError("no"))]
    pairs = [pair(S6, "a"), pair(IP, "b"), pair(IP, "c")]
    shown = crops.examples(pairs, entries, PROTOCOL, 9, conditions=[S6, IP])
    assert [(one.condition, one.pair) for one in shown] == [(IP, "b"), (S6, "a")]
    assert [list(one.made) for one in shown] == [["model"], ["model", "other"]]
    for one in shown:
        clean, real = pairs[0].load()
        top, left = one.place
        crop = np.s_[top : top + crops.SIDE, left : left + crops.SIDE]
        assert np.array_equal(one.clean, clean[crop])
        assert np.array_equal(one.real, real[crop])
        key = picture_key(PROTOCOL.seed, one.pair, 0)
        assert np.array_equal(one.made["model"], entries[0].synthesize(clean, one.condition, key).noisy[crop])


def test_noise_is_amplified_until_it_is_seen():
    [one] = crops.examples([pair(IP, "a")], [], PROTOCOL, 1, conditions=[IP])
    assert one.gain == 4
    amplified = one.noise(one.real).astype(int) - 128
    inside = np.abs(amplified) < 120
    assert np.array_equal(amplified[inside], (4 * (one.real.astype(int) - one.clean))[inside])
    assert np.array_equal(one.noise(one.clean), np.full_like(one.clean, 128))


def test_pairs_that_cannot_be_used_are_passed_over():
    pairs = [pair(IP, "damaged"), pair(IP, "small", 31), pair(IP, "good")]
    [example] = crops.examples(pairs, [], PROTOCOL, 1, conditions=[IP])
    assert example.pair == "good"
    assert crops.examples(pairs[:2], [], PROTOCOL, 1, conditions=[IP]) == []


def test_out_of_memory_is_raised():
    with pytest.raises(OutOfMemoryError):
        crops.examples([pair(IP, "a")], [candidate(error=OutOfMemoryError("full"))], PROTOCOL, 1, conditions=[IP])


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 9, 99])
def test_examples_are_spread_over_cameras_and_isos(number):
    known = [Condition(camera, iso) for camera in "ABC" for iso in (100, 200, 400, 800)[: 2 + (camera != "A") * 2]]
    chosen = crops.spread(reversed(known), number)
    assert len(chosen) == len(set(chosen)) == min(number, len(known))
    assert chosen == sorted(chosen, key=lambda condition: (condition.camera, condition.iso))
    shares = Counter(condition.camera for condition in chosen)
    if number >= 3:
        assert max(shares.values()) - min(shares["B"], shares["C"]) <= 1
    if number == 9:
        assert {(condition.camera, condition.iso) for condition in chosen} >= {("B", 100), ("B", 800), ("A", 200)}


def test_a_crop_has_both_flat_and_textured_parts():
    random = np.random.default_rng(2)
    clean = np.full((320, 640, 3), 120, np.uint8)
    clean[:, 320:] += random.integers(0, 60, (320, 320, 3), np.uint8)
    clean[:160] = 255
    top, left = crops.telling_place(clean)
    assert top >= 160 - 2 * crops.BLOCK
    assert left < 320 < left + crops.SIDE
    assert crops.telling_place(clean[:10, :10]) == (0, 0)
