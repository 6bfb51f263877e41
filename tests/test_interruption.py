"""Interruption as a user meets it: at start, while something is written, twice, and within a long piece of work."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import photograph, save_untrained
from processes import interruptible

from nmflowgan_cli import interruption
from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.imaging import Picture, write

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
ISP = ("-c", "IP", "-i", "400", "-w", "isp", "--device", "cpu")


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, with a clean picture."""
    monkeypatch.chdir(tmp_path)
    write(Path("clean/a.png"), Picture(photograph(60, 60)))


def start(*arguments: object) -> subprocess.Popen[str]:
    with interruptible():
        return subprocess.Popen(
            [sys.executable, "-m", "nmflowgan_cli", *map(str, arguments)],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def imports(process: subprocess.Popen[str], text: str) -> bool:
    return text in Path(f"/proc/{process.pid}/maps").read_text()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_imports_ends_at_once(number: signal.Signals) -> None:
    with start("synthesize", "clean", *ISP, "-o", "noisy", "--repeats", 500) as process:
        wait_until(lambda: imports(process, "libtorch_cpu"), process)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted: no file is half written; repeat the command\n")
    assert not list(Path().rglob("*.part"))


@pytest.mark.parametrize("number", SIGNALS)
def test_pictures_that_are_done_are_recorded_and_counted(number: signal.Signals) -> None:
    with start("synthesize", "clean", *ISP, "-o", "noisy", "--repeats", 500) as process:
        wait_until(lambda: Path("noisy/manifest.jsonl").exists(), process)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    told = re.fullmatch(r"interrupted: (\d+) of 500 pictures are done; go on with --resume", err.splitlines()[-1])
    assert told
    assert len(Path("noisy/manifest.jsonl").read_text().splitlines()) == int(told[1]) < 500
    assert not list(Path().rglob("*.part"))


def test_a_signal_that_the_parent_ignores_is_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = start("synthesize", "clean", *ISP, "-o", "noisy", "--repeats", 30)
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        wait_until(lambda: Path("noisy/manifest.jsonl").exists(), process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0


def paper(path: Path) -> Path:
    vocabulary = Vocabulary(("IP",), (400,), {"IP": {400: 1}})
    save_untrained(path, Header(architecture="paper", options={}, vocabulary=vocabulary, name="slow"))
    return path


def test_a_long_tile_is_not_waited_for() -> None:
    """The only tile of the only picture is dropped: the flag is answered before it is done."""
    write(Path("large/a.png"), Picture(photograph(1000, 1000)))
    weights = paper(Path("slow.safetensors"))
    given = ("large", "-c", "IP", "-i", "400", "-w", weights, "--tile", 1000, "--device", "cpu", "-o", "noisy")
    with start("synthesize", *given) as process:
        wait_until(lambda: Path("noisy/.nmflowgan.lock").exists(), process)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted: 0 of 1 pictures are done; go on with --resume"
    assert [path.name for path in Path("noisy").iterdir()] == [".nmflowgan.lock"]


def test_a_second_signal_does_not_wait_for_the_step() -> None:
    """A step of the paper's model takes longer than the moment between the two signals."""
    given = ("--simulate", "clean", "--preset", "paper", "-o", "run", "--device", "cpu", "--batch", 8)
    write(Path("clean/a.png"), Picture(photograph(300, 300)))
    with start("train", *given) as process:
        wait_until(lambda: Path("run/.nmflowgan.lock").exists(), process)
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        time.sleep(2 * interruption.SAME)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_signals_of_one_interruption_count_once() -> None:
    """timeout(1), torchrun and a closing terminal send several: the first step is still saved."""
    given = ("--simulate", "clean", "-o", "run", "--flow-steps", 100_000, "--batch", 1, "--device", "cpu")
    write(Path("clean/a.png"), Picture(photograph(90, 90)))
    with start("train", *given) as process:
        wait_until(lambda: Path("run/metrics.jsonl").exists(), process)
        for number in SIGNALS:
            process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.fullmatch(r"interrupted: \d+ of \d+ steps are saved in run; go on with --resume", err.splitlines()[-1])
    assert Path("run/checkpoint.pt").exists()
