"""A slice of the proof in docs/trust.md: some kills, mutants and environments; scripts/faults tries many."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from places import ROOT

from scripts.faults.changes import as_json, json_lines, mangled
from scripts.faults.environments import CASES
from scripts.faults.formats import FORMATS
from scripts.faults.items import items
from scripts.faults.mutants import outcome
from scripts.faults.processes import Launcher, Shot

KILLED = ("synthesize", "hdf5", "lmdb", "heteroscedastic")
ENVIRONMENTS = ("umask", "closed stdin", "link to itself", "output folder is read-only")


def rows(folder: Path, *arguments: object) -> list[dict[str, Any]]:
    """The results of a run of the script."""
    results = folder / "results.jsonl"
    command = [sys.executable, "-m", "scripts.faults", *map(str, arguments), "--results", str(results)]
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in results.read_text().splitlines()]
    assert "| --- |" in done.stdout
    return found


@pytest.mark.parametrize("target", KILLED)
def test_kills_lose_nothing_and_leave_nothing(target: str, tmp_path: Path) -> None:
    found = rows(tmp_path, "kills", "--kills", 6, "--only", target, "--jobs", 1)
    assert sum(sum(row["kills"].values()) for row in found) >= 6
    assert [row["notes"] for row in found if row["faults"]] == []


def test_mutants_are_read_or_refused_by_name(tmp_path: Path) -> None:
    found = rows(tmp_path, "mutants", "--mutants", 12 * len(FORMATS), "--jobs", 1)
    assert len(found) == len(FORMATS)
    assert [(row["format"], fault) for row in found for fault in row["faults"]] == []
    assert sum(row["outcomes"].get("named error", 0) for row in found) > len(FORMATS)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_hostile_places(name: str, tmp_path: Path) -> None:
    found = rows(tmp_path, "environments", "--only", name, "--jobs", 1)
    assert len(found) == sum(name in case.name for case in CASES) > 0
    assert [row for row in found if row["wrong"]] == []


def test_an_item_that_differs_or_is_not_whole_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    before = items(tmp_path)
    (tmp_path / "a.png").write_bytes(b"two")
    (tmp_path / "b.hdf5").write_bytes(b"cut off")
    after = items(tmp_path)
    assert before["a.png"] != after["a.png"]
    assert after["b.hdf5"].startswith("unreadable")


def test_each_class_of_outcome_is_recognised(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    folder.mkdir()
    assert outcome(0, "out\n", "", folder)[0] == "read"
    assert outcome(2, "", "error: no\n", folder)[0] == "named error"
    assert outcome(2, "", "error: no\nerror: no\n", folder)[0] == "unnamed"
    assert outcome(1, "", "Traceback (most recent call last):\nKeyError: 1\n", folder)[0] == "traceback"
    assert outcome(0, "", "\x1b[31m", folder)[0] == "control characters"
    assert outcome(0, "\x1b.png\n", "", folder)[0] == "read"
    assert outcome(0, "", "/a/b.py:7: UserWarning: x\n", folder)[0] == "unnamed"
    assert outcome(2, "", "error: no column Warning: 3\n", folder)[0] == "named error"
    (folder / "executed").touch()
    assert outcome(0, "", "", folder)[0] == "executed"


def test_a_shot_hits_a_running_process(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path)
    ended = launcher.run(["--help"], tmp_path, Shot(signal.SIGKILL, 0.001), cold=True)
    assert (ended.code, ended.hit) == (-signal.SIGKILL, True)
    assert launcher.run(["--version"], tmp_path, cold=True).code == 0


def test_damage_is_the_same_for_a_seed_and_differs_between_seeds() -> None:
    content = b'{"status": "done", "output": "a.png"}\n' * 3
    made = [json_lines(content, np.random.default_rng(seed)) for seed in (1, 1, 2, 3)]
    assert made[0] == made[1]
    assert len(set(made)) == 3
    assert {as_json(mangled({"a": [1, 2]}, np.random.default_rng(seed))) for seed in range(20)} - {'{"a": [1, 2]}'}
