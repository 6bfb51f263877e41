"""`nmflowgan verify` as a user meets it: after damage, after kills, and its repair."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

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


@pytest.mark.parametrize("container", CONTAINERS)
def test_pairs_of_every_container(container: str) -> None:
    given = ("make-pairs", "clean", *CONDITION, "--patch", 20, "--container", container, "-o", "pairs")
    assert call(*given).returncode == 0
    assert call("verify", "pairs").returncode == 0
    last = json.loads(Path("pairs/manifest.jsonl").read_text().splitlines()[-1])
    path = Path("pairs", last.get("file", last.get("noisy")))
    if path.is_dir():
        path = path / "data.mdb"
    path.write_bytes(path.read_bytes()[:100])
    found = call("verify", "pairs", "--repair")
    assert found.returncode == 3
    assert "--resume" in found.stderr
    assert all(line.startswith(("altered: ", "missing: ")) for line in found.stdout.splitlines())


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
    Path("bad/manifest.jsonl").write_text(json.dumps({"status": "done", "output": path}))
    done = call("verify", "bad", "--repair")
    assert done.returncode == 2
    assert f"lists {path}, outside of its folder" in done.stderr


def test_a_folder_without_a_manifest() -> None:
    assert "holds no manifest.jsonl" in call("verify", "clean").stderr
    assert call("verify", "nothing").returncode == 2
