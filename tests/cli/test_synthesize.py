"""`nmflowgan synthesize` as a user meets it: a real process, its streams, its exit codes."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import VOCABULARY, photograph, save_untrained
from processes import interruptible, nmflowgan, with_disk

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.cli.synthesize import Format, OnExists
from nmflowgan_cli.imaging import Picture, read, write
from nmflowgan_cli.synthesis.plan import ON_EXISTS, SAME, SUFFIXES

HEADER = Header(architecture="paper", options={"widths": [4, 4, 4, 4, 4]}, vocabulary=VOCABULARY, name="small")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_untrained(tmp_path_factory.mktemp("weights") / "small.safetensors", HEADER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good pictures in a tree, and a damaged one."""
    for number, name in enumerate(("a.png", "b.jpg", "sub/c.png")):
        (tmp_path / "clean" / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / "clean" / name, Picture(photograph(30 + number, 41, number)))
    return tmp_path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "nmflowgan_cli", "synthesize", *map(str, arguments)]


def call(folder: Path, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    settings = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "timeout": 100}
    return subprocess.run(command(*arguments), check=False, **{**settings, **options})  # type: ignore[call-overload]


def asked(weights: Path, *more: object, camera: str = "IP", iso: int = 400) -> tuple[object, ...]:
    return ("-c", camera, "-i", iso, "-o", "noisy", "--weights", weights, "--device", "cpu", *more)


def test_a_folder_becomes_a_folder(folder: Path, weights: Path) -> None:
    done = call(folder, "clean", *asked(weights))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["noisy/a.png", "noisy/b.png", "noisy/sub/c.png"]
    assert "pictures: 3" in done.stderr
    assert "done: 3" in done.stderr
    clean, noisy = read(folder / "clean/a.png").rgb, read(folder / "noisy/a.png").rgb
    assert clean.shape == noisy.shape
    assert not np.array_equal(clean, noisy)
    lines = [json.loads(line) for line in (folder / "noisy/manifest.jsonl").read_text().splitlines()]
    assert [line["output"] for line in lines] == ["a.png", "b.png", "sub/c.png"]
    assert {line["weights"] for line in lines} == {"small"}
    assert not list(folder.rglob("*.part"))


def test_a_bad_picture_of_several(folder: Path, weights: Path) -> None:
    (folder / "clean/a.png").write_bytes((folder / "clean/a.png").read_bytes()[:300])
    done = call(folder, "clean", *asked(weights, "--json", "-q", "--tile", 64, "--workers", 3))
    assert done.returncode == 3
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["status"] for record in records] == ["failed", "done", "done"]
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: clean/a.png is damaged")
    again = call(folder, "clean", *asked(weights, "--resume", "--json"))
    assert again.returncode == 3
    assert [json.loads(line)["status"] for line in again.stdout.splitlines()] == ["failed", "skipped", "skipped"]


def test_resume_makes_altered_outputs_again(folder: Path, weights: Path) -> None:
    """Cut off, changed in one byte, or removed: each is made again as it was, and nothing else is."""
    assert call(folder, "clean", *asked(weights)).returncode == 0
    straight, path = pictures(folder / "noisy"), folder / "noisy/a.png"
    whole = path.read_bytes()
    for damaged in (whole[:100], whole[:-1] + bytes([whole[-1] ^ 1]), None):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        resumed = call(folder, "clean", *asked(weights, "--resume"))
        assert (resumed.returncode, resumed.stdout) == (0, "noisy/a.png\n"), resumed.stderr
        assert pictures(folder / "noisy") == straight
    last = [json.loads(line) for line in (folder / "noisy/manifest.jsonl").read_text().splitlines()][-1]
    assert last["output_size"] == len(whole)


