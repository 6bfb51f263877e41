"""Readers of paired data: accepted forms, the pairs, and the errors of wrong ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import SHARED

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data import sidd_instances as sidd
from nmflowgan_cli.data.folders import read_folder_pair
from nmflowgan_cli.data.reading import divide, read_paired, scene_of
from nmflowgan_cli.data.sidd import read_sidd
from nmflowgan_cli.data.sidd_blocks import INSTANCES, read_sidd_blocks
from nmflowgan_cli.data.sidd_instances import find_instance
from nmflowgan_cli.errors import PictureError, UsageError

NAMES = (
    "0004_001_S6_00100_00060_4400_L",  # trains
    "0027_001_G4_00800_00350_5500_L",  # trains
    "0054_003_N6_00100_00160_5500_N",  # tests
    "0001_001_S6_00100_00060_3200_L",  # in the denoiser's 123 alone
    "0036_002_GP_06400_03200_3200_N",  # in none
)


def picture(path, value=0, size=(40, 36)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """SIDD as it is downloaded, at one pixel in ten thousand."""
    for name in NAMES:
        for frame in ("010", "011"):
            for kind, value in (("GT", 10), ("NOISY", 20)):
                picture(tmp_path / "SIDD" / "Data" / name / f"{name[:4]}_{kind}_SRGB_{frame}.PNG", value)
    return tmp_path / "SIDD"


def test_sidd_folders_become_pairs(folder):
    pairs = read_sidd(folder)
    assert len(pairs) == 10
    pair = next(pair for pair in pairs if NAMES[4] in pair.name)
    assert (pair.condition, pair.scene) == (Condition("GP", 6400), NAMES[4])
    assert pair.name == f"Data/{NAMES[4]}/0036_NOISY_SRGB_010.PNG"
    clean, noisy = pair.load()
    assert (clean.max(), noisy.min(), pair.size()) == (10, 20, (1, 36, 40))


def test_small_sidd_has_names_without_numbers_and_suffixes_in_lower_case(tmp_path):
    for kind in ("GT", "NOISY"):
        picture(tmp_path / "Data" / NAMES[0] / f"{kind}_SRGB_010.png")
    [pair] = read_sidd(tmp_path)
    assert pair.condition == Condition("S6", 100)


@pytest.mark.parametrize(
    ("split", "train", "val"),
    [
        ("nm-flowgan", {4, 27}, {54}),
        ("denoiser", {1, 4, 27, 54}, set()),
        ("all", {1, 4, 27, 36, 54}, set()),
        ("002,003", {1, 4, 27}, {36, 54}),
    ],
)
def test_published_splits_and_scenes(folder, split, train, val):
    found, usual = read_paired(folder)
    assert usual == "nm-flowgan"
    chosen = divide(found, split)
    numbers = {part: {int(Path(pair.name).name[:4]) for pair in pairs} for part, pairs in chosen.items()}
    assert numbers == {"train": train, "val": val}


def test_the_paper_trains_and_tests_on_different_instances():
    assert (len(sidd.TRAIN_INSTANCES), len(sidd.TEST_INSTANCES)) == (56, 22)
    assert not sidd.TRAIN_INSTANCES & sidd.TEST_INSTANCES
    assert sum(map(len, sidd.DENOISER_ISOS.values())) == 15


def test_a_picture_without_its_partner_is_named(folder):
    lonely = next(folder.rglob("0054_NOISY_SRGB_011.PNG"))
    lonely.unlink()
    with pytest.raises(UsageError, match=r"0054_GT_SRGB_011\.PNG has no partner 0054_NOISY_SRGB_011\.PNG"):
        read_sidd(folder)
    next(folder.rglob("0054_GT_SRGB_011.PNG")).rename(lonely)
    with pytest.raises(UsageError, match=r"0054_NOISY_SRGB_011\.PNG has no partner"):
        read_sidd(folder)


@pytest.mark.parametrize("name", ["0004_001_S6_00100", "pictures", "0004_001_S6_00100_00060_4400_X"])
def test_a_folder_that_does_not_parse_is_named(folder, name):
    (folder / "Data" / NAMES[0]).rename(folder / "Data" / name)
    with pytest.raises(UsageError, match=f"'{name}' is not the name of a scene instance"):
        read_sidd(folder)


def test_pictures_in_the_folder_of_another_instance(folder):
    (folder / "Data" / NAMES[0]).rename(folder / "Data" / NAMES[0].replace("0004", "0005"))
    with pytest.raises(UsageError, match="does not belong to scene instance 0005"):
        read_sidd(folder)


def test_names_of_other_cameras_are_parsed():
    instance = find_instance("train/Data/0007_012_D800_01600_00000_0000_N/x.PNG")
    assert instance is not None
    assert (instance.number, instance.scene, instance.condition) == (7, "012", Condition("D800", 1600))
    assert find_instance("photos/0007.png") is None


def test_sizes_that_differ_are_found_without_decoding(folder):
    wide = picture(next(folder.rglob("0004_NOISY_SRGB_010.PNG")), size=(41, 36))
    pair = next(pair for pair in read_sidd(folder) if pair.noisy == wide)
    with pytest.raises(PictureError, match="differ in size: 40x36 and 41x36"):
        pair.size()


def test_folder_pairs(tmp_path):
    for name in ("a.png", "deep/b.png"):
        picture(tmp_path / "clean" / name, 1)
        picture(tmp_path / "noisy" / name, 2)
    first, second = read_folder_pair(tmp_path, Condition("X1", 640))
    assert (first.name, second.name, second.scene) == ("a.png", "deep/b.png", "b")
    assert first.condition == Condition("X1", 640)
    assert [array.max() for array in second.load()] == [1, 2]
    with pytest.raises(UsageError, match=r"a\.png does not name its camera and ISO .*--camera and --iso"):
        read_folder_pair(tmp_path)
    picture(tmp_path / "noisy" / "c.png")
    with pytest.raises(UsageError, match=r"c\.png has no partner in .*clean"):
        read_folder_pair(tmp_path, Condition("X1", 640))
    picture(tmp_path / "clean" / "c.bmp")
    picture(tmp_path / "clean" / "c.png")
    with pytest.raises(UsageError, match=r"c\.bmp and .*c\.png have the same name"):
        read_folder_pair(tmp_path, Condition("X1", 640))


def test_folder_pairs_take_the_condition_of_a_scene_instance(tmp_path):
    for part in ("clean", "noisy"):
        picture(tmp_path / part / f"{NAMES[1]}.png")
    [pair] = read_folder_pair(tmp_path, Condition("X1", 640))
    assert (pair.condition, pair.scene) == (Condition("G4", 800), NAMES[1])


def manifest(tmp_path, *rows):
    picture(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("\n".join(("clean,noisy,camera,iso,scene,split", *rows)))
    return tmp_path


def test_a_scene_in_both_splits_is_refused(tmp_path):
    found, _ = read_paired(manifest(tmp_path, "a.png,a.png,IP,100,desk,train", "a.png,a.png,IP,200,desk,val"))
    with pytest.raises(UsageError, match=r"scene desk is in both splits: a\.png trains, a\.png validates"):
        divide(found)
    assert len(divide(found, "all")["train"]) == 2


def test_instances_of_one_scene_leak_as_well(tmp_path):
    rows = [f"a.png,a.png,S6,100,{name},{split}" for name, split in ((NAMES[0], "train"), (NAMES[1], "val"))]
    found, _ = read_paired(manifest(tmp_path, *rows))
    assert scene_of(found[0]) == "001"
    with pytest.raises(UsageError, match="scene 001 is in both splits"):
        divide(found)


def test_splits_that_do_not_fit(tmp_path):
    found, usual = read_paired(manifest(tmp_path, "a.png,a.png,IP,100,desk,val"))
    assert usual == ""
    with pytest.raises(UsageError, match="no train pairs of 1"):
        divide(found)
    with pytest.raises(UsageError, match=r"'chair' is no split and no scene .*scenes: desk"):
        divide(found, "desk,chair")
    with pytest.raises(UsageError, match=r"a\.png names no SIDD scene instance, which --split nm-flowgan needs"):
        divide(found, "nm-flowgan")


def test_data_of_no_kind(tmp_path):
    with pytest.raises(UsageError, match="gone does not exist"):
        read_paired(tmp_path / "gone")
    with pytest.raises(UsageError, match="is not paired data"):
        read_paired(tmp_path)


# HDF5


def write_hdf5(path, *, patches=3, noisy=None, **config):
    h5py = pytest.importorskip("h5py")
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(0, 256, (2, patches, 3, 34, 33), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        for group, arrays, count in (("clean", values[0], patches), ("noisy", values[1], noisy or patches)):
            for key in range(count):
                file[f"{group}/{key}"] = arrays[key]
        file.create_group("config").attrs.update(
            {"scene-number": 3, "smartphone-code": 2, "ISO-level": 800, "scene-instance-number": 61} | config
        )
    return values


def test_official_hdf5_files_become_stacks_of_patches(tmp_path, monkeypatch):
    monkeypatch.setattr("nmflowgan_cli.data.containers.hdf5.CHUNK", 8)
    values = write_hdf5(tmp_path / "train" / "0000_x.hdf5", patches=12)
    write_hdf5(tmp_path / "test" / "0001_y.hdf5", **{"smartphone-code": "D800", "scene-number": 7})
    found, _ = read_paired(tmp_path)
    test, first, second = found
    assert (test.split, test.scene, test.condition) == ("val", "007", Condition("D800", 800))
    assert (first.split, first.scene, first.condition) == ("train", "003", Condition("S6", 800))
    assert (first.size(), second.size()) == ((8, 34, 33), (4, 34, 33))
    for group in (0, 1):
        loaded = np.concatenate([first.load()[group], second.load()[group]])
        assert np.array_equal(loaded, values[group].transpose(0, 2, 3, 1))


def test_wrong_hdf5_files_are_named(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.hdf5"
    for config, message in (
        ({"smartphone-code": 9}, "camera 9 at ISO 800 does not exist"),
        ({"ISO-level": 0}, "0 is not an ISO speed"),
        ({"ISO-level": "fast"}, "config lacks camera and ISO"),
    ):
        write_hdf5(path, **config)
        with pytest.raises(UsageError, match=f"a.hdf5.*{message}"):
            read_paired(path)
    write_hdf5(path, noisy=2)
    with pytest.raises(UsageError, match=r"a\.hdf5: patch '2' has no partner"):
        read_paired(path)
    with h5py.File(path, "w") as file:
        file["clean/0"] = np.zeros((3, 8, 8), np.uint8)
    with pytest.raises(UsageError, match=r"a\.hdf5 has no group 'noisy'"):
        read_paired(path)
    path.write_bytes(b"no")
    with pytest.raises(UsageError, match=r"a\.hdf5 is not an HDF5 file"):
        read_paired(tmp_path)


# SIDD's validation blocks


def write_blocks(folder, *, rows=40, blocks=2):
    io = pytest.importorskip("scipy.io")
    values = np.random.default_rng(0).integers(0, 256, (2, rows, blocks, 8, 8, 3), dtype=np.uint8)
    for name, array in zip(("ValidationGtBlocksSrgb", "ValidationNoisyBlocksSrgb"), values, strict=True):
        io.savemat(folder / f"{name}.mat", {name: array})
    return values


def test_validation_blocks_know_their_instances(tmp_path):
    values = write_blocks(tmp_path)
    found, _ = read_paired(tmp_path)
    assert len(found) == len(set(INSTANCES)) == 40
    pair = found[18]
    assert (pair.name, pair.condition, pair.split) == ("0085_004_GP_06400_02000_4400_N", Condition("GP", 6400), "val")
    assert pair.size() == (2, 8, 8)
    assert all(np.array_equal(array, values[group, 18]) for group, array in enumerate(pair.load()))
    assert not {int(name[:4]) for name in INSTANCES} & (sidd.TRAIN_INSTANCES | sidd.TEST_INSTANCES)


def test_wrong_validation_blocks_are_named(tmp_path):
    write_blocks(tmp_path, rows=39)
    with pytest.raises(UsageError, match=r"expected \(40, N, H, W, 3\)"):
        read_sidd_blocks(tmp_path)
    noisy = tmp_path / "ValidationNoisyBlocksSrgb.mat"
    shutil.copy(tmp_path / "ValidationGtBlocksSrgb.mat", noisy)
    with pytest.raises(UsageError, match=r"has no variable ValidationNoisyBlocksSrgb \(it has ValidationGtBlocksSrgb"):
        read_sidd_blocks(tmp_path)
    noisy.unlink()
    with pytest.raises(UsageError, match=r"ValidationNoisyBlocksSrgb\.mat does not exist"):
        read_paired(tmp_path)


def test_the_order_of_the_blocks_agrees_with_labelled_ones():
    data = SHARED / "data" / "sidd" / "native"
    if not data.is_dir():
        pytest.skip("labelled validation blocks are not here")
    found, _ = read_paired(data)
    for pair in found:
        if Path(pair.name).name.startswith("val_"):
            assert INSTANCES[int(Path(pair.name).name[4:8])] == pair.scene
