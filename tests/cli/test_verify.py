"""`nmflowgan verify` as a user meets it: after damage, after kills, and its repair."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import photograph

from nmflowgan_cli.data.containers import CONTAINERS
from nmflowgan_cli.imaging import Picture, write

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
CONDITION = ("-c", "IP", "-i", "400", "--weights", "isp", "--device", "cpu")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with three clean pictures."""
    for number, name in enumerate(("a.png", "b.jpg", "sub/c.png")):
        write(tmp_path / "clean" / name, Picture(photograph(40 + number, 41, number)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "nmflowgan_cli", *map(str, arguments)]


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=False
    )


def pictures(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*.png")}


def test_each_kind_of_damage_is_a_line_and_is_repaired() -> None:
    assert call("synthesize", "clean", *CONDITION, "-o", "noisy").returncode == 0
    whole = pictures("noisy")
    fine = call("verify", "noisy")
    assert (fine.returncode, fine.stdout, fine.stderr) == (0, "", "outputs: 3, all as recorded\n")
    Path("noisy/a.png").write_bytes(whole["a.png"][:100])
    Path("noisy/sub/c.png").unlink()
    Path("noisy/notes.txt").write_text("the user's")
    Path("noisy/.a.png.0123456789ab.part").touch()
    found = call("verify", "noisy", "--json")
    assert found.returncode == 3
    lines = [tuple(json.loads(line).values()) for line in found.stdout.splitlines()]
    leftover = ("leftover", ".a.png.0123456789ab.part")
    foreign = ("foreign", "notes.txt")
    assert lines == [leftover, ("altered", "a.png"), foreign, ("missing", "sub/c.png")]
    repaired = call("verify", "noisy", "--repair")
    assert (repaired.returncode, repaired.stdout) == (3, "foreign: notes.txt\n"), repaired.stderr
    assert pictures("noisy") == whole
    Path("noisy/notes.txt").unlink()
    assert call("verify", "noisy").returncode == 0


def test_an_input_that_is_gone_or_changed_is_named() -> None:
    assert call("synthesize", "clean", *CONDITION, "-o", "noisy").returncode == 0
    for name in ("a.png", "b.png"):
        Path("noisy", name).unlink()
    Path("clean/a.png").unlink()
    write(Path("clean/b.jpg"), Picture(photograph(40, 41, 9)))
    done = call("verify", "noisy", "--repair")
    assert (done.returncode, done.stdout) == (3, "missing: a.png\nmissing: b.png\n")
    assert done.stderr.splitlines()[:2] == [
        "error: cannot make noisy/a.png again: its input clean/a.png cannot be read: No such file or directory",
        "error: cannot make noisy/b.png again: its input clean/b.jpg has changed",
    ]


def contents(folder: str) -> dict[str, bytes]:
    """Every file but the journal, to which a repair adds records, and the lock files of databases."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in paths if path.name not in ("manifest.jsonl", "lock.mdb")}


def outputs_of(record: dict[str, Any]) -> list[Path]:
    paths = [Path("pairs", record[name]) for name in ("file", "clean", "noisy") if name in record]
    return [path / "data.mdb" if path.is_dir() else path for path in paths]


@pytest.mark.parametrize("container", [*CONTAINERS, "restormer", "sidd", "nafnet.lmdb"])
def test_pairs_of_every_container_are_made_again(container: str) -> None:
    """What is deleted, cut off or changed has the bytes of the first run after the repair, and nothing else changes."""
    asked = ("--container", container) if container in CONTAINERS else ("--layout", container.split(".")[0])
    asked = (*asked, "--container", "lmdb") if container.endswith("lmdb") else asked
    given = ("make-pairs", "clean", *CONDITION, "--patch", 20, "--shard-size", 6, *asked, "-o", "pairs")
    assert call(*given, "--repeats", 2, "--val-share", 0.4).returncode == 0
    first = contents("pairs")
    assert call("verify", "pairs").returncode == 0
    records = [json.loads(line) for line in Path("pairs/manifest.jsonl").read_text().splitlines()]
    cut, gone = outputs_of(records[0])[-1], outputs_of(records[-1])[0]
    for path in (cut, gone):
        assert str(path) in first
    cut.write_bytes(first[str(cut)][: len(first[str(cut)]) // 2])
    gone.unlink()
    assert call("verify", "pairs").returncode == 3
    found = call("verify", "pairs", "--repair")
    assert (found.returncode, found.stdout) == (0, ""), found.stderr
    assert found.stderr.endswith(", all as recorded\n")
    assert contents("pairs") == first


def test_real_pairs_are_cut_again_and_a_changed_input_is_named() -> None:
    assert call("synthesize", "clean", *CONDITION, "-o", "noisy").returncode == 0
    rows = [f"clean/{name}.{kind},noisy/{name}.png,IP,400" for name, kind in (("a", "png"), ("b", "jpg"))]
    Path("real.csv").write_text("\n".join(["clean,noisy,camera,iso", *rows]))
    assert call("make-pairs", "real.csv", "--patch", 20, "-o", "pairs").returncode == 0
    first = contents("pairs")
    for path in Path("pairs/train/noisy").iterdir():
        path.write_bytes(b"other")
    write(Path("noisy/b.png"), Picture(photograph(41, 41, 9)))
    found = call("verify", "pairs", "--repair")
    assert found.returncode == 3
    [line, *_] = found.stderr.splitlines()
    assert re.fullmatch(r"error: cannot make pairs/train/noisy/\w+.png again: its input noisy/b.png has changed", line)
    left = found.stdout.splitlines()
    assert left
    assert all(re.match(r"altered: train/noisy/\w*b_s", text) for text in left)
    after = contents("pairs")
    assert {path for path in first if after[path] != first[path]} == {f"pairs/{text.split()[1]}" for text in left}


@pytest.mark.parametrize("make", ["synthesize", "make-pairs"])
def test_a_killed_run_is_never_called_whole_until_it_is_resumed(make: str) -> None:
    more = ("--patch", 20) if make == "make-pairs" else ()
    given = (make, "clean", *CONDITION, "--repeats", 40, "-o", "out", *more)
    for delay in (0.0, 0.05, 0.2):
        with subprocess.Popen(command(*given, "--resume", "-q"), env=ENVIRONMENT) as running:
            while running.poll() is None and not Path("out/manifest.jsonl").exists():
                time.sleep(0.01)
            time.sleep(delay)
            running.kill()
            running.wait()
        found = call("verify", "out")
        assert found.returncode == (0 if running.returncode == 0 else 3), found.stderr
    assert call(*given, "--resume", "-q").returncode == 0
    after = call("verify", "out")
    assert (after.returncode, after.stdout) == (0, "")


@pytest.mark.parametrize("path", ["../outside.png", "/etc/passwd"])
def test_a_manifest_that_points_elsewhere_is_refused(path: str) -> None:
    Path("bad").mkdir()
    assert call("synthesize", "clean", *CONDITION, "-o", "noisy").returncode == 0
    record = json.loads(Path("noisy/manifest.jsonl").read_text().splitlines()[0])
    Path("bad/manifest.jsonl").write_text(json.dumps(record | {"output": path}))
    done = call("verify", "bad", "--repair")
    assert done.returncode == 2
    assert f"lists {path}, outside of its folder" in done.stderr


def test_a_folder_without_a_manifest() -> None:
    assert "holds no manifest.jsonl" in call("verify", "clean").stderr
    assert call("verify", "nothing").returncode == 2


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ((), "manifest.csv"),
        (("--layout", "basicsr"), "train/meta_info.txt"),
        (("--container", "lmdb"), "train/gt.lmdb/meta_info.txt"),
    ],
)
def test_lists_that_a_killed_run_left_behind_are_seen_and_written_again(asked: tuple[str, ...], listed: str) -> None:
    assert call("make-pairs", "clean", *CONDITION, "--patch", 20, *asked, "-o", "pairs").returncode == 0
    path = Path("pairs", listed)
    whole = path.read_bytes()
    for state, change in (("altered", lambda: path.write_bytes(whole[:-9])), ("missing", path.unlink)):
        change()
        found = call("verify", "pairs")
        assert (found.returncode, found.stdout) == (3, f"{state}: {listed}\n")
        assert call("verify", "pairs", "--repair").returncode == 0
        assert path.read_bytes() == whole
