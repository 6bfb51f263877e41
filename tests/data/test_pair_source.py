"""Patches of real pairs: the same crop of clean and noisy, in every turn, balanced, resumed, in a bounded memory."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data import patches
from nmflowgan_cli.data.batches import UNKNOWN_PHASE
from nmflowgan_cli.data.mixing import MixedSource
from nmflowgan_cli.data.origin import REAL, Origin
from nmflowgan_cli.data.patches import PairSource, census, patch_count
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator
from nmflowgan_cli.errors import UsageError

IP, S6, NEW = Condition("IP", 100), Condition("S6", 800), Condition("X1", 640)


@dataclass
class Shown:
    """A pair whose every pixel says where it is: red its row, green its column, blue which picture it is from."""

    condition: Condition
    number: int
    height: int = 40
    width: int = 48
    count: int = 1
    scene: str = "x"
    split: str = "train"
    origin: Origin = REAL
    loads: list[int] = field(default_factory=list)

    @property
    def name(self):
        return f"pair {self.number}"

    def size(self):
        return self.count, self.height, self.width

    def load(self):
        self.loads.append(1)
        rows, columns = np.indices((self.height, self.width), np.uint8)
        clean = np.stack([rows, columns, np.full_like(rows, self.number)], 2)
        if self.count > 1:
            clean = np.stack([clean + np.array([0, 0, 100 * n], np.uint8) for n in range(self.count)])
        return clean, clean + np.uint8(7)


def pairs_of(*conditions, **size):
    return [Shown(condition, number, **size) for number, condition in enumerate(conditions)]


def test_clean_and_noisy_are_the_same_crop_in_all_eight_ways():
    source = PairSource(pairs_of(IP), 32)
    batch = source.batch(300, np.random.default_rng(0))
    assert torch.equal(batch.noisy, batch.clean + 7)
    assert (batch.phase == UNKNOWN_PHASE).all()
    assert batch.rounded is not None
    assert batch.rounded.all()
    ways = set()
    for crop in batch.clean[:, :2]:
        down, right = crop[:, 1, 0] - crop[:, 0, 0], crop[:, 0, 1] - crop[:, 0, 0]
        ways.add((*down.tolist(), *right.tolist()))
        assert torch.equal(
            crop,
            crop[:, :1, :1] + down[:, None, None] * torch.arange(32)[:, None] + right[:, None, None] * torch.arange(32),
        )
    assert len(ways) == 8
    corners = {(int(crop[0].min()), int(crop[1].min())) for crop in batch.clean}
    assert {row for row, _ in corners} == set(range(9))
    assert {column for _, column in corners} == set(range(17))


def test_crops_begin_at_multiples_of_the_step():
    crops = PairSource(pairs_of(IP, width=56), 16, step=8).batch(400, np.random.default_rng(0)).clean
    corners = {(int(crop[0].min()), int(crop[1].min())) for crop in crops}
    assert corners == {(row, column) for row in range(0, 25, 8) for column in range(0, 41, 8)}


def test_stacks_give_all_their_pictures():
    batch = PairSource(pairs_of(IP, count=3, height=32, width=32), 32).batch(60, np.random.default_rng(0))
    assert set(batch.clean[:, 2, 0, 0].tolist()) == {0, 100, 200}


@pytest.mark.parametrize(
    ("balance", "shares"), [("code", [1 / 6] * 3 + [1 / 2]), ("picture", [1 / 4] * 4), ("none", [0.1, 0.1, 0.4, 0.4])]
)
def test_balance(balance, shares):
    pairs = [*pairs_of(IP, IP, height=32, width=32), Shown(IP, 2, 32, 80), Shown(S6, 3, 32, 80)]
    source = PairSource(pairs, 32, balance=balance)
    assert source.weights.tolist() == pytest.approx(shares)
    drawn = Counter(source.batch(2000, np.random.default_rng(0)).names)
    assert [drawn[pair.name] / 2000 for pair in pairs] == pytest.approx(shares, abs=0.04)


def test_vocabulary_and_census_count_patches():
    source = PairSource(pairs_of(S6, NEW, IP, IP), 32)
    vocabulary = source.vocabulary(300)
    assert (vocabulary.cameras, vocabulary.isos) == (("IP", "S6", "X1"), (100, 640, 800))
    assert vocabulary.trained == {"IP": {100: 100}, "S6": {800: 100}, "X1": {640: 100}}
    assert census(source.pairs, 32) == {IP: 8, S6: 4, NEW: 4}
    assert patch_count((1, 3000, 5328), 96) == 6820  # the official preparation's, without those that it repeats


def test_small_pictures_are_named():
    with pytest.raises(UsageError, match="pair 0 is 48x40, smaller than a patch of 64"):
        PairSource(pairs_of(IP), 64)


def test_all_pictures_stay_where_they_fit():
    source = PairSource(pairs_of(IP, S6), 32)
    for _ in range(5):
        source.batch(20, np.random.default_rng(0))
    assert [len(pair.loads) for pair in source.pairs] == [1, 1]


def bounded(monkeypatch, **options):
    """Room for five pictures of twenty: four shown and the next one."""
    monkeypatch.setattr(patches, "CROPS_A_VISIT", 10)
    return PairSource(pairs_of(*[IP] * 15, *[S6] * 5), 32, memory=5 * 2 * 3 * 40 * 48, **options)


def test_memory_is_bounded_and_all_pictures_come(monkeypatch):
    source, rng = bounded(monkeypatch), np.random.default_rng(0)
    seen = Counter()
    for _ in range(300):
        seen += Counter(source.batch(10, rng).conditions)
        assert len(source._pictures) <= 5
    assert seen[IP] / 3000 == pytest.approx(0.5, abs=0.1)
    assert all(pair.loads for pair in source.pairs)
    assert sum(len(pair.loads) for pair in source.pairs) <= 305


def test_batches_depend_on_the_generator_and_the_state_alone(monkeypatch):
    straight, rng = bounded(monkeypatch), np.random.default_rng(0)
    expected = [straight.batch(7, rng) for _ in range(12)]
    source, rng = bounded(monkeypatch), np.random.default_rng(0)
    for step, batch in enumerate(expected):
        if step in (3, 8):
            state, source = source.state_dict(), bounded(monkeypatch)
            source.load_state_dict(state)
        assert torch.equal(source.batch(7, rng).noisy, batch.noisy)


def mixed(share):
    ramp = np.linspace(0, 255, 40 * 40 * 3).reshape(40, 40, 3).astype(np.uint8)
    profiles = {camera: camera_profiles()[camera] for camera in ("IP", "GP")}
    return MixedSource(Simulator([ramp], profiles, 32), PairSource(pairs_of(IP, NEW), 32), share)


def test_simulated_and_real_patches_mix_at_their_share():
    source, rng = mixed(0.3), np.random.default_rng(0)
    batches = [source.batch(5, rng) for _ in range(100)]
    real = torch.stack([batch.rounded for batch in batches])
    assert (~real).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert set((~real).sum(1).tolist()) == {1, 2}
    for batch in batches:
        assert torch.equal(batch.phase == UNKNOWN_PHASE, batch.rounded)
        assert len(batch.conditions) == len(batch.clean) == 5
        assert len(batch.names) == batch.rounded.sum()
    with pytest.raises(UsageError, match=r"--simulate-share 1\.0"):
        mixed(1.0)


def test_the_vocabularies_of_a_mixture_are_joined():
    vocabulary = mixed(0.5).vocabulary(1000)
    assert vocabulary.cameras == ("IP", "GP", "X1")
    assert vocabulary.trained["X1"] == {640: 250}
    simulated = mixed(0.5).simulator.vocabulary(500)
    assert vocabulary.trained["IP"][100] == simulated.trained["IP"][100] + 250
    assert vocabulary.trained["GP"] == simulated.trained["GP"]
