"""Picture files taken apart: what a decoder needs of them, and what they say about their pixels.

Decoders get the pixels and nothing else, so that no profile, text or tag beside the pixels can cost a picture.
"""

import io
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import BinaryIO

Piece = bytes | range
"""Bytes of their own, or a range of places in a file."""

METADATA_LIMIT = 2**24
"""Bytes that a profile or a text may unpack to; more is left out. A JPEG holds profiles of at most this size."""

_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation(?:\s*=\s*["']|>)\s*([1-8])""")


class UnsupportedError(Exception):
    """A sound picture with a feature that is not supported: its name, and the way out."""

    def __init__(self, feature: str, hint: str = "convert it to an 8-bit RGB PNG") -> None:
        super().__init__(feature)
        self.hint = hint


class LimitError(Exception):
    """A picture beyond a limit: which, and how to raise it or to keep below it."""

    def __init__(self, limit: str, hint: str) -> None:
        super().__init__(limit)
        self.hint = hint


@dataclass(frozen=True)
class DeepLayout:
    """Pixels of 16 bits a channel, as a PNG or TIFF stores them."""

    width: int
    height: int
    channels: int
    """As stored, alpha and unknown ones among them."""
    grey: bool
    alpha: bool = False
    premultiplied: bool = False
    """Colours are multiplied by alpha."""
    inverted: bool = False
    """0 is white."""
    planar: bool = False
    """Channel by channel, not pixel by pixel."""


@dataclass
class Parts:
    """A picture file taken apart."""

    pieces: list[Piece]
    """The file as the decoder is to see it."""
    orientation: int | None = None
    """1 to 8, of EXIF or of the TIFF itself; None where these say nothing."""
    exif: bytes | None = None
    """Begins with "Exif\\0\\0"."""
    xmp: bytes | None = None
    icc: bytes | None = None
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    inverted: bool = False
    """The CMYK of this JPEG is 0 where there is no ink; Adobe's is 255 there, as Pillow takes for granted."""
    layout: str = ""
    """The channels of a TIFF, in words."""
    deep: DeepLayout | None = None
    """None for 8 bits a channel or fewer."""
    notes: list[str] = field(default_factory=list)
    """What was left out, each in one line."""

    @property
    def depth(self) -> int:
        """Bits a channel, 8 or 16."""
        return 16 if self.deep else 8

    @property
    def turn(self) -> int:
        """The orientation, 1 to 8, of EXIF or else of XMP; 1 is upright."""
        if self.orientation is not None:
            return int(self.orientation) if self.orientation in range(1, 9) else 1
        said = _XMP_ORIENTATION.search(self.xmp or b"")
        return int(said[1]) if said else 1


class _Spliced(io.RawIOBase):
    """A read-only file put together of `pieces`; ranges are of `file`."""

    def __init__(self, file: BinaryIO, pieces: Iterable[Piece]) -> None:
        self._file = file
        self._pieces: list[Piece] = []
        for piece in filter(len, pieces):
            last = self._pieces[-1] if self._pieces else b""
            if isinstance(last, range) and isinstance(piece, range) and last.stop == piece.start:
                self._pieces[-1] = range(last.start, piece.stop)
            else:
                self._pieces.append(piece)
        self._ends = list(accumulate(map(len, self._pieces)))
        self._length = sum(map(len, self._pieces))
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        if start + offset < 0:
            raise ValueError(f"negative place {start + offset}")
        self._place = start + offset
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        done = 0
        while done < len(buffer) and (data := self._next(len(buffer) - done)):
            buffer[done : done + len(data)] = data
            done += len(data)
        return done

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self._next(self._length), b""))

    def _next(self, most: int) -> bytes:
        """What is left of the piece at this place, `most` bytes at most; nothing at the end."""
        index = bisect_right(self._ends, self._place)
        if index == len(self._pieces):
            return b""
        piece = self._pieces[index]
        skipped = self._place - self._ends[index] + len(piece)
        wanted = piece[skipped : skipped + most]
        if isinstance(wanted, range):
            self._file.seek(wanted.start)
            wanted = self._file.read(len(wanted))
        self._place += len(wanted)
        return wanted


def spliced(file: BinaryIO, pieces: Iterable[Piece]) -> BinaryIO:
    """A read-only file put together of `pieces`: bytes, and ranges of `file`, which stays open meanwhile."""
    return io.BufferedReader(_Spliced(file, pieces), 2**16)


def length_of(file: BinaryIO) -> int:
    """Bytes in an open file."""
    return file.seek(0, io.SEEK_END)
