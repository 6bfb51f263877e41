"""Manifests of paired data: their forms, and the errors of wrong ones."""

import json

import numpy as np
import pytest
from PIL import Image

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import read_pairs
from nmflowgan_cli.errors import PictureError, UsageError

HEADER = "clean,noisy,camera,iso,scene,split"


@pytest.fixture
def folder(tmp_path):
    for name, width in (("a.png", 8), ("b.png", 8), ("wide.png", 9)):
        Image.new("RGB", (width, 8), (1, 2, 3)).save(tmp_path / name)
    return tmp_path


def _manifest(folder, *rows, header=HEADER, name="manifest.csv"):
    (folder / name).write_text("\n".join((header, *rows)) + "\n")
    return folder / name


def test_a_row_becomes_a_pair(folder):
    [pair] = read_pairs(_manifest(folder, "a.png,b.png,iPhone 99,800,desk,val"))
    assert (pair.clean, pair.noisy, pair.name) == (folder / "a.png", folder / "b.png", "b.png")
    assert (pair.condition, pair.scene, pair.split) == (Condition("iPhone 99", 800), "desk", "val")
    clean, noisy = pair.load()
    assert clean.shape == noisy.shape == (8, 8, 3)
    assert clean.dtype == noisy.dtype == np.uint8
    assert clean[0, 0].tolist() == [1, 2, 3]


def test_known_cameras_by_code_or_full_name(folder):
    rows = ["a.png,b.png,ip,100,x,train", "a.png,b.png,Apple iPhone 7,100,x,train"]
    assert {pair.condition.camera for pair in read_pairs(_manifest(folder, *rows))} == {"IP"}


def test_splits_keep_the_order(folder):
    _manifest(folder, "a.png,b.png,IP,1,x,val", "a.png,b.png,IP,2,x,train", "a.png,b.png,IP,3,x,val")
    assert [pair.condition.iso for pair in read_pairs(folder, "val")] == [1, 3]
    assert [pair.condition.iso for pair in read_pairs(folder, "train")] == [2]
    assert len(read_pairs(folder)) == 3


def test_scene_and_split_may_be_left_out(folder):
    [pair] = read_pairs(_manifest(folder, "a.png,b.png,IP,100", header="clean,noisy,camera,iso"))
    assert (pair.scene, pair.split) == ("a", "train")


def test_json_lines_say_the_same(folder):
    row = dict(zip(HEADER.split(","), ("a.png", "b.png", "IP", 400, "desk", "val"), strict=True))
    (folder / "list.jsonl").write_text(json.dumps(row) + "\n\n")
    [from_json] = read_pairs(folder / "list.jsonl")
    [from_csv] = read_pairs(_manifest(folder, ",".join(str(value) for value in row.values())))
    assert from_json == from_csv


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.png,,IP,100,x,train", "line 3: no noisy"),
        ("a.png,gone.png,IP,100,x,train", "line 3: .*gone.png does not exist"),
        ("a.png,b.png,IP,fast,x,train", "line 3: 'fast' is not an ISO"),
        ("a.png,b.png,IP,0,x,train", "line 3: 0 is not an ISO"),
        ("a.png,b.png,IP,100,x,test", "line 3: unknown split 'test'"),
        ("a.png,b.png", "line 3: no camera and no iso"),
    ],
)
def test_a_wrong_row_is_named(folder, row, said):
    manifest = _manifest(folder, "a.png,b.png,IP,100,x,train", row)
    with pytest.raises(UsageError, match=said) as caught:
        read_pairs(manifest)
    assert str(manifest) in str(caught.value)


def test_a_wrong_line_of_json_is_named(folder):
    (folder / "list.jsonl").write_text("{}\n{oops\n")
    with pytest.raises(UsageError, match="line 1: no clean"):
        read_pairs(folder / "list.jsonl")
    (folder / "list.jsonl").write_text("{oops\n")
    with pytest.raises(UsageError, match="line 1: not JSON"):
        read_pairs(folder / "list.jsonl")
    (folder / "list.jsonl").write_text("[1]\n")
    with pytest.raises(UsageError, match="line 1: Expected `object`"):
        read_pairs(folder / "list.jsonl")


def test_no_manifest_no_pairs_and_no_text(folder):
    with pytest.raises(UsageError, match=r"expected manifest.csv"):
        read_pairs(folder)
    with pytest.raises(UsageError, match="not paired data"):
        read_pairs(folder / "gone.csv")
    with pytest.raises(UsageError, match="cannot read"):
        read_pairs(folder / "a.png")
    with pytest.raises(UsageError, match="lists no val pairs"):
        read_pairs(_manifest(folder, "a.png,b.png,IP,100,x,train"), "val")


def test_pictures_of_different_size_are_refused_on_load(folder):
    [pair] = read_pairs(_manifest(folder, "a.png,wide.png,IP,100,x,train"))
    with pytest.raises(PictureError, match="8x8 and 9x8"):
        pair.load()
