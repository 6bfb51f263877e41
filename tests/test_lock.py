"""Lock of an output folder: one run at a time, shards together, and what a run that was cut off meant to make."""

import errno
import json
import multiprocessing
import os
import re
import signal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from nmflowgan_cli.errors import NmflowganError, UsageError
from nmflowgan_cli.lock import holders, is_lock, locked, unfinished


def hold(folder: Path, ready: Any, options: dict[str, Any]) -> None:
    with locked(folder, **options):
        ready.set()
        signal.pause()


@pytest.fixture
def holding(tmp_path: Path):
    """A function that starts a process which holds the folder, and returns it when it does; all are killed."""
    context, started = multiprocessing.get_context("spawn"), []

    def start(**options: Any):
        ready = context.Event()
        process = context.Process(target=hold, args=(tmp_path, ready, options))
        process.start()
        started.append(process)
        assert ready.wait(60)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def test_another_run_is_refused_by_name_until_it_is_gone(tmp_path: Path, holding: Any) -> None:
    process = holding(planned=["a.png", "b.png"])
    assert [holder.pid for holder in holders(tmp_path)] == [process.pid]
    message = rf"is in use by process {process.pid} on \S+, begun \d+ seconds ago: .*\(wait until it ends, or choose"
    with pytest.raises(NmflowganError, match=message), locked(tmp_path):
        pass
    (tmp_path / "a.png").touch()
    process.kill()
    process.join()
    assert holders(tmp_path) == []
    assert unfinished(tmp_path) == {"a.png", "b.png"}
    with locked(tmp_path, planned=["c.png"]):
        assert unfinished(tmp_path) == {"a.png", "b.png", "c.png"}
    assert unfinished(tmp_path) == {"a.png", "b.png"}  # nobody has made them yet
    with locked(tmp_path, planned=["a.png", "b.png"]):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_shards_of_one_job_share_a_folder_and_no_other_run_does(tmp_path: Path, holding: Any) -> None:
    holding(job="x", shard="1/2")
    with locked(tmp_path, job="x", shard="2/2"):
        assert len(holders(tmp_path)) == 2
    for other in ({"job": "x", "shard": "1/2"}, {"job": "y", "shard": "2/2"}, {}):
        with pytest.raises(NmflowganError, match="is in use by"), locked(tmp_path, **other):
            pass


def test_what_existed_before_is_not_taken_for_the_runs_own(tmp_path: Path) -> None:
    (tmp_path / "users.png").touch()
    with pytest.raises(KeyboardInterrupt), locked(tmp_path, planned=["users.png", "new.png"]):
        raise KeyboardInterrupt
    assert unfinished(tmp_path) == {"new.png"}
    assert holders(tmp_path) == []


def test_a_check_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    def check() -> None:
        raise UsageError("no")

    with pytest.raises(UsageError), locked(tmp_path, planned=["a"], check=check):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_another_host_is_believed_until_its_file_is_gone(tmp_path: Path) -> None:
    path = tmp_path / ".nmflowgan.lock"
    holder = {"pid": os.getpid(), "host": "elsewhere", "started": 0, "command": "nmflowgan synthesize x"}
    path.write_text(json.dumps(holder))
    assert is_lock(path)
    message = re.escape(f"if that host runs it no more, remove {path}")
    with pytest.raises(NmflowganError, match=message), locked(tmp_path):
        pass
    path.write_text(json.dumps({**holder, "ended": True}))
    with locked(tmp_path):
        pass
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}', b"[" * 100_000, b"\xff"])
def test_a_lock_file_that_names_nobody_holds_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".nmflowgan.lock").write_bytes(content)
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_plans_stay_where_the_end_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock file is replaced as a whole: one written in place lost all plans to a kill between its two writes."""
    full = OSError(errno.ENOSPC, "full")
    with pytest.raises(ZeroDivisionError), locked(tmp_path, planned=["a", "b"]):  # noqa: PT012
        monkeypatch.setattr("os.fsync", Mock(side_effect=full))
        raise ZeroDivisionError
    assert unfinished(tmp_path) == {"a", "b"}
    with pytest.raises(NmflowganError, match="full"), locked(tmp_path, planned=["c"]):
        raise AssertionError
    assert unfinished(tmp_path) == {"a", "b"}
    assert [path.name for path in tmp_path.iterdir()] == [".nmflowgan.lock"]
