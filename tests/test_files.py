"""Files that appear whole or not at all, hashes that follow the file, output folders."""

import hashlib
from pathlib import Path

import pytest

from nmflowgan_cli.errors import NmflowganError, TrainingError
from nmflowgan_cli.files import make_folder, replacing, sha256, write_whole


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
