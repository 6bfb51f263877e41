"""`nmflowgan make-pairs` as a user meets it: what is written, what is told, and what survives an interruption."""

import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from fakes import VOCABULARY, photograph, save_untrained
from processes import interruptible, nmflowgan, with_disk
from typer.testing import CliRunner, Result

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.cli import app
from nmflowgan_cli.cli.make_pairs import ContainerName, LayoutName
from nmflowgan_cli.data.containers import CONTAINERS
from nmflowgan_cli.data.layouts import LAYOUTS
from nmflowgan_cli.imaging import Picture, read, write
from nmflowgan_cli.pairs.cutting import patches

HEADER = Header(
    architecture="lite",
    options={"widths": [4, 4], "width": 4, "pointwise_width": 4},
    vocabulary=VOCABULARY,
    name="small",
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_untrained(tmp_path_factory.mktemp("weights") / "small.safetensors", HEADER)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with four clean pictures in a tree, one of them grey and one a JPEG."""
    for number, name in enumerate(("a.png", "b.jpg", "sub/c.png", "d.png")):
        write(tmp_path / "clean" / name, Picture(photograph(50 + 3 * number, 71, number), grey=name == "d.png"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: object, command: str = "make-pairs") -> Result:
    return CliRunner().invoke(app, [command, *map(str, arguments)])


def asked(weights: object, *more: object, camera: str = "IP,GP", iso: str = "100-800") -> tuple[object, ...]:
    return ("-c", camera, "-i", iso, "-o", "pairs", "--weights", weights, "--device", "cpu", "--patch", 32, *more)


def manifest(folder: str = "pairs") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(folder) / "manifest.jsonl").read_text().splitlines()]


def contents(folder: str) -> dict[str, bytes]:
    """Every file but the manifest, whose order and times of failures may differ, and LMDB's own bookkeeping."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.suffix != ".mdb")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.name != "manifest.jsonl"}


@pytest.mark.parametrize("model", ["lite", "isp"])
def test_a_patch_is_the_crop_of_what_synthesize_writes(weights: Path, model: str) -> None:
    chosen = weights if model == "lite" else "isp"
    done = call("clean", *asked(chosen, "--step", 20, "--repeats", 2, "--seed", 5))
    assert done.exit_code == 0, done.stderr
    condition = ("-c", "IP,GP", "-i", "100-800", "--weights", chosen, "--seed", 5, "--repeats", 2, "--device", "cpu")
    whole = call("clean", *condition, "-o", "noisy", "--tile", 64, command="synthesize")
    assert whole.exit_code == 0, whole.stderr
    conditions = {
        (record["relative_path"], record["repeat"]): (record["camera"], record["iso"]) for record in manifest("noisy")
    }
    records = manifest()
    assert len(records) == 2 * sum(len(patches(50 + 3 * number, 71, 32, 20)) for number in range(4))
    for record in records:
        path = Path(record["relative_path"])
        assert (record["camera"], record["iso"]) == conditions[str(path), record["repeat"]]
        rows, columns = (slice(record[start], record[start] + 32) for start in ("top", "left"))
        noisy = read(Path("noisy") / path.with_name(f"{path.stem}_r{record['repeat']}.png"))
        assert np.array_equal(read(Path("pairs") / record["noisy"]).rgb, noisy.rgb[rows, columns])
        assert np.array_equal(read(Path("pairs") / record["clean"]).rgb, read("clean" / path).rgb[rows, columns])


def test_counts_are_told_before_and_kept(weights: Path) -> None:
    dry = call("clean", *asked(weights, "--val-share", 0.25, "--repeats", 2, "--dry-run"))
    assert dry.exit_code == 0, dry.stderr
    assert dry.stderr == "noisy pictures: 8, pairs: 48 (train: 36, val: 12), files: 96, noise: small\n"
    assert not Path("pairs").exists()
    done = call("clean", *asked(weights, "--val-share", 0.25, "--repeats", 2, "-v"))
    assert done.stderr.splitlines()[0] == dry.stderr.strip()
    assert done.stderr.splitlines()[-1].startswith("pairs: 48, seconds: ")
    assert len(done.stdout.splitlines()) == 48
    assert all(Path(line).is_file() for line in done.stdout.splitlines())
    assert len(list(Path("pairs/train/clean").iterdir())) == 36
    assert len(list(Path("pairs/val/noisy").iterdir())) == 12
    assert len(Path("pairs/manifest.csv").read_text().splitlines()) == 49


def test_val_is_split_off_by_picture() -> None:
    held_out = set()
    for seed in range(4):
        given = ("--val-share", 0.5, "--repeats", 2, "--seed", seed, "--json", "-o", f"pairs{seed}")
        records = [json.loads(line) for line in call("clean", *asked("isp", *given)).stdout.splitlines()]
        assert {record["repeat"] for record in records} == {0, 1}
        splits = {part: {record["scene"] for record in records if record["split"] == part} for part in ("train", "val")}
        assert len(splits["train"]) == len(splits["val"]) == 2
        assert not splits["train"] & splits["val"]
        held_out.add(frozenset(splits["val"]))
    assert len(held_out) > 1


@pytest.mark.parametrize("container", ["folder", "lmdb", "webdataset"])
def test_resuming_makes_what_is_missing_and_nothing_else(weights: Path, container: str) -> None:
    given = ("clean", *asked(weights, "--container", container, "--shard-size", 7, "--val-share", 0.25, "-v"))
    assert call(*given).exit_code == 0
    straight, first = contents("pairs"), manifest()
    again = call(*given, "--resume")
    assert (again.exit_code, again.stdout) == (0, "")
    assert "pairs skipped: 24" in again.stderr
    write(Path("clean/a.png"), Picture(photograph(50, 71, 99)))
    changed = call(*given, "--resume")
    assert changed.exit_code == 0, changed.stderr
    remade = [record for record in manifest()[len(first) :] if record["relative_path"] == "a.png"]
    assert len(remade) == 6
    write(Path("clean/a.png"), Picture(photograph(50, 71, 0)))
    assert call(*given, "--resume").exit_code == 0
    assert contents("pairs") == straight
    if container == "folder":
        missing = Path("pairs") / next(r for r in first if r["relative_path"] == "sub/c.png")["noisy"]
        missing.unlink()
        assert len(call(*given, "--resume").stdout.splitlines()) == 6
        assert contents("pairs") == straight


@pytest.mark.parametrize("container", CONTAINERS)
def test_resume_makes_altered_outputs_again(container: str) -> None:
    """Cut off, changed in one byte, or removed: each is made again as it was, and nothing else is."""
    given = ("clean", *asked("isp", "--container", container, "--shard-size", 6), "--json", "--force")
    assert call(*given).exit_code == 0
    straight, records = contents("pairs"), manifest()
    by_input = [next(r for r in records if r["relative_path"] == name) for name in ("a.png", "sub/c.png", "d.png")]
    for damage, record in zip((cut_off, change_a_byte, remove), by_input, strict=True):
        damage(Path("pairs"), record)
        resumed = call(*given, "--resume")
        assert resumed.exit_code == 0, resumed.stderr
        made = [json.loads(line) for line in resumed.stdout.splitlines()]
        assert {one["relative_path"] for one in made} == {record["relative_path"]}
        assert contents("pairs") == straight
        assert "pairs skipped: 24" in call(*given, "--resume").stderr


def changed(folder: Path, record: dict[str, Any], change: Callable[[bytes], bytes | None]) -> None:
    """The noisy patch of a record, or the file that holds it, as `change` makes it; None removes it."""
    path = folder / record.get("file", record.get("noisy", ""))
    if path.suffix == ".lmdb":
        with lmdb.open(str(path), map_size=2**26) as database, database.begin(write=True) as writing:
            new = change(bytes(writing.get(record["key"].encode())))
            writing.delete(record["key"].encode())
            if new is not None:
                writing.put(record["key"].encode(), new)
        return
    new = change(path.read_bytes())
    path.unlink()
    if new is not None:
        path.write_bytes(new)


def cut_off(folder: Path, record: dict[str, Any]) -> None:
    changed(folder, record, lambda data: data[:100])


def change_a_byte(folder: Path, record: dict[str, Any]) -> None:
    changed(folder, record, lambda data: data[:-1] + bytes([data[-1] ^ 1]))


def remove(folder: Path, record: dict[str, Any]) -> None:
    changed(folder, record, lambda data: None)


@pytest.mark.parametrize("container", ["folder", "webdataset"])
def test_resume_replaces_nothing_that_is_not_its_own(container: str) -> None:
    given = ("clean", *asked("isp", "--container", container, "--resume"))
    users = Path("pairs") / ("manifest.csv" if container == "folder" else "train/00000.tar")
    users.parent.mkdir(parents=True)
    users.write_bytes(b"the user's")
    refused = call(*given)
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == (
        f"error: {users} would be replaced, and manifest.jsonl does not list it (move it away, or choose another -o)"
    )
    assert [path for path in Path("pairs").rglob("*") if path.is_file()] == [users]
    users.unlink()
    assert call(*given).exit_code == 0
    before = contents("pairs")
    other = call(*given, "--seed", 1)
    assert other.exit_code == 2
    assert re.search(r"pair train/a_s001 of pairs has other settings: .*seed was 0", other.stderr)
    assert contents("pairs") == before


def test_older_records_are_trusted_as_far_as_they_hold_hashes() -> None:
    for container, made in (("folder", 0), ("lmdb", 0), ("hdf5", 24)):
        given = ("clean", *asked("isp", "--container", container, "-o", container, "--force"))
        assert call(*given).exit_code == 0
        path = Path(container) / "manifest.jsonl"
        older = [
            {k: v for k, v in r.items() if not k.startswith("file_") and "size" not in k} for r in manifest(container)
        ]
        path.write_text("".join(json.dumps(record) + "\n" for record in older))
        assert (f"pairs: {made}" if made else "pairs skipped: 24") in call(*given, "--resume").stderr


def test_pairs_of_another_run_are_not_mixed(weights: Path) -> None:
    assert call("clean", *asked("isp")).exit_code == 0
    full = call("clean", *asked("isp"))
    assert full.exit_code == 2
    assert full.stderr == ("error: output folder pairs is not empty (--resume goes on with it, or choose another -o)\n")
    before = contents("pairs")
    other = call("clean", *asked("isp", "--layout", "nafnet", "--resume"))
    assert other.exit_code == 2
    assert "which this command would not make there" in other.stderr
    smaller = call("clean/a.png", *asked("isp", "--resume", "-q"))
    assert smaller.exit_code == 2
    assert contents("pairs") == before


def test_bad_pictures_do_not_stop_the_others(weights: Path) -> None:
    data = Path("clean/a.png").read_bytes()
    Path("clean/a.png").write_bytes(data[: len(data) // 2])  # the head is whole: found in the middle of the work
    Path("clean/b.jpg").write_text("text")
    write(Path("clean/small.png"), Picture(photograph(31, 80)))
    for container in ("folder", "webdataset"):
        done = call("clean", *asked("isp", "--container", container, "-o", container, "--force"))
        assert done.exit_code == 3, done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 3
        assert "clean/small.png is smaller than a patch: 80x31" in done.stderr
        assert "pairs: 12, pictures failed: 3" in done.stderr
        status = [record["status"] for record in manifest(container)]
        assert (status.count("done"), status.count("failed")) == (12, 3)
    assert len(list(Path("folder").rglob("*.png"))) == 24
    assert len(members(Path("webdataset"))) == 36
    assert call("clean/b.jpg", *asked("isp", "-o", "none")).exit_code == 3


def test_flat_patches_can_be_left_out() -> None:
    picture = photograph(64, 96)
    picture[:32, :64] = 200
    write(Path("flat/a.png"), Picture(picture))
    done = call("flat", *asked("isp", "--min-detail", 1.5, "--json"))
    assert "pairs: 4" in done.stderr
    corners = [(record["top"], record["left"]) for record in map(json.loads, done.stdout.splitlines())]
    assert corners == [(0, 64), (32, 0), (32, 32), (32, 64)]


def test_whole_pictures_in_sidds_folders() -> None:
    done = call("clean/sub", *asked("isp", "--patch", 0, "--layout", "sidd", "-v", camera="S6", iso="800"))
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "pairs/train/Data/0201_201_S6_00800_00000_0000_N/0201_NOISY_SRGB_010.PNG\n"
    [record] = manifest()
    assert np.array_equal(read(Path("pairs") / record["clean"]).rgb, read("clean/sub/c.png").rgb)
    again = call("pairs/train", "--patch", 32, "-o", "again", "--container", "hdf5", "-v")
    assert again.exit_code == 0, again.stderr
    assert again.stdout == "again/noise_gen/train/0201_0201_201_S6_00800_00000_0000_N.hdf5\n"


@pytest.fixture
def real(folder: Path) -> Path:
    """A manifest of real pairs: three pictures of two scenes."""
    lines = ["clean,noisy,camera,iso,scene,split"]
    for number, (scene, split) in enumerate((("x", "train"), ("x", "train"), ("y", "val"))):
        for side in ("clean", "noisy"):
            write(folder / f"real/{side}{number}.png", Picture(photograph(40, 64, number + 10 * (side == "noisy"))))
        lines.append(f"clean{number}.png,noisy{number}.png,Canon 5D2,{800 * (number + 1)},{scene},{split}")
    (folder / "real/manifest.csv").write_text("\n".join(lines))
    return folder / "real"


def test_real_pairs_are_cut_alike(real: Path) -> None:
    done = call("real", "--patch", 32, "-o", "pairs", "--json")
    assert done.exit_code == 0, done.stderr
    assert "pairs: 12 (train: 8, val: 4)" in done.stderr
    for record in map(json.loads, done.stdout.splitlines()):
        number = record["relative_path"][5]
        assert (record["camera"], record["iso"]) == ("Canon 5D2", 800 * (int(number) + 1))
        assert record["weights"] is None
        rows, columns = (slice(record[start], record[start] + 32) for start in ("top", "left"))
        for side in ("clean", "noisy"):
            expected = read(real / f"{side}{number}.png").rgb[rows, columns]
            assert np.array_equal(read(Path("pairs") / record[side]).rgb, expected)
    assert "skipped: 12" in call("real", "--patch", 32, "-o", "pairs", "--resume").stderr
    divided = call("real/manifest.csv", "--patch", 32, "-o", "divided", "--val-share", 0.1, "--seed", 1)
    assert divided.exit_code == 0, divided.stderr
    scenes = {(record["scene"], record["split"]) for record in manifest("divided")}
    assert len(scenes) == 2  # pairs of a scene stay together


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("clean", "-c", "IP", "-o", "pairs"), 2, "--iso is missing"),
        (("clean", "-o", "pairs"), 2, "clean is not paired data"),
        (("none", "-c", "IP", "-i", 100, "-o", "pairs", "--weights", "isp"), 2, "input none does not exist"),
        (("clean", "-c", "Nokia", "-i", 100, "-o", "pairs", "--weights", "isp"), 2, "camera 'Nokia' is unknown"),
        (("clean", "-c", "IP", "-i", 100, "-o", "pairs", "--weights", "no.safetensors"), 4, "no.safetensors"),
        (("clean", "-c", "IP", "-i", 100, "-o", "pairs", "--weights", "isp", "--val-share", 1), 2, "is no share"),
        (("clean/a.png", "-c", "IP", "-i", 100, "-o", "p", "--weights", "isp", "--val-share", 0.5), 2, "cannot be"),
        (("real", "-c", "IP", "-i", 100, "-o", "pairs", "--weights", "isp"), 2, "real holds pairs"),
        (("real", "-o", "pairs", "--repeats", 2), 2, "--repeats is for clean pictures"),
        (("real", "-o", "pairs", "--relative-to", "real"), 2, "--relative-to is for clean pictures"),
        (("clean", "-c", "IP", "-i", 100, "-o", "clean/a.png", "--weights", "isp"), 2, "is not empty"),
    ],
)
def test_mistakes(real: Path, arguments: tuple[object, ...], code: int, problem: str) -> None:
    done = call(*arguments)
    assert done.exit_code == code, done.output
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert problem in done.stderr
    assert not Path("pairs").exists()


