"""Profiles by camera name, and the table that they come from."""

import importlib.util
import itertools
import json

import pytest
from places import ROOT

from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.profiles.cameras import camera_of, cameras, profile_of, search, stops
from nmflowgan_cli.profiles.files import parse_profile, profile_bytes


def derivation():
    spec = importlib.util.spec_from_file_location("derive", ROOT / "scripts" / "derive_camera_table.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("camera", cameras(), ids=lambda camera: camera.name)
def test_every_camera_is_found_by_its_name_and_its_noise_grows_with_iso(camera) -> None:
    assert search(camera.name) == [camera]
    noise = [camera.noise(iso) for iso in stops(camera)]
    for lower, higher in itertools.pairwise(noise):
        assert lower[0] <= higher[0]
        assert lower[1] <= higher[1]
    assert 0 < noise[0][0] < 0.1
    assert camera.isos[0] <= camera.base <= camera.isos[1]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("d800", "Nikon D800"),
        ("NIKON CORPORATION NIKON D800", "Nikon D800"),
        ("Canon 5D Mark III", "Canon EOS 5D Mark III"),
        ("EOS 5D", "Canon EOS 5D"),
        ("Sony A7 II", "Sony ILCE-7M2"),
        ("SONY ILCE-7M2", "Sony ILCE-7M2"),
        ("PENTAX PENTAX K-1", "Pentax K-1"),
        ("OLYMPUS IMAGING CORP. E-M5", "Olympus E-M5"),
    ],
)
def test_names_as_people_and_exif_write_them(written: str, name: str) -> None:
    assert camera_of(written).name == name


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Nikon", "ambiguous"),
        ("D8000", "did you mean Nikon D800"),
        ("", "not in the table"),
        ("zzz", "not in the table"),
    ],
)
def test_other_names_are_refused_with_the_nearest(written: str, told: str) -> None:
    with pytest.raises(ConditionError, match=told):
        camera_of(written)


def test_the_profile_interpolates_between_stops_as_the_camera_does() -> None:
    camera, profile = camera_of("Nexus 5X"), profile_of("Nexus 5X")
    for iso in (75, 333, 5000):
        assert profile.camera.noise_at(iso) == pytest.approx(camera.noise(iso), rel=0.1)
    assert parse_profile(profile_bytes(profile), "").way == "table"


def test_x_trans_cameras_are_remarked_on() -> None:
    bayer = {"FinePix HS50EXR", "FinePix X10", "FinePix X100", "GFX100S", "X-A5", "X-T100", "XF10"}
    fujifilms = [camera for camera in cameras() if camera.maker == "Fujifilm"]
    assert {camera.model for camera in fujifilms if not camera.x_trans} == bayer
    assert not any(camera.x_trans for camera in cameras() if camera.maker != "Fujifilm")
    assert "X-Trans, simulated as Bayer" in profile_of("X-T2").remarks[-1]
    assert profile_of("X-A5").remarks == ()


def test_isos_outside_are_refused_with_the_range() -> None:
    with pytest.raises(ConditionError, match="ISO 60 to 6400"):
        profile_of("Nexus 5X", (800, 12800))


def test_smaller_pixels_hold_fewer_electrons() -> None:
    whole, half = (profile_of("Nexus 5X", (800,), area=area).camera.noise[800] for area in (1, 0.5))
    assert half == pytest.approx((2 * whole[0], 4 * whole[1]))


def test_below_the_base_iso_noise_does_not_change() -> None:
    camera = next(camera for camera in cameras() if camera.isos[0] < camera.base)
    assert camera.noise(camera.isos[0]) == camera.noise(camera.base)


def entry(iso: int, shot: float, read: float) -> dict[str, object]:
    return {"name": f"iso {iso}", "iso": iso, "a": [2.18 * shot, shot, 1.78 * shot], "b": [read] * 3}


def test_the_table_recovers_the_numbers_of_a_made_up_file() -> None:
    derive = derivation()
    saturation, before, after = 20000, 4.0, 10.0
    profiles = []
    for iso in (50, 100, 200, 400, 800, 1600, 3200):
        shot = max(iso, 100) / (100 * saturation)
        electrons = before**2 + (after * 100 / max(iso, 100)) ** 2
        profiles.append(entry(iso, shot / derive.SCALE, electrons * shot**2 / derive.SCALE))
    profiles[4]["a"][1] *= 5  # a measurement that went wrong
    profiles.append(entry(6400, -1.0, -1.0))
    document = {"noiseprofiles": [{"maker": "Maker", "models": [{"model": "M1", "profiles": profiles}]}]}
    (line,) = json.loads(derive.written(derive.table(document, "9.9")))["cameras"]
    assert (line["isos"], line["base"], line["quality"]) == ([50, 3200], 100, "good")
    assert line["saturation"] == pytest.approx(saturation, rel=0.02)
    assert line["read"] == pytest.approx([before, after], rel=0.15)
    assert line["white_balance"] == pytest.approx([2.0, 1.6], abs=0.02)


def test_negative_read_noise_is_typical_and_costs_quality() -> None:
    derive = derivation()
    profiles = [entry(iso, iso * 1e-8, -1e-7) for iso in (100, 200, 400)]
    line = derive.derived("Maker", {"model": "M2", "profiles": profiles})
    assert (line["read"], line["quality"]) == ([derive.TYPICAL_READ, 0.0], "fair")
    assert derive.derived("Maker", {"model": "M3", "profiles": []}) is None
