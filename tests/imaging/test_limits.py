"""Limits of reading: what claims much more than it holds, and what takes more memory than there is."""

import os
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from threading import Barrier, Event, Thread

import pytest
from PIL import Image
from strange import png_chunk

from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.imaging import memory, read, size
from nmflowgan_cli.imaging.limits import set_limit
from nmflowgan_cli.imaging.memory import Room, available


@pytest.fixture(autouse=True)
def _usual_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NMFLOWGAN_MAX_PIXELS", raising=False)
    set_limit(None)


def claiming(path: Path, width: int, height: int, content: bytes = b"\0" * 1000) -> Path:
    """A PNG whose header claims a size, and that holds `content`."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(content))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + pixels + png_chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("work", [read, size, memory])
def test_a_picture_that_holds_next_to_nothing_is_refused_by_its_header(tmp_path: Path, work) -> None:
    path = claiming(tmp_path / "a.png", 2**20, 80)
    with pytest.raises(PictureError, match=r"1048576x80 pixels \(83886080\) in a file of \d+ bytes .*--max-pixels"):
        work(path)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "TIFF", "BMP"])
def test_a_white_photograph_is_read(tmp_path: Path, kind: str) -> None:
    options = {"TIFF": {"compression": "tiff_deflate"}}.get(kind, {})
    Image.new("RGB", (4000, 3000), "white").save(tmp_path / "a", kind, **options)
    assert read(tmp_path / "a").rgb.min() == 255


def test_a_stated_limit_goes_before_all_others(tmp_path: Path) -> None:
    path = claiming(tmp_path / "a.png", 2**20, 80)
    set_limit(2**20 * 80)
    assert size(path) == (80, 2**20)
    set_limit(2**20 * 80 - 1)
    with pytest.raises(PictureError, match="is more than 83886079 pixels"):
        size(path)


UNDER = """
import resource, sys
from nmflowgan_cli.imaging import read
from nmflowgan_cli.errors import PictureMemoryError
taken = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    print(read(sys.argv[1]).rgb.shape)
except PictureMemoryError as error:
    print(error.exit_code, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited as on Linux")
@pytest.mark.parametrize(("left", "said"), [(2**26, "5 "), (2**29, "(3000, 4000, 3)")])
def test_memory_is_judged_before_decoding(tmp_path: Path, left: int, said: str) -> None:
    Image.new("RGB", (4000, 3000)).save(tmp_path / "a.png")
    command = [sys.executable, "-c", UNDER, str(tmp_path / "a.png"), str(left)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(said), done
    if said == "5 ":
        assert "4000x3000 pixels take 92 MiB to read, and 64 MiB are free" in done.stdout


def test_some_memory_is_left_here() -> None:
    assert available() > 0


def test_who_finds_no_room_waits_for_the_others() -> None:
    room, inside, begun, leave = Room(100), [], Barrier(2), Event()

    def first() -> None:
        with room.taken(60):
            begun.wait()
            leave.wait()
            inside.append("first")

    def second() -> None:
        begun.wait()
        with room.taken(60):
            inside.append("second")

    threads = [Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    threads[1].join(0.2)
    assert inside == []
    leave.set()
    for thread in threads:
        thread.join()
    assert inside == ["first", "second"]


def test_what_is_larger_than_the_room_is_alone() -> None:
    room = Room(100)
    with room.taken(1000):
        pass
    with room.taken(50), room.taken(50):
        pass


def test_other_than_regular_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.png"))
    for name, reason in {
        "fifo": "it is a FIFO, not a regular file",
        "socket": "it is a socket, not a regular file",
        "device": "it is a device, not a regular file",
        "loop": "Too many levels of symbolic links",
        "dangling": "No such file or directory",
    }.items():
        with pytest.raises(PictureError, match=f"cannot read .*{name}.png: {reason}"):
            read(tmp_path / f"{name}.png")
