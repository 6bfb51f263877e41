"""`nmflowgan make-pairs --shard`: workers share one list; what they write together is what one would have written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes import photograph
from typer.testing import CliRunner, Result

from nmflowgan_cli.cli import app
from nmflowgan_cli.imaging import Picture, write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with five clean pictures and one that cannot be read."""
    for number in range(5):
        write(tmp_path / "clean" / f"{number}.png", Picture(photograph(50 + 3 * number, 71, number)))
    (tmp_path / "clean" / "5.png").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(output: str, *more: object) -> list[str]:
    given = ("clean", "-c", "IP,GP", "-i", "100-800", "--weights", "isp", "--device", "cpu", "--patch", 32)
    return [str(argument) for argument in ("make-pairs", *given, "--val-share", 0.3, "-o", output, *more)]


def call(output: str, *more: object) -> Result:
    return CliRunner().invoke(app, asked(output, *more))


def manifest(output: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (Path(output) / "manifest.jsonl").read_text().splitlines()]
    return sorted(lines, key=lambda record: (record["split"], record.get("key", record["relative_path"])))


def contents(output: str) -> dict[str, bytes]:
    paths = sorted(path for path in Path(output).rglob("*") if path.is_file() and path.name != "manifest.jsonl")
    return {str(path.relative_to(output)): path.read_bytes() for path in paths}


def same(output: str) -> None:
    """Outputs and records are those of the single run; HDF5 files are compared by their digests in the records."""
    assert manifest(output) == manifest("whole")
    ours, whole = contents(output), contents("whole")
    assert ours.keys() == whole.keys()
    assert all(ours[name] == whole[name] for name in ours if not name.endswith(".hdf5"))


@pytest.mark.parametrize("container", ["folder", "hdf5", "webdataset", "parquet"])
def test_shards_together_are_the_single_run(container: str) -> None:
    given = ("--container", container, "--shard-size", 5, "-v", "--force")
    whole = call("whole", *given)
    assert whole.exit_code == 3, whole.stderr
    parts = [call("shards", *given, "--shard", f"{number}/3") for number in (2, 3, 1)]
    assert sorted(part.exit_code for part in parts) == [0, 0, 3]
    assert "of which shard 2/3" in parts[0].stderr
    same("shards")
    if container == "folder":
        lines = [set(part.stdout.replace("shards", "whole").splitlines()) for part in parts]
        assert set.union(*lines) == set(whole.stdout.splitlines())
        assert sum(map(len, lines)) == len(whole.stdout.splitlines())


def test_processes_that_slurm_starts_at_once_share_the_work() -> None:
    assert call("whole", "--layout", "basicsr").exit_code == 3
    command = [sys.executable, "-m", "nmflowgan_cli", *asked("shards", "--layout", "basicsr", "-q")]
    ranks = [{"SLURM_PROCID": str(rank), "SLURM_STEP_NUM_TASKS": "2", "OMP_NUM_THREADS": "1"} for rank in range(2)]
    processes = [
        subprocess.Popen(command, env=os.environ | rank, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for rank in ranks
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 3], errors
    same("shards")


def test_a_shard_is_made_once_and_resumed_alone() -> None:
    assert call("shards", "--shard", "1/2").exit_code in (0, 3)
    again = call("shards", "--shard", "1/2")
    assert again.exit_code == 2
    assert "already (--resume goes on with it" in again.stderr
    resumed = call("shards", "--shard", "1/2", "--resume")
    assert resumed.stdout == ""
    assert "pairs skipped" in resumed.stderr
    other = call("shards", "--shard", "2/2", "--layout", "nafnet")
    assert other.exit_code == 2
    assert "which this command would not make there" in other.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--shard", "3/2"), "error: shard '3/2' is not understood"),
        (("--shard", "1/2", "--container", "lmdb"), "error: shard 1/2 of a database, which has one writer"),
    ],
)
def test_what_cannot_be_shared_is_told_before_anything_is_written(more: tuple[object, ...], message: str) -> None:
    done = call("shards", *more)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not Path("shards").exists()