def test_pictures_that_would_share_names_are_kept_apart() -> None:
    assert call("clean", *asked("isp", "--repeats", 2)).exit_code == 0
    before = {record["key"] for record in manifest()}
    write(Path("clean/sub_c.png"), Picture(photograph(50, 40)))
    write(Path("clean/sub/c.jpg"), Picture(photograph(50, 40)))
    shutil.rmtree("pairs")
    assert call("clean", *asked("isp", "--repeats", 2)).exit_code == 0
    stems: dict[str, set[str]] = {}
    for record in manifest():
        stems.setdefault(record["relative_path"], set()).add(re.sub(r"_r\d_s\d+$", "", record["key"]))
    apart = [stems[name].pop() for name in ("sub/c.png", "sub_c.png", "sub/c.jpg")]
    assert len(set(apart)) == 3
    assert all(re.fullmatch(r"sub_c_[0-9a-f]{8}", stem) for stem in apart)
    assert {key for key in before if "sub_c" not in key} < {record["key"] for record in manifest()}


def test_one_picture_twice_is_told() -> None:
    write(Path("more/a.png"), Picture(photograph(40, 40)))
    done = call("clean", "more", *asked("isp"))
    assert done.exit_code == 2
    assert "clean/a.png and more/a.png would have the same names" in done.stderr