def test_resume_replaces_nothing_that_is_not_its_own(folder: Path, weights: Path) -> None:
    """A file of the user's, and results of another seed, weights or condition, are refused by name."""
    (folder / "noisy").mkdir()
    (folder / "noisy/a.png").write_bytes(b"the user's")
    refused = call(folder, "clean", *asked(weights, "--resume"))
    assert refused.returncode == 2
    assert refused.stderr == (
        "error: output noisy/a.png is not listed in noisy/manifest.jsonl "
        "(--on-exists overwrite replaces it, or choose another -o)\n"
    )
    assert [path.name for path in (folder / "noisy").iterdir()] == ["a.png"]
    assert call(folder, "clean", *asked(weights, "--resume", "--on-exists", "skip")).returncode == 0
    assert (folder / "noisy/a.png").read_bytes() == b"the user's"
    assert call(folder, "clean", *asked(weights, "--resume", "--on-exists", "overwrite")).returncode == 0
    before = pictures(folder / "noisy")
    for other, told in (
        (asked(weights, "--seed", 1), "seed was 0"),
        (asked(weights, iso=800), "iso was 400"),
        (asked("isp"), "weights_sha256 was"),  # type: ignore[arg-type]
    ):
        refused = call(folder, "clean", *other, "--resume")
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"error: output noisy/a.png was made with other settings: {told}")
        assert "(and 2 more like it)" in refused.stderr
    assert pictures(folder / "noisy") == before
    assert call(folder, "clean", *asked(weights, "--resume", "--seed", 1, "--on-exists", "overwrite")).returncode == 0
    assert all(before[name] != data for name, data in pictures(folder / "noisy").items())


def test_a_killed_run_is_resumed_by_the_same_command(
    folder: Path, weights: Path, long_run: subprocess.Popen[str]
) -> None:
    """What it had written and not yet recorded is its own; a second run meanwhile is refused."""
    second = call(folder, "clean", *asked(weights, "--repeats", 500, "--seed", 1, "--resume"))
    assert second.returncode in (1, 2)
    assert second.stderr.startswith("error: noisy is in use by process") or "other settings" in second.stderr
    long_run.kill()
    long_run.communicate()
    last = {record["seed"] for record in map(json.loads, (folder / "noisy/manifest.jsonl").read_text().splitlines())}
    assert last == {0}
    resumed = call(folder, "clean", *asked(weights, "--repeats", 500, "--resume", "-q", "--shard", "1/40"))
    assert resumed.returncode == 0, resumed.stderr


def test_outputs_below_the_inputs_are_no_inputs(folder: Path, weights: Path) -> None:
    for name in ("clean/one", "clean/two", "clean/sub/three"):
        done = call(folder, "clean", *asked(weights, "-o", name))
        assert "pictures: 3," in done.stderr
    assert done.stderr.splitlines()[:2] == [
        f"clean/{name} holds outputs of nmflowgan and is left out (name it to take its pictures)"
        for name in ("one", "two")
    ]
    assert "left out" not in call(folder, "clean/**/*.jpg", *asked(weights, "-o", "four")).stderr
    pattern = call(folder, "clean/**/*.png", *asked(weights, "-o", "five"))
    assert "pictures: 2," in pattern.stderr
    named = call(folder, "clean/one", *asked(weights, "-o", "six"))
    assert "pictures: 3," in named.stderr
    assert "left out" not in named.stderr


def test_single_file_list_on_stdin_and_folder_agree(folder: Path, weights: Path) -> None:
    single = call(folder, "clean/a.png", *asked(weights), "-o", "one.png")
    assert (single.returncode, single.stdout) == (0, "one.png\n"), single.stderr
    assert not (folder / "manifest.jsonl").exists()
    listed = call(folder / "clean", "-", *asked(weights), "-o", "../listed", input="a.png\0sub/c.png\0")
    assert listed.returncode == 0, listed.stderr
    whole = call(folder, "clean", *asked(weights, "--tile", 64, "--shard", "1/2"))
    assert whole.stdout.splitlines() == ["noisy/a.png", "noisy/sub/c.png"]
    for name in ("a.png", "sub/c.png"):
        assert (folder / "listed" / name).read_bytes() == (folder / "noisy" / name).read_bytes()
    assert (folder / "one.png").read_bytes() == (folder / "noisy/a.png").read_bytes()


