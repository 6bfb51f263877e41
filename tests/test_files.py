"""Files that appear whole or not at all, hashes that follow the file, output folders."""

import hashlib
import os
from pathlib import Path

import pytest

from nmflowgan_cli.errors import NmflowganError, TrainingError
from nmflowgan_cli.files import difference, kind, make_folder, replacing, sha256, write_together, write_whole


def test_a_file_appears_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_whole(path, b"first")
    write_whole(path, memoryview(b"second"))
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_an_interruption_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"before")

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_belong_together_appear_all_or_not_at_all(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "deep" / "two"
    write_together({one: b"1", two: b"2"})
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    (tmp_path / "blocked").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_together({tmp_path / "new": b"3", tmp_path / "blocked": b"4"})
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        write_together({two: b"5", one / "below": b"6"})
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["blocked", "deep", "one", "two"]


def test_a_difference_is_found_in_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"right")
    known = hashlib.sha256(b"right").hexdigest()
    state = path.stat()
    assert difference(path, 5, known) == difference(path, None, known) == ""
    path.write_bytes(b"wrong")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # same size, inode and time
    assert difference(path, 5, known) == difference(path, None, known) == "altered"
    assert difference(path, 5, None) == "altered"
    assert difference(tmp_path, 5, known) == difference(tmp_path / "none", 5, known) == "missing"


def test_a_file_that_cannot_be_written_is_an_error_of_the_callers_class(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"")
    below = tmp_path / "file" / "below"
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        write_whole(below, b"x")
    with pytest.raises(TrainingError, match=r"^cannot write .*file/below: (File exists|Not a directory)$"):
        write_whole(below, b"x", TrainingError)


def test_a_hash_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"three", b"other"):  # the last two are of one size
        write_whole(path, content)
        assert sha256(path) == sha256(path) == hashlib.sha256(content).hexdigest()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        sha256(path)


def test_an_output_folder_that_cannot_be(tmp_path: Path) -> None:
    make_folder(tmp_path / "new" / "out")
    make_folder(tmp_path / "new" / "out")
    (tmp_path / "file").touch()
    with pytest.raises(NmflowganError, match=r"make the output folder .*file/out: Not a directory \(choose another -o"):
        make_folder(tmp_path / "file" / "out")
    with pytest.raises(TrainingError, match="choose another --output"):
        make_folder(tmp_path / "file" / "out", "choose another --output", TrainingError)


def test_a_fifo_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(OSError, match="it is a FIFO, not a regular file"), replacing(tmp_path / "a"):
        raise AssertionError("it was to be written")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert kind(tmp_path / "a") == "FIFO"
