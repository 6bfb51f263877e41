"""The profile file: what can be left out, what comes back, and what is refused, in one line that names the field."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from profile_examples import UNKNOWN, WHOLE

from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.profiles.files import LARGEST_FILE, parse_profile, profile_bytes, read_profile, write_profile
from nmflowgan_cli.profiles.profile import NoiseProfile

SMALLEST: dict[str, Any] = {
    "format": "nmflowgan-profile",
    "version": 1,
    "name": "Fujifilm X100",
    "noise": {"3200": {"shot": 0.006, "read": 0.0001}},
}


OTHERS = "iso_known", "camera", "mosaic", "blur", "renderings", "sampled"
"""Fields of other kinds of profiles, which test_mono.py, test_rendering.py and the next test try."""


def written(**changes: Any) -> bytes:
    return json.dumps({**SMALLEST, **changes}).encode()


@pytest.mark.parametrize(
    "profile",
    [WHOLE, UNKNOWN, dataclasses.replace(WHOLE, sampled=True)],
    ids=["known ISO", "unknown ISO", "sampled"],
)
def test_a_profile_comes_back_from_its_file(profile: NoiseProfile, tmp_path: Path) -> None:
    write_profile(tmp_path / "mine.json", profile)
    assert read_profile(tmp_path / "mine.json") == profile
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_every_field_of_the_record_is_in_the_file() -> None:
    """So a new field of the record cannot be forgotten by the file."""
    plain = parse_profile(written(), "plain")
    for part, default in ((WHOLE, plain), (WHOLE.camera, plain.camera)):
        for field in dataclasses.fields(part):
            if field.name not in OTHERS:
                assert getattr(part, field.name) != getattr(default, field.name), f"WHOLE does not try {field.name}"


def test_name_shot_and_read_are_enough() -> None:
    profile = parse_profile(written(), "x100.json")
    assert (profile.name, profile.way, profile.camera.noise) == ("Fujifilm X100", "hand", {3200: (0.006, 0.0001)})
    assert profile_bytes(profile) == profile_bytes(parse_profile(profile_bytes(profile), "again"))
    for missing in ("name", "noise"):
        values = {key: value for key, value in SMALLEST.items() if key != missing}
        with pytest.raises(WeightsError, match=missing):
            parse_profile(json.dumps(values).encode(), "x100.json")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"noise": {}}, r"length >= 1.*\$\.noise"),
        ({"noise": {"3200": {"shot": 0.1}}}, "missing required field `read`"),
        ({"noise": {"3200": {"shot": "much", "read": 0}}}, r"float.*shot"),
        ({"noise": {"3200": {"shot": -1, "read": 0}}}, r">= 0\.0.*shot"),
        ({"noise": {"3200": {"shot": 0.1, "read": 7}}}, r"<= 1\.0.*read"),
        ({"noise": {"-5": {"shot": 0.1, "read": 0}}}, r"\$\.noise"),
        ({"noise": {"fast": {"shot": 0.1, "read": 0}}}, r"\$\.noise"),
        ({"noise": {"800": {"shot": 0.1, "read": 0}, "unknown": {"shot": 0.1, "read": 0}}}, "noise: 'unknown' stands"),
        ({"noise": {str(iso): {"shot": 0.1, "read": 0} for iso in range(1, 200)}}, "length <= 100"),
        ({"matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 2]]}, "matrix: each row"),
        ({"matrix": [[1, 0, 0], [1, 0, 0], [0, 0, 1]]}, "matrix: it has no inverse"),
        ({"matrix": [[1, 0, 0]]}, r"length 3.*matrix"),
        ({"white_balance": {"red": [2, 1], "blue": [1, 1]}}, "from the lower to the higher gain.*white_balance"),
        ({"white_balance": {"red": [0, 1], "blue": [1, 1]}}, r">= 0\.1.*red"),
        ({"floor": 3}, r"floor"),
        ({"black_shift": None}, r"black_shift"),
        ({"levels": [[0, 255]]}, "levels: a range for each"),
        ({"levels": [[9, 3], [0, 1], [0, 1]]}, "levels: a range goes"),
        ({"levels": [[0, 256], [0, 1], [0, 1]]}, r"<= 255.*levels"),
        ({"texture": -1}, "texture"),
        ({"references": [{"name": "a", "sha256": "../../etc"}]}, r"sha256"),
        ({"uncertainty": {"shot": 1e300}}, "uncertainty"),
        ({"remarks": ["x" * 1000]}, r"remarks"),
        ({"way": "magic"}, "way"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name: printable"),
        ({"name": "x" * 101}, "name"),
        ({"shoot": 1}, "unknown field `shoot`"),
        ({"version": 2, "shoot": 1}, "version 2, newer than this tool knows .1.*upgrade"),
        ({"version": 0}, "version"),
        ({"version": "new"}, "version"),
        ({"format": "other"}, "is no noise profile"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_named_in_one_line(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(WeightsError, match=problem) as caught:
        parse_profile(written(**changes), "x100.json")
    assert "\n" not in str(caught.value)
    assert "x100.json" in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff\xfe",
        b"[1, 2]",
        b'"text"',
        b"[" * 100_000,
        b'{"x": ' * 100_000,
        written()[:-3],
        written().replace(b"0.006", b"NaN"),
        written().replace(b"0.006", b"1e999"),
        written().replace(b"X100", b"\xff\xff"),
        written().replace(b"0.006", b"9" * 400_000),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_damaged_files_are_refused_in_one_line(content: bytes) -> None:
    with pytest.raises(WeightsError) as caught:
        parse_profile(content, "x100.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_files_that_cannot_be_profiles(tmp_path: Path) -> None:
    for name, problem in (("absent.json", "No such file"), (".", "directory")):
        with pytest.raises(WeightsError, match=problem):
            read_profile(tmp_path / name)
    large = tmp_path / "large.json"
    large.write_bytes(written() + b" " * LARGEST_FILE)
    with pytest.raises(WeightsError, match="larger than 1 MB"):
        read_profile(large)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.json").mkdir()
    with pytest.raises(WeightsError, match="cannot write"):
        write_profile(tmp_path / "mine.json", WHOLE)