@pytest.mark.parametrize(
    ("given", "arguments", "condition", "code", "problem"),
    [
        ("clean", (), {"camera": "Nokia"}, 2, "camera 'Nokia' is unknown (known cameras: GP (Google Pixel), IP"),
        ("clean", (), {"iso": 0}, 2, "ISO 0"),
        ("clean", (), {"iso": 10**9}, 2, "ISO 1000000000 is outside"),
        ("missing.png", (), {}, 2, "input missing.png does not exist"),
        ("missing.png", ("-o", "noisy.png"), {}, 2, "input missing.png does not exist"),
        ("clean", ("--relative-to", "clean/sub"), {}, 2, "clean/a.png is not below clean/sub (--relative-to takes"),
        ("empty", (), {}, 2, "folder empty holds no pictures"),
        ("clean", ("-o", "clean/a.png/noisy"), {}, 1, "cannot make the output folder clean/a.png/noisy"),
        ("clean/a.png", ("-o", "clean/a.png"), {}, 2, "on top of an input"),
        ("clean", ("--weights", "missing.safetensors"), {}, 4, "missing.safetensors"),
        ("clean", ("--weights", "fake.safetensors"), {}, 4, "fake.safetensors"),
        ("clean", ("--device", "cuda:99"), {}, 2, "device 'cuda:99' is not there"),
    ],
)
def test_mistakes(
    folder: Path,
    weights: Path,
    given: str,
    arguments: tuple[str, ...],
    condition: dict[str, str | int],
    code: int,
    problem: str,
) -> None:
    (folder / "empty").mkdir()
    (folder / "fake.safetensors").write_bytes((folder / "clean/a.png").read_bytes())
    done = call(folder, given, *asked(weights, *arguments, **condition))  # type: ignore[arg-type]
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert problem in done.stderr
    assert done.stdout == ""
    assert not list(folder.rglob("*.part"))
    assert not (folder / "noisy/a.png").exists()


def test_a_dry_run_makes_nothing(folder: Path, weights: Path) -> None:
    done = call(folder, "clean", *asked(weights, "--dry-run", "--repeats", 2))
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == "clean/a.png -> noisy/a_r1.png  IP ISO 400"
    assert not (folder / "noisy").exists()


def test_a_file_that_is_too_large_fails_alone(folder: Path, weights: Path) -> None:
    """Files beyond a size cannot be written: a picture larger than that fails, the others are done."""
    write(folder / "clean/large.png", Picture(np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))

    done = call(folder, "clean", *asked(weights), preexec_fn=limit)
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == ["noisy/a.png", "noisy/b.png", "noisy/sub/c.png"]
    assert done.stderr.splitlines()[1] == "error: cannot write noisy/large.png: File too large"
    written = sorted(path.name for path in (folder / "noisy").rglob("*") if path.is_file())
    assert written == ["a.png", "b.png", "c.png", "manifest.jsonl"]


def test_a_full_disk_ends_the_run(folder: Path, weights: Path) -> None:
    """What was made stays; after making room, --resume makes the rest, and all is as if the disk had been large."""
    make = ("synthesize", "clean", *asked(weights, "--repeats", 9, "--workers", 2), "-o", "disk/noisy")
    script = (
        f"{nmflowgan(*make)} 2>err >out; echo $?",
        "cp -r disk/noisy first",
        "mount -o remount,size=10m disk",
        f"{nmflowgan(*make, '--resume', '-q')}; echo $?",
        "cp -r disk/noisy whole",
    )
    done = with_disk(folder, "size=64k", *script)
    assert done.stdout.splitlines() == ["1", "0"], done.stderr
    made = (folder / "out").read_text().splitlines()
    assert 0 < len(made) < 27
    _, error = (folder / "err").read_text().splitlines()
    assert re.fullmatch(
        r"error: cannot write disk/noisy/\S+: No space left on device "
        rf"\({len(made)} of 27 pictures are done; make room, then go on with --resume\)",
        error,
    )
    records = [json.loads(line) for line in (folder / "first/manifest.jsonl").read_text().splitlines()]
    assert [f"disk/noisy/{record['output']}" for record in records] == made
    assert not list((folder / "first").rglob("*.part"))
    assert all(read(path).rgb.size for path in (folder / "first").rglob("*.png"))
    assert call(folder, "clean", *asked(weights, "--repeats", 9)).returncode == 0
    assert pictures(folder / "whole") == pictures(folder / "noisy")


