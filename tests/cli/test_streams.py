"""Standard streams that do not take what a command prints: a reader that has gone, a full disk."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import photograph

from nmflowgan_cli.imaging import Picture, write

SYNTHESIS = ("clean", "-c", "IP", "-i", "800", "--weights", "isp", "--device", "cpu")
COMMANDS = {
    "help": ("--help",),
    "list": ("weights", "list"),
    "list as JSON": ("weights", "list", "--json"),
    "synthesize": ("synthesize", *SYNTHESIS, "-o", "noisy-made"),
    "make-pairs": ("make-pairs", *SYNTHESIS, "-o", "pairs", "--patch", "32", "-v"),
    "evaluate": ("evaluate", ".", "-m", "isp", "--camera", "IP", "--iso", "800", "--patch", "32"),
}
SILENT_IF_CLOSED = {"help", "list", "list as JSON"}
"""Commands that print nothing on stderr before their first result."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pairs of pictures, the clean ones in clean/."""
    for number in range(2):
        clean = photograph(64, 64, number)
        noise = np.random.default_rng(number).normal(0, 5, clean.shape)
        write(tmp_path / "clean" / f"{number}.png", Picture(clean))
        write(tmp_path / "noisy" / f"{number}.png", Picture((clean + noise).clip(0, 255).astype(np.uint8)))
    return tmp_path


def run(folder: Path, name: str, stdout: int, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nmflowgan_cli", *COMMANDS[name]],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **variables},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_closed_pipe_ends_a_command_quietly(folder: Path, name: str) -> None:
    """With 141, as a shell reports programs that SIGPIPE ends."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(folder, name, writer)
    finally:
        os.close(writer)
    assert done.returncode == 141, done.stderr
    assert "error" not in done.stderr.lower()
    assert "Traceback" not in done.stderr
    if name in SILENT_IF_CLOSED:
        assert done.stderr == ""
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize(("name", "unbuffered"), [*((name, "") for name in COMMANDS), ("list", "1"), ("help", "1")])
def test_a_full_disk_behind_stdout_is_an_error_of_one_line(folder: Path, name: str, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(folder, name, full.fileno(), PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    error = "error: cannot write the results to standard output: No space left on device (make room)"
    assert done.stderr.splitlines()[-1] == error
    assert "Traceback" not in done.stderr
    assert not list(folder.rglob("*.part"))
