"""Inputs of strangers through real processes: what is no picture, what no terminal should see, what no cache takes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import photograph
from places import FIXTURES

from nmflowgan_cli.checkpoints.format import save_weights
from nmflowgan_cli.checkpoints.official import import_official
from nmflowgan_cli.imaging import Picture, write

ISP = ("-c", "IP", "-i", "800", "-w", "isp", "--device", "cpu")
HOSTILE = "\x1b]0;owned\x07\x9b2J\u202egnp"


def call(folder: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nmflowgan_cli", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=100,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pairs in clean/ and noisy/; a clean picture is a FIFO, and another one leads back to itself."""
    for number in range(2):
        clean = photograph(64, 64, number)
        noise = np.random.default_rng(number).normal(0, 5, clean.shape)
        write(tmp_path / "clean" / f"{number}.png", Picture(clean))
        for name in (number, "fifo", "loop", "folder"):
            write(tmp_path / "noisy" / f"{name}.png", Picture((clean + noise).clip(0, 255).astype(np.uint8)))
    os.mkfifo(tmp_path / "clean" / "fifo.png")
    (tmp_path / "clean" / "folder.png").mkdir()
    (tmp_path / "clean" / "loop.png").symlink_to("loop.png")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("synthesize", "clean", *ISP, "-o", "made"),
        ("make-pairs", "clean", *ISP, "-o", "made", "--patch", "32"),
        ("evaluate", ".", "-m", "isp", "--camera", "IP", "--iso", "800", "--patch", "32"),
    ],
    ids=lambda command: command[0],
)
def test_what_is_no_picture_fails_by_name_and_the_others_are_done(folder: Path, command: tuple[str, ...]) -> None:
    done = call(folder, *command)
    assert done.returncode == 3, done.stderr
    errors = sorted(line for line in done.stderr.splitlines() if line.startswith("error:"))
    assert [Path(line.split(":")[1].split()[-1]).name for line in errors] == ["fifo.png", "folder.png", "loop.png"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["fifo.png", "loop.png", "folder.png"])
def test_a_single_input_that_is_no_picture(folder: Path, name: str) -> None:
    done = call(folder, "synthesize", f"clean/{name}", *ISP, "-o", "made")
    assert (done.returncode, done.stderr.count("error:")) == (3, 1), done.stderr
    assert f"cannot read clean/{name}" in done.stderr


def test_a_training_names_the_photograph_that_is_none(folder: Path) -> None:
    done = call(folder, "train", "--simulate", "clean", "-o", "run", "--flow-steps", "1", "--spatial-steps", "1")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
    assert done.stderr.startswith("error: cannot read clean/fifo.png: it is a FIFO")


def test_max_pixels_refuses_and_names_itself(folder: Path) -> None:
    done = call(folder, "synthesize", "clean/0.png", *ISP, "-o", "made", "--max-pixels", "4095")
    assert done.returncode == 3
    assert "64x64 is more than 4095 pixels (--max-pixels" in done.stderr
    assert call(folder, "synthesize", "clean/0.png", *ISP, "-o", "made", "--max-pixels", "4096").returncode == 0


def test_names_of_files_reach_no_terminal_as_they_are(folder: Path) -> None:
    (folder / "bad").mkdir()
    (folder / "bad" / f"{HOSTILE}.png").write_bytes(b"none")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad/\xff.png")).write_bytes(b"none")
    done = call(folder, "synthesize", "bad", *ISP, "-o", "made", "--json")
    assert done.returncode == 3
    assert not set("\x1b\x07\x9b\u202e\udcff") & set(done.stderr)
    assert "\\u001b]0;owned\\u0007\\u009b2J\\u202egnp.png" in done.stderr
    assert f"bad/{HOSTILE}.png" in {json.loads(line)["input"] for line in done.stdout.splitlines()}


def test_headers_of_weights_reach_no_terminal_as_they_are(tmp_path: Path) -> None:
    state, header = import_official(FIXTURES / "official_small.pth")
    save_weights(tmp_path / "a.safetensors", state, replace(header, name=HOSTILE, terms=HOSTILE, data=(HOSTILE,)))
    done = call(tmp_path, "weights", "info", "a.safetensors")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == "error: a.safetensors has an invalid header: control character U+001B in name\n"


def test_a_mistake_of_usage_is_shown(tmp_path: Path) -> None:
    done = call(tmp_path, "synthesize", "--\x1b[31m")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


def test_warnings_of_libraries_are_logged_and_not_printed() -> None:
    script = """
import warnings
from threading import Thread
from nmflowgan_cli.notices import logs_printed, reading, warnings_logged
def warn():
    warnings.warn("of no use")
    with reading("a.png"):
        warnings.warn("odd\\x1b\\ntag")
with logs_printed(), warnings_logged():
    thread = Thread(target=warn)
    thread.start()
    thread.join()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "note: a.png: odd\\u001b tag\n"


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_packaged_weights_need_no_cache(folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "NMFLOWGAN_CACHE"):
        monkeypatch.delenv(name, raising=False)
    (folder / "file").write_text("in the way")
    given = ("synthesize", "clean/0.png", "-c", "IP", "-i", "800", "-w", "sidd-lite", "--device", "cpu")
    done = call(folder, *given, "-o", "made", **{variable: str(folder / "file")})
    assert (done.returncode, done.stdout) == (0, "made/0.png\n"), done.stderr
    assert (folder / "file").read_text() == "in the way"


def test_cold_starts_at_once_are_right(folder: Path) -> None:
    arguments = ("synthesize", "clean/0.png", "-c", "IP", "-i", "800", "-w", "sidd-lite", "--device", "cpu")
    starts = [
        subprocess.Popen(
            [sys.executable, "-m", "nmflowgan_cli", *arguments, "-o", f"made{number}"],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "NMFLOWGAN_CACHE": str(folder / "cache")},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for number in range(4)
    ]
    assert [start.wait(100) for start in starts] == [0] * 4
    assert len({(folder / f"made{number}" / "0.png").read_bytes() for number in range(4)}) == 1
    assert [path.name for path in (folder / "cache").iterdir()] == ["sidd-lite.safetensors"]
