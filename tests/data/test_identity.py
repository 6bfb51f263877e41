"""Identity of SIDD's pictures through every container and layout, and the published splits of what comes back."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from writers import ISP, WRITERS, made, photographs

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.reading import Paired, Splits, allot, divide, read_paired, scene_of
from nmflowgan_cli.data.sidd_instances import (
    INSTANCES,
    TEST_INSTANCES,
    TRAIN_INSTANCES,
    SceneInstance,
    find_frame,
    find_instance,
)
from nmflowgan_cli.errors import UsageError

# fmt: off
AUTHORS_TRAIN = (
    4, 11, 13, 17, 18, 20, 22, 23, 25, 27, 28, 29, 30, 34, 35, 39, 40, 42, 43, 44, 45, 47, 81, 86, 88, 90, 101, 102,
    104, 105, 110, 111, 115, 116, 125, 126, 127, 129, 132, 135, 138, 140, 175, 177, 178, 179, 180, 181, 185, 186, 189,
    192, 193, 194, 196, 197,
)
AUTHORS_TEST = (54, 55, 57, 59, 60, 62, 63, 66, 150, 151, 152, 154, 155, 159, 160, 161, 163, 164, 165, 166, 198, 199)
# fmt: on
"""The numbers of the scene instances in the authors' preparation, which leaves out all others: prep.py of
https://github.com/YoungJooHan/NM-FlowGAN, TRAIN_NOISEGEN_INDICES and TEST_INDICES."""
NAMES = (
    "0004_001_S6_00100_00060_4400_L",  # trains
    "0027_001_G4_00800_00350_5500_L",  # trains, same scene
    "0054_003_N6_00100_00160_5500_N",  # tests
    "0150_007_S6_00800_00350_3200_N",  # tests
    "0001_001_S6_00100_00060_3200_L",  # is in the denoiser's part alone
    "0036_002_GP_06400_03200_3200_H",  # is in none
)
FRAMES = (10, 11)


def place(folder: Path, name: str, frame: int, size: tuple[int, int] = (66, 80)) -> None:
    """A pair whose noisy pixels say which instance and frame they are of."""
    (folder / "Data" / name).mkdir(parents=True, exist_ok=True)
    for kind, colour in (("GT", (1, 2, 3)), ("NOISY", (int(name[:4]), frame, 3))):
        picture = np.full((*size, 3), colour, np.uint8)
        Image.fromarray(picture).save(folder / "Data" / name / f"{name[:4]}_{kind}_SRGB_{frame:03d}.PNG")


@pytest.fixture(scope="module")
def sidd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("SIDD")
    for name in NAMES:
        for frame in FRAMES:
            place(folder, name, frame)
    return folder


def shown(pair: Paired) -> tuple[int, int]:
    """Number of the instance and of the frame that the pixels of a pair say."""
    noisy = pair.load()[1]
    number, frame, _ = (int(value) for value in noisy.reshape(-1, 3)[0])
    assert (noisy == (number, frame, 3)).all()
    return number, frame


def parts(splits: Splits) -> dict[str, set[tuple[int, int]]]:
    return {part: {shown(pair) for pair in pairs} for part, pairs in splits.items()}


def stated(pair: Paired) -> SceneInstance:
    """The instance by the scene, or by the name, as splits look for it."""
    instance = find_instance(pair.scene) or find_instance(pair.name)
    assert instance is not None
    return instance


@pytest.mark.parametrize("cut", [("--patch", 0), ("--patch", 64, "--step", 16)], ids=["whole", "patches"])
@pytest.mark.parametrize("writer", WRITERS)
def test_sidd_comes_back_as_it_was(writer: str, cut: tuple[object, ...], sidd: Path, tmp_path: Path) -> None:
    found, _ = read_paired(made(tmp_path / "pairs", sidd, *cut, *WRITERS[writer]))
    originals, _ = read_paired(sidd)
    assert {shown(pair) for pair in found} == {(int(name[:4]), frame) for name in NAMES for frame in FRAMES}
    assert sum(pair.size()[0] for pair in found) == len(originals) * (4 if 64 in cut else 1)
    known = {int(name[:4]): find_instance(name) for name in NAMES}
    for pair in found:
        number, frame = shown(pair)
        instance = known[number]
        assert instance is not None
        assert stated(pair) == instance
        assert (pair.condition, scene_of(pair)) == (instance.condition, instance.scene)
        assert frame_of(pair, tmp_path / "pairs") == frame
        assert pair.origin.real
    for split in ("nm-flowgan", "denoiser", "all", "003,007"):
        assert parts(divide(found, split)) == parts(divide(originals, split))


