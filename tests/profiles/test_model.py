"""The noise model of a profile: physics beyond the known ISOs, and the account of what was extrapolated."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from profile_examples import CAMERA, UNKNOWN, WHOLE

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.isp import ISPNoise
from nmflowgan_cli.profiles.files import with_white_balance
from nmflowgan_cli.profiles.model import ProfileNoise, extended, model_of
from nmflowgan_cli.synthesis.engine import synthesize

NAME = WHOLE.name
FLAT = np.full((64, 64, 3), 100, np.uint8)


def noise(model: ISPNoise, condition: Condition, level: float = 100.0, uniform: float = 0.5) -> torch.Tensor:
    clean = torch.full((1, 3, 128, 128), level)
    latent = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    fields = Fields(latent, torch.full_like(clean, uniform))
    code = encode(model.vocabulary, [condition])
    return model.sample(clean, code, fields, model.statistics(lambda: [(clean, fields)], code)) - clean


def test_between_its_isos_a_profile_is_the_simulator() -> None:
    for iso in (100, 800, 6400):
        condition = Condition(NAME, iso)
        assert noise(ProfileNoise(WHOLE), condition).equal(noise(ISPNoise({NAME: CAMERA}), condition))


@pytest.mark.parametrize(("iso", "known"), [(25, 100), (50, 100), (12800, 6400), (102400, 6400)])
def test_beyond_them_variances_follow_powers_of_iso(iso: int, known: int) -> None:
    shot, read = extended(CAMERA).noise_at(iso)
    assert shot / CAMERA.noise[known][0] == pytest.approx(iso / known)
    assert read / CAMERA.noise[known][1] == pytest.approx((iso / known) ** 1.5)


def test_the_reach_has_an_end_on_either_side() -> None:
    vocabulary = ProfileNoise(WHOLE).vocabulary
    assert vocabulary.iso_range(NAME) == (25, 102400)
    for iso in (24, 102401):
        with pytest.raises(ConditionError, match=f"ISO {iso} is outside.*ISO 25 to 102400; trained at 100, 6400"):
            vocabulary.check(Condition(NAME, iso))


def test_noise_grows_with_iso_beyond_the_known_ones() -> None:
    strengths = [noise(ProfileNoise(WHOLE), Condition(NAME, iso)).std().item() for iso in (6400, 12800, 25600)]
    assert strengths == sorted(strengths)


def test_an_unknown_iso_is_neither_needed_nor_taken() -> None:
    model = ProfileNoise(UNKNOWN)
    same = ISPNoise({NAME: UNKNOWN.camera})
    assert noise(model, Condition(NAME, 0)).equal(noise(same, Condition(NAME, 100)))
    with pytest.raises(ConditionError, match=r"ISO of .* is not known .leave out --iso"):
        model.vocabulary.check(Condition(NAME, 100))


def test_white_balance_is_drawn_unless_it_is_given() -> None:
    condition = Condition(NAME, 100)
    drawn, given = ProfileNoise(WHOLE), ProfileNoise(with_white_balance(WHOLE, 2.0, 1.5))
    assert not noise(drawn, condition, uniform=0.1).equal(noise(drawn, condition, uniform=0.9))
    assert noise(given, condition, uniform=0.1).equal(noise(given, condition, uniform=0.9))


def test_noise_of_sampled_pictures_has_no_neighbours_and_no_tiles() -> None:
    profile = replace(WHOLE, sampled=True)
    clean = np.full((200, 230, 3), 120, np.uint8)
    clean[:, 100:] = (200, 60, 30)
    whole = synthesize(model_of(profile), clean, Condition(NAME, 800), 5)
    assert (synthesize(model_of(profile), clean, Condition(NAME, 800), 5, tile=64) == whole).all()
    noise = whole[:, :100].astype(float) - 120
    assert abs(np.corrcoef(noise[:, 1:, 0].ravel(), noise[:, :-1, 0].ravel())[0, 1]) < 0.02
    assert np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1] > 0.1


def test_what_is_extrapolated_is_told_with_its_number() -> None:
    model = ProfileNoise(WHOLE)
    inside, outside = Condition(NAME, 800), Condition(NAME, 12800)
    assert model.extrapolated(FLAT, inside) == {}
    assert model.extrapolated(FLAT, outside) == {"iso": 12800}
    dark, rough = FLAT.copy(), FLAT.copy()
    dark[:32] = 2  # below the levels of red and blue (3 and 12), not of green
    assert model.extrapolated(dark, inside) == {"levels": pytest.approx(1 / 3, abs=1e-4)}
    rough[:16, :16, 1] = np.where(np.arange(16) // 4 % 2, 160, 40)
    assert model.extrapolated(rough, inside) == {"texture": 1 / 16}
    unseen = ProfileNoise(replace(WHOLE, levels=(), texture=None))
    assert unseen.extrapolated(rough, inside) == {}
    assert model.extrapolated(FLAT[:5, :7], inside) == {}