def pictures(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


def test_a_read_only_disk_is_named(folder: Path, weights: Path) -> None:
    script = nmflowgan("synthesize", "clean", *asked(weights), "-o", "disk")
    done = with_disk(folder, "ro", f"{script}; echo $?")
    assert done.stdout == "1\n"
    assert done.stderr == "error: cannot write to the output folder disk: Read-only file system (choose another -o)\n"


@pytest.fixture
def long_run(folder: Path, weights: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of many repeats, after its first result."""
    with interruptible():
        process = subprocess.Popen(
            command("clean", *asked(weights, "--repeats", 500)),
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "noisy/a_r0.png\n"
        try:
            yield process
        finally:
            process.kill()


def read_whole(folder: Path) -> list[Path]:
    """The pictures in `folder`; each can be read, and nothing is half-written beside them."""
    assert not list(folder.rglob("*.part"))
    paths = list(folder.rglob("*.png"))
    for path in paths:
        assert read(path).rgb.size
    return paths


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption(folder: Path, weights: Path, long_run: subprocess.Popen[str], number: signal.Signals) -> None:
    long_run.send_signal(number)
    out, err = long_run.communicate(timeout=60)
    assert long_run.returncode == 130
    assert "Traceback" not in err
    assert re.fullmatch(r"interrupted: \d+ of \d+ p\w+ are done; go on with --resume", err.splitlines()[-1])
    written = read_whole(folder / "noisy")
    assert 1 <= len(written) < 500
    assert len(out.splitlines()) + 1 <= len(written)


def test_a_closed_pipe_ends_the_run_quietly(folder: Path, long_run: subprocess.Popen[str]) -> None:
    assert long_run.stdout is not None
    assert long_run.stderr is not None
    long_run.stdout.close()
    assert long_run.wait(60) == 141
    assert long_run.stderr.read() == "pictures: 1500, weights: small, device: cpu\n"
    assert len(read_whole(folder / "noisy")) >= 1


def test_a_path_may_hold_a_newline(folder: Path, weights: Path) -> None:
    (folder / "clean/a.png").rename(folder / "clean/new\nline.png")
    listed = call(folder, "-", "-0", *asked(weights), input="clean/new\nline.png")
    assert (listed.returncode, listed.stdout) == (0, "noisy/clean/new\nline.png\0"), listed.stderr
    planned = call(folder, "clean", "-0", *asked(weights, "-o", "planned", "--dry-run"))
    assert planned.stdout.split("\0")[1] == "clean/new\nline.png -> planned/new\nline.png  IP ISO 400"
    (folder / "clean/new\nline.png").write_bytes(b"")
    failed = call(folder, "clean", *asked(weights, "-o", "failed", "-q"))
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1


def test_listed_pictures_relative_to_their_folder_have_its_noise(folder: Path, weights: Path) -> None:
    """Without --relative-to, a listed path is its own name, and the noise is another."""
    whole = call(folder, "clean", *asked(weights))
    assert whole.returncode == 0, whole.stderr
    paths = f"clean/a.png\n{folder}/clean/sub/c.png\nclean/b.jpg\n"
    relative = call(folder, "-", *asked(weights, "-o", "relative", "--relative-to", "clean"), input=paths)
    assert relative.stdout.splitlines() == ["relative/a.png", "relative/sub/c.png", "relative/b.png"]
    assert pictures(folder / "relative") == pictures(folder / "noisy")
    other = call(folder, "-", *asked(weights, "-o", "other"), input="clean/a.png\n")
    assert other.stdout == "other/clean/a.png\n"
    assert (folder / "other/clean/a.png").read_bytes() != (folder / "noisy/a.png").read_bytes()


def test_the_choices_of_the_options_are_those_of_the_library() -> None:
    assert sorted(Format) == sorted((SAME, *SUFFIXES))
    assert sorted(OnExists) == sorted(ON_EXISTS)
