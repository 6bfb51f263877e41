"""Names of pairs, held against the rules of the code that reads them."""

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.layouts import LAYOUTS, Label, layout
from nmflowgan_cli.data.sidd_instances import SceneInstance, find_instance
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.files import stem


def label(**changes: object) -> Label:
    values = {"stem": "kodim01_r0", "split": "val", "instance": instance(7, "003"), "frame": None, "patch": 4}
    return Label(**{**values, **changes})  # type: ignore[arg-type]


def instance(number: int, scene: str, camera: str = "IP", iso: int = 800) -> SceneInstance:
    return SceneInstance(number, scene, Condition(camera, iso), 350, 3200, "L")


@pytest.mark.parametrize(
    ("name", "clean", "noisy"),
    [
        ("flat", "val/clean/kodim01_r0_s005.png", "val/noisy/kodim01_r0_s005.png"),
        ("restormer", "val/SIDD/target_crops/kodim01_r0_s005.png", "val/SIDD/input_crops/kodim01_r0_s005.png"),
        ("nafnet", "val/gt_crops/kodim01_r0_s005.png", "val/input_crops/kodim01_r0_s005.png"),
        ("basicsr", "val/gt/kodim01_r0_s005.png", "val/lq/kodim01_r0_s005.png"),
        (
            "sidd",
            "val/Data/0007_003_IP_00800_00350_3200_L/0007_GT_SRGB_014.PNG",
            "val/Data/0007_003_IP_00800_00350_3200_L/0007_NOISY_SRGB_014.PNG",
        ),
    ],
)
def test_paths_are_those_that_the_readers_look_for(name: str, clean: str, noisy: str) -> None:
    assert layout(name).paths(label()) == (PurePosixPath(clean), PurePosixPath(noisy))


def test_databases_are_named_as_in_the_options_of_nafnet() -> None:
    clean, noisy = layout("nafnet").database_paths(label(split="train"))
    assert (str(clean), str(noisy)) == ("train/gt_crops.lmdb", "train/input_crops.lmdb")


def test_names_of_sidds_kind_can_be_read_back() -> None:
    one = instance(7, "003")
    assert one.name == "0007_003_IP_00800_00350_3200_L"
    assert find_instance(one.name) == one
    odd = instance(7, "003", "Canon_5D-Mk II", 12800).name
    assert odd == "0007_003_Canon5DMkII_12800_00350_3200_L"
    assert len(odd.split("_")) == 7


def test_patches_of_sidds_pictures_keep_the_number_of_their_frame() -> None:
    names = [label(frame=11, patch=patch).frame_text for patch in (0, 1, 23)]
    assert names == ["011", "011001", "011023"]
    assert [label(patch=patch).frame_text for patch in (0, 1)] == ["010", "011"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_two_pairs_share_a_path(name: str) -> None:
    labels = [label(patch=patch, split=split) for patch in range(3) for split in ("train", "val")]
    labels += [label(stem="b", instance=instance(8, "003")), label(stem="c", instance=instance(9, "004"))]
    framed = instance(10, "003")  # of SIDD: all its patches have frames
    labels += [
        label(stem=f"f{frame}", instance=framed, frame=frame, patch=patch)
        for frame in (10, 11, 100)
        for patch in (0, 1, 10, 1000)
    ]
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
