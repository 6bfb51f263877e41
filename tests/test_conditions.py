"""Cameras and ISOs: what a name means, what is refused, and what lies between two trained ISOs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT

from nmflowgan_cli.conditions import CAMERA_NAMES, GUIDE, Condition, Vocabulary, camera_code
from nmflowgan_cli.errors import ConditionError

VOCABULARY = Vocabulary(
    cameras=("IP", "S6", "G4"),
    isos=(100, 400, 800, 3200),
    trained={"IP": {100: 10, 800: 20}, "S6": {400: 5, 800: 5, 3200: 5}, "G4": {}},
)


@pytest.mark.parametrize(
    ("name", "code"),
    [("IP", "IP"), ("ip", "IP"), ("iPhone 7", "IP"), ("iphone7", "IP"), ("Apple iPhone 7", "IP"), ("pixel", "GP")]
    + [("Galaxy S6", "S6"), ("nexus-6", "N6"), ("LG G4", "G4"), ("nikon d800", "D800"), ("D800", "D800")]
    + [("Canon 5D Mark II", "5D2"), ("canon 80d", "80D"), ("Sony A7II", "A7II"), ("sony a7-ii", "A7II")]
    + [(name, code) for code, name in CAMERA_NAMES.items()],
)
def test_codes_and_names_in_any_spelling(name, code):
    assert camera_code(name) == code


@pytest.mark.parametrize(
    "name", ["", "X", "iPhone 8", "Fujifilm", "I", "7", "Nikon D80", "Nikon D8000", "Canon 5D Mark III", "-"]
)
def test_an_unknown_camera_is_refused_with_the_list(name):
    with pytest.raises(ConditionError, match=r"unknown.*IP \(Apple iPhone 7\), GP \(Google Pixel\)"):
        camera_code(name)


@pytest.mark.parametrize(
    ("name", "known", "suggestion"),
    [
        ("Nikon D80", ("IP", "D800"), r"did you mean D800 \(Nikon D800\)\? known"),
        ("galaxy s7", ("IP", "S6"), r"did you mean S6 \(Samsung Galaxy S6 Edge\)\? known"),
        ("Pixle", ("GP",), r"did you mean GP \(Google Pixel\)\? known"),
        ("x10", ("X100", "IP"), r"did you mean X100\? known"),
        ("-", ("X100",), r"'-' is unknown \(known"),
        ("Fujifilm", ("IP", "GP"), r"'Fujifilm' is unknown \(known"),
    ],
)
def test_an_unknown_camera_is_refused_with_a_suggestion_and_the_guide(name, known, suggestion):
    with pytest.raises(ConditionError, match=rf"{suggestion} cameras: .*; docs/new-camera.md explains how to add one"):
        camera_code(name, known)
    assert (ROOT / GUIDE).is_file() or not (ROOT / GUIDE).parent.exists()  # the sdist has no docs


def test_a_name_that_fits_two_cameras_is_refused():
    with pytest.raises(ConditionError, match="ambiguous"):
        camera_code("Cam", ("MyCamOne", "MyCamTwo"))
    with pytest.raises(
        ConditionError, match=r"'Canon' is ambiguous \(it may mean 5D2 \(.*\), 80D \(Canon EOS 80D\)\)$"
    ):
        camera_code("Canon")
    assert camera_code("mycamone", ("MyCamOne", "MyCamTwo")) == "MyCamOne"


def test_parse_gives_the_code():
    assert VOCABULARY.parse("iphone 7", 400) == Condition("IP", 400)


@pytest.mark.parametrize("iso", [0, -100, 99, 801, 10**9])
def test_isos_outside_the_trained_range_are_refused_with_the_range(iso):
    with pytest.raises(
        ConditionError, match=rf"ISO {iso} .*IP.*ISO 100 to 800; trained at 100, 800; .*docs/new-camera.md"
    ):
        VOCABULARY.check(Condition("IP", iso))


def test_a_camera_without_training_is_refused_though_the_tables_have_a_row_for_it():
    with pytest.raises(ConditionError, match=r"never trained on camera G4 \(trained cameras: IP, S6; see docs"):
        VOCABULARY.check(Condition("G4", 400))
    with pytest.raises(ConditionError, match="camera 'GP' is unknown"):
        VOCABULARY.check(Condition("GP", 400))


def test_what_is_refused_is_what_is_not_known():
    known = [Condition("IP", 100), Condition("IP", 333), Condition("S6", 3200)]
    unknown = [Condition("IP", 801), Condition("G4", 400), Condition("GP", 400), Condition("iPhone 7", 400)]
    assert [VOCABULARY.knows(condition) for condition in known + unknown] == [True] * 3 + [False] * 4


def test_trained_isos_are_one_hot():
    assert VOCABULARY.iso_weights(Condition("S6", 800)) == [0, 0, 1, 0]
    assert VOCABULARY.iso_weights(Condition("IP", 100)) == [1, 0, 0, 0]


def test_an_iso_trained_for_another_camera_is_interpolated_between_ones_own():
    weights = VOCABULARY.iso_weights(Condition("IP", 400))
    assert weights == pytest.approx([1 / 3, 0, 2 / 3, 0])


@given(st.integers(400, 3200))
def test_weights_interpolate_log_iso(iso):
    weights = VOCABULARY.iso_weights(Condition("S6", iso))
    assert sum(weights) == pytest.approx(1)
    assert all(weight >= 0 for weight in weights)
    assert sum(w * math.log(i) for w, i in zip(weights, VOCABULARY.isos, strict=True)) == pytest.approx(math.log(iso))