def process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nmflowgan_cli", "make-pairs", *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def entries(path: Path) -> set[str]:
    with lmdb.open(str(path), readonly=True, lock=False) as database, database.begin() as reading:
        return {bytes(key).decode() for key, _ in reading.cursor()}


def members(folder: Path) -> list[str]:
    names: list[str] = []
    for path in folder.rglob("*.tar"):
        with tarfile.open(path) as archive:
            names += archive.getnames()
    return names


def check_whole(container: str) -> None:
    """Everything that is there can be read, and nothing is half a pair."""
    assert not list(Path("pairs").rglob("*.part"))
    done = {record["key"] for record in manifest() if record["status"] == "done"}
    if container == "folder":
        names = [sorted(path.stem for path in Path(f"pairs/train/{side}").iterdir()) for side in ("clean", "noisy")]
        assert names[0] == names[1]
        assert done <= set(names[0])
        assert all(read(path).rgb.shape == (32, 32, 3) for path in Path("pairs").rglob("*.png"))
    elif container == "lmdb":
        listed = {line.split(".")[0] for line in Path("pairs/train/gt.lmdb/meta_info.txt").read_text().splitlines()}
        assert done == listed <= entries(Path("pairs/train/gt.lmdb")) & entries(Path("pairs/train/lq.lmdb"))
    else:
        names = members(Path("pairs"))
        assert {name.split(".")[0] for name in names} >= done
        assert len(names) % 3 == 0


