"""Packaged profiles of cameras' own JPEGs: by name, of the nearest ISO, and different for camera, ISO and level."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import photograph

from nmflowgan_cli import AddCameraNoise
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError, WeightsError
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.profiles.files import parse_profile, profile_bytes
from nmflowgan_cli.profiles.model import model_of
from nmflowgan_cli.profiles.packaged import CODES, TERMS, packaged
from nmflowgan_cli.synthesis.engine import synthesize
from nmflowgan_cli.synthesis.noise_choice import NoiseChoice

CLEAN = photograph(192, 192)


def noise(code: str, iso: int, clean: Bytes = CLEAN) -> np.ndarray:
    profile = packaged(code)
    return synthesize(model_of(profile), clean, Condition(profile.name, iso), 3).astype(float) - clean


def lag(made: np.ndarray) -> float:
    return float(np.corrcoef(made[:, :-1, 1].ravel(), made[:, 1:, 1].ravel())[0, 1])


@pytest.mark.parametrize("code", CODES)
def test_a_packaged_profile_is_its_file_and_states_its_terms(code: str) -> None:
    profile = packaged(code)
    assert TERMS in profile.remarks[0]
    assert profile.renderings.keys() == profile.camera.noise.keys()
    assert parse_profile(profile_bytes(profile), code) == profile
    assert packaged(profile.name) == profile


def test_noise_differs_with_camera_iso_and_level() -> None:
    low, high = noise("D800", 1600), noise("D800", 6400)
    assert high.std() > 1.2 * low.std()
    assert abs(lag(high) - lag(noise("80D", 6400))) > 0.02
    dark, bright = (noise("D800", 6400, np.full((128, 128, 3), level, np.uint8)).std() for level in (60, 230))
    assert dark > 1.2 * bright


def test_an_iso_between_two_has_the_noise_of_the_nearest() -> None:
    assert (noise("D800", 6000) == noise("D800", 6400)).all()
    with pytest.raises(ConditionError, match="ISO 12800 is outside"):
        model_of(packaged("D800")).vocabulary.check(Condition("Nikon D800", 12800))


def test_renderings_belong_to_the_isos_of_the_noise() -> None:
    found = packaged("A7II")
    short = replace(found, renderings=dict(list(found.renderings.items())[:1]))
    for damaged in (short, replace(found, renderings={100: found.renderings[1600], 200: found.renderings[3200]})):
        with pytest.raises(WeightsError, match="rendering"):
            profile_bytes(damaged)


def test_a_name_alone_takes_the_cameras_own_pictures(caplog: pytest.LogCaptureFixture) -> None:
    found = NoiseChoice().find(["nikon d800"])
    assert (found.name, found.terms) == ("Nikon D800", TERMS)
    assert TERMS in caplog.text
    assert NoiseChoice(rendered="camera").find(["D800"]).sha256 == found.sha256
    assert NoiseChoice(rendered="plain").find(["D800"]).sha256 != found.sha256
    noisy = AddCameraNoise(camera="D800", iso="1600,6400", rendered="camera")(CLEAN, index=1)
    assert noisy.shape == CLEAN.shape
    assert (noisy != CLEAN).any()
    with pytest.raises(ConditionError, match="2 cameras"):
        NoiseChoice(rendered="camera").find(["D800", "80D"])
    with pytest.raises(ConditionError, match="X100"):
        NoiseChoice(rendered="camera").find(["X100"])


def test_the_file_of_a_single_iso_stays_as_it_was() -> None:
    found = packaged("D800")
    one = replace(
        found,
        camera=replace(found.camera, noise={1600: found.camera.noise[1600]}),
        renderings={1600: found.renderings[1600]},
    )
    assert b'"rendering":' in profile_bytes(one)
    assert parse_profile(profile_bytes(one), "one") == one
