"""Strips of denoised pictures: one file a pair in the folder, whatever the pair is called."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.files import shared_stems, stem
from nmflowgan_cli.report.denoised_crops import show

PAIR = Pair(Path("c"), Path("n"), Condition("IP", 100), "scene", "val", "x.png")
NAMES = (
    "a/b.png",
    "a_b.png",
    "/a/b.png",
    "../a/b.png",
    "/data/../../etc/b",
    "_a_b.png",
    "b",
    "B.jpg",
    "..",
    "a/\x1b[2J",
)


def test_a_strip_stays_in_its_folder_and_takes_no_other_ones_place(tmp_path: Path) -> None:
    picture, shared = np.full((20, 20, 3), 90, np.uint8), shared_stems(NAMES)
    paths = [show(tmp_path / "shots", replace(PAIR, name=name), picture, picture, {}, shared=shared) for name in NAMES]
    assert len({str(path).lower() for path in paths}) == len(NAMES)
    assert {path.parent for path in paths} == {tmp_path / "shots"}
    assert sorted(tmp_path.rglob("*.png")) == sorted(paths)
    assert show(tmp_path, replace(PAIR, name="n2.png"), picture, picture, {}).name == "n2.png"


@given(st.text(max_size=300))
def test_any_name_gives_a_plain_file_name(name: str) -> None:
    made = stem(name)
    assert made
    assert len(made) <= 140
    assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in made)