@pytest.mark.parametrize(
    ("container", "number"),
    [
        ("folder", signal.SIGINT),
        pytest.param("lmdb", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("webdataset", signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_leaves_whole_things_and_goes_on(container: str, number: signal.Signals) -> None:
    given = ("clean", *asked("isp", "--container", container, "--shard-size", 20, "--repeats", 15, "--workers", 1))
    with interruptible():
        running = process(*given, "-v")
    with running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("pairs/train/")
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert re.fullmatch(r"interrupted: \d+ of \d+ p\w+ are done; go on with --resume", err.splitlines()[-1])
    assert "Traceback" not in err
    check_whole(container)
    made = sum(record["status"] == "done" for record in manifest())
    assert 0 < made < 4 * 6 * 15
    resumed = call(*given, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "pairs skipped: " in resumed.stderr
    straight = call(*given, "-o", "straight")
    assert straight.exit_code == 0
    assert contents("pairs") == contents("straight")
    check_whole(container)


@pytest.mark.parametrize(
    "container",
    ["folder", pytest.param("webdataset", marks=pytest.mark.slow), pytest.param("hdf5", marks=pytest.mark.slow)],
)
def test_a_full_disk_ends_the_run_and_leaves_whole_things(container: str) -> None:
    """Files beyond a size cannot be written: the fourth picture is too large for that."""
    write(Path("clean/large.png"), Picture(np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    given = ("clean", *asked("isp", "--container", container, "--patch", 0, "--shard-size", 1, "-v"))
    with process(*given, preexec_fn=limit) as running:
        out, err = running.communicate(timeout=60)
    assert running.returncode == 1, err
    rest = "(3 of 5 pairs are done; mend that, then go on with --resume)"
    assert err.splitlines()[-1] == f"error: cannot write to pairs: File too large {rest}"
    assert len(out.splitlines()) == 3
    assert [record["relative_path"] for record in manifest()] == ["a.png", "b.jpg", "d.png"]
    assert not list(Path("pairs").rglob("*.part"))
    resumed = call(*given, "--resume")
    assert resumed.exit_code == 0
    assert "pairs: 2, pairs skipped: 3" in resumed.stderr


def test_what_was_cut_before_the_disk_was_full_stays_and_the_rest_follows(folder: Path) -> None:
    make = ("make-pairs", "clean", *asked("isp", "-o", "disk/pairs", "--workers", 1))
    script = (
        f"{nmflowgan(*make)} 2>err; echo $?",
        "cp -r disk/pairs pairs",
        "mount -o remount,size=10m disk",
        f"{nmflowgan(*make, '--resume')} 2>&1; echo $?",
        "cp -r disk/pairs whole",
    )
    done = with_disk(folder, "size=120k", *script)
    code, *summary, resumed = done.stdout.splitlines()
    assert (code, resumed) == ("1", "0"), done.stdout
    error = Path("err").read_text().splitlines()[-1]
    made = sum(record["status"] == "done" for record in manifest())
    assert 0 < made < 24
    assert error.startswith("error: cannot write ")
    reason = f"No space left on device ({made} of 24 pairs are done; make room, then go on with --resume)"
    assert error.endswith(reason)
    check_whole("folder")
    assert summary[-1].startswith(f"pairs: {24 - made}, pairs skipped: {made}, seconds: ")
    assert call("clean", *asked("isp", "-o", "straight")).exit_code == 0
    assert contents("whole") == contents("straight")


def test_files_are_printed_if_asked_for() -> None:
    plain = call("clean/a.png", *asked("isp", "-o", "plain"))
    assert (plain.exit_code, plain.stdout) == (0, "")
    assert "pairs: 6, seconds: " in plain.stderr
    names = [f"verbose/train/noisy/a_s{number:03d}.png" for number in range(1, 7)]
    assert call("clean/a.png", *asked("isp", "-o", "verbose", "-v")).stdout.splitlines() == names
    null = call("clean/a.png", *asked("isp", "-o", "null", "-v", "-0")).stdout
    assert null == "".join(f"{name.replace('verbose', 'null')}\0" for name in names)
    silent = call("clean/a.png", *asked("isp", "-o", "silent", "-v", "-q"))
    assert (silent.exit_code, silent.output) == (0, "")


def test_a_list_is_the_folder_if_it_is_relative_to_it() -> None:
    listed = "".join(f"clean/{name}\0" for name in ("a.png", "b.jpg", "d.png", "sub/c.png"))
    arguments = ["make-pairs", "-", *map(str, asked("isp", "-o", "listed")), "-0", "--relative-to", "clean"]
    done = CliRunner().invoke(app, arguments, input=listed)
    assert done.exit_code == 0, done.stderr
    assert call("clean", *asked("isp", "-o", "whole")).exit_code == 0
    assert contents("listed") == contents("whole")


def test_the_choices_of_the_options_are_those_of_the_library() -> None:
    assert list(ContainerName) == list(CONTAINERS)
    assert list(LayoutName) == list(LAYOUTS)


def test_results_may_be_json_with_paths_and_hashes(weights: Path) -> None:
    done = call("clean/a.png", *asked(weights, "--json", "-q", "--container", "parquet"))
    assert (done.exit_code, done.stderr) == (0, "")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert records == manifest()
    assert {record["file"] for record in records} == {"train/00000.parquet"}
    assert {record["weights"] for record in records} == {"small"}
    assert all(len(record[name]) == 64 for record in records for name in ("input_sha256", "noisy_sha256"))
    assert io.StringIO(done.stdout).readline().startswith('{"status": "done", "key": "a_s001"')
