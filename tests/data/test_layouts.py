"""Names of pairs, held against the rules of the code that reads them."""

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.layouts import LAYOUTS, Label, Settings, layout, stem
from nmflowgan_cli.data.sidd import find_instance
from nmflowgan_cli.errors import UsageError


def label(**changes: object) -> Label:
    values = {"stem": "kodim01_r0", "split": "val", "scene": "kodim01.png", "picture": 3, "instance": 7, "patch": 4}
    return Label(**{**values, "condition": Condition("IP", 800), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "clean", "noisy"),
    [
        ("flat", "val/clean/kodim01_r0_s005.png", "val/noisy/kodim01_r0_s005.png"),
        ("restormer", "val/SIDD/target_crops/kodim01_r0_s005.png", "val/SIDD/input_crops/kodim01_r0_s005.png"),
        ("nafnet", "val/gt_crops/kodim01_r0_s005.png", "val/input_crops/kodim01_r0_s005.png"),
        ("basicsr", "val/gt/kodim01_r0_s005.png", "val/lq/kodim01_r0_s005.png"),
        (
            "sidd",
            "val/Data/0007_003_IP_00800_00000_0000_N/0007_GT_SRGB_014.PNG",
            "val/Data/0007_003_IP_00800_00000_0000_N/0007_NOISY_SRGB_014.PNG",
        ),
    ],
)
def test_paths_are_those_that_the_readers_look_for(name: str, clean: str, noisy: str) -> None:
    assert layout(name).paths(label()) == (PurePosixPath(clean), PurePosixPath(noisy))


def test_databases_are_named_as_in_the_options_of_nafnet() -> None:
    clean, noisy = layout("nafnet").database_paths(label(split="train"))
    assert (str(clean), str(noisy)) == ("train/gt_crops.lmdb", "train/input_crops.lmdb")


def test_names_of_sidds_kind_can_be_read_back() -> None:
    settings = Settings(350, 3200, "L")
    name = label(settings=settings).scene_instance
    assert name == "0007_003_IP_00800_00350_3200_L"
    found = find_instance(name)
    assert found is not None
    assert found.condition == Condition("IP", 800)
    assert Settings(found.shutter, found.temperature, found.brightness) == settings
    odd = label(condition=Condition("Canon_5D-Mk II", 12800)).scene_instance
    assert odd == "0007_003_Canon5DMkII_12800_00000_0000_N"
    assert len(odd.split("_")) == 7


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_two_pairs_share_a_path(name: str) -> None:
    labels = [label(patch=patch, split=split) for patch in range(3) for split in ("train", "val")]
    labels += [label(stem="b", instance=8), label(stem="c", instance=9, picture=4)]
    paths = [path for one in labels for path in LAYOUTS[name].paths(one)]
    assert len(set(paths)) == 2 * len(labels)


@given(st.text(min_size=1), st.integers(0, 5))
def test_keys_hold_only_what_every_reader_takes(path: str, repeat: int) -> None:
    name = stem(path, repeat)
    key = label(stem=name, patch=0).key
    assert re.fullmatch(r"[A-Za-z0-9_-]+", key)
    assert name == stem(path, repeat)
    assert len(key) < 150


def test_stems_keep_the_tree_and_stay_apart() -> None:
    assert stem("kodim01.png") == "kodim01"
    assert stem("a/b.c/d e.png", 2) == "a_b_c_d_e_r2"
    assert stem("日本.png") != stem("中国.png")
    assert stem("x" * 200 + "1.png") != stem("x" * 200 + "2.png")


def test_an_unknown_layout_is_told_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown layout 'sid' \(one of flat, restormer, nafnet, basicsr, sidd\)"):
        layout("sid")