def frame_of(pair: Paired, root: Path) -> int | None:
    """The frame by the name of the pair; HDF5 has an attribute of the file."""
    path = root / pair.name.partition("#")[0]
    if path.suffix != ".hdf5":
        return find_frame(pair.name)
    with h5py.File(path) as file:
        return int(file.attrs["frame"])


def test_the_lists_are_those_of_the_authors() -> None:
    assert frozenset(AUTHORS_TRAIN) == TRAIN_INSTANCES
    assert frozenset(AUTHORS_TEST) == TEST_INSTANCES


def authors_part(number: int) -> str:
    """What the authors' preparation does with a scene instance, by its number alone."""
    return "train" if number in AUTHORS_TRAIN else "val" * (number in AUTHORS_TEST)


def ours(found: Sequence[Paired]) -> dict[int, str]:
    splits = allot(found, "nm-flowgan")
    known = {shown(pair)[0]: part for part, pairs in splits.items() for pair in pairs}
    return {number: known.get(number, "") for number in {shown(pair)[0] for pair in found}}


def test_the_authors_preparation_and_ours_divide_alike(tmp_path: Path) -> None:
    """All 200 numbers, by what their code looks at: the folder's name, and the attribute of HDF5 files."""
    for number in range(1, INSTANCES + 1):
        scene = {"train": "001", "val": "002", "": "003"}[authors_part(number)]
        place(tmp_path / "SIDD", f"{number:04d}_{scene}_S6_00100_00060_3200_L", 10, (4, 4))
    expected = {number: authors_part(number) for number in range(1, INSTANCES + 1)}
    assert ours(read_paired(tmp_path / "SIDD")[0]) == expected
    folders = made(tmp_path / "folders", tmp_path / "SIDD", "--patch", 0, "--layout", "sidd")
    assert ours(read_paired(folders)[0]) == expected
    for path in folders.rglob("*_NOISY_*"):
        assert int(path.parent.name.split("_")[0]) == np.asarray(Image.open(path))[0, 0, 0]
    files = made(tmp_path / "files", tmp_path / "SIDD", "--patch", 0, "--container", "hdf5")
    assert ours(read_paired(files)[0]) == expected
    for path in files.rglob("*.hdf5"):
        with h5py.File(path) as file:
            number = int(file["config"].attrs["scene-instance-number"])
            assert number == int(path.name.split("_")[1]) == file["noisy/0"][0, 0, 0]
    divided = made(tmp_path / "d", tmp_path / "SIDD", "--patch", 0, "--container", "hdf5", "--split", "nm-flowgan")
    placed = {int(path.name.split("_")[1]): path.parent.name for path in divided.glob("noise_gen/*/*.hdf5")}
    assert placed == dict.fromkeys(AUTHORS_TRAIN, "train") | dict.fromkeys(AUTHORS_TEST, "test")


@pytest.mark.parametrize("writer", WRITERS)
def test_synthetic_pairs_are_in_no_published_split(writer: str, tmp_path: Path) -> None:
    """Not even those of SIDD's clean pictures, of any camera: they are not the pairs that the split is of."""
    clean = photographs(tmp_path / "clean", (f"{NAMES[0]}.png", f"{NAMES[3]}.png", "0004.png", "a.png"))
    root = made(tmp_path / "pairs", clean, *ISP, "--patch", 0, *WRITERS[writer])
    found, _ = read_paired(root)
    assert len(found) == 4
    if "hdf5" in writer or "sidd" in writer:
        numbers = {int(path.name[:4]) for path in root.rglob("*.hdf5")} | {
            int(path.name[:4]) for path in root.rglob("*_SRGB_*")
        }
        assert numbers == {201, 202, 203, 204}
    for split in ("nm-flowgan", "denoiser"):
        assert allot(found, split) == {"train": [], "val": []}
        with pytest.raises(UsageError, match=r"no train pairs of 4 .*--split all"):
            divide(found, split)


def test_pairs_under_a_name_of_another_camera_are_not_sidds_own(tmp_path: Path) -> None:
    """A manifest may say so: the camera and the ISO of the noise are what counts."""
    photographs(tmp_path / "real", ("c.png", "n.png"))
    row = f"c.png,n.png,GP,3200,{NAMES[0]},train,real"
    (tmp_path / "real" / "manifest.csv").write_text(f"clean,noisy,camera,iso,scene,split,noise\n{row}\n")
    for writer in ("folder-sidd", "hdf5"):
        root = made(tmp_path / writer, tmp_path / "real", "--patch", 0, *WRITERS[writer])
        [pair] = read_paired(root)[0]
        assert pair.condition == Condition("GP", 3200)
        [place] = [*root.rglob("*.hdf5"), *root.rglob("*_NOISY_*")]
        assert "0201_201_GP_03200" in str(place)
