"""TIFF directories: those of TIFF files, and that of EXIF, which is one."""

import contextlib
import ctypes
import functools
import io
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

from PIL import Image, TiffImagePlugin

from nmflowgan_cli.imaging.parts import DeepLayout, Parts, UnsupportedError, length_of

EXIF = b"Exif\0\0"
ORIENTATION = 274
_XMP, _ICC = 700, 34675
MOST_FRAMES = 2**16
"""Pages of a TIFF that are looked at."""
_FORMS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_SIZES = {2: 1, 5: 8, 7: 1, 10: 8} | {kind: struct.calcsize("=" + form) for kind, form in _FORMS.items()}

PIXEL_TAGS = frozenset(
    [*range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326)]
) | {
    *(332, 334, 338, 339, 347),
    *range(512, 522),  # old JPEG
    *range(529, 533),  # YCbCr
    *(32995, 32996),  # old names of 338 and 339
}
"""Tags that say how pixels are stored. All others are none of the decoder's business."""

COMPRESSIONS = {
    6: "JPEG of the old style",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
"""Names of compressions that decoders may lack."""


@dataclass(frozen=True)
class _Field:
    """An entry of a directory: 12 bytes (20 in a BigTIFF) at `place`."""

    tag: int
    kind: int
    count: int
    place: int
    raw: bytes


_Directory = dict[int, _Field]


class _Tiff:
    """A TIFF in a file; ValueError where it does not begin as one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._length = file, length_of(file)
        file.seek(0)
        self.head = file.read(16)
        if self.head[:4] not in TiffImagePlugin.PREFIXES:
            raise ValueError("no TIFF header")
        self.order = "<" if self.head[:2] == b"II" else ">"
        self.big = 43 in self.head[2:4]
        self._entry = self.order + ("HHQ8s" if self.big else "HHI4s")
        self._pointer, self._counter = (self.order + form for form in ("QQ" if self.big else "IH"))

    def _unpack(self, form: str, place: int) -> int:
        self._file.seek(place)
        return struct.unpack(form, self._file.read(struct.calcsize(form)))[0]

    def chain(self) -> Iterator[_Directory]:
        """The directories, until the chain ends, breaks or comes back."""
        seen: set[int] = set()
        with contextlib.suppress(struct.error, OverflowError, ValueError, OSError):
            place = self._unpack(self._pointer, 8 if self.big else 4)
            while place and place not in seen:
                seen.add(place)
                count = self._unpack(self._counter, place)
                first, step = place + struct.calcsize(self._counter), struct.calcsize(self._entry)
                yield self._directory(first, min(count, (self._length - first) // step), step)
                place = self._unpack(self._pointer, first + count * step)

    def _directory(self, first: int, count: int, step: int) -> _Directory:
        self._file.seek(first)
        content = self._file.read(count * step)
        found: _Directory = {}
        for index in range(len(content) // step):
            raw = content[index * step : (index + 1) * step]
            tag, kind, number, _ = struct.unpack(self._entry, raw)
            found.setdefault(tag, _Field(tag, kind, number, first + index * step, raw))
        return found

    def data(self, directory: _Directory, tag: int) -> bytes | None:
        """The bytes of a field; None where it is not there, or reaches beyond the end of the file."""
        if (entry := directory.get(tag)) is None:
            return None
        size, inline = _SIZES.get(entry.kind, 0) * entry.count, entry.raw[-8 if self.big else -4 :]
        if size <= len(inline):
            return inline[:size]
        place = struct.unpack(self._pointer, inline)[0]
        if place + size > self._length:
            return None
        self._file.seek(place)
        return self._file.read(size)

    def numbers(self, directory: _Directory, tag: int) -> tuple[Any, ...]:
        """The numbers of a field; none where it has none."""
        data = self.data(directory, tag)
        kind = directory[tag].kind if data else 0
        if not data or kind in (2, 7):
            return ()
        if kind in (5, 10):
            parts = struct.unpack(f"{self.order}{len(data) // 4}{'I' if kind == 5 else 'i'}", data)
            return tuple(Fraction(a, b) if b else 0 for a, b in zip(parts[::2], parts[1::2], strict=True))
        form = _FORMS[kind]
        return struct.unpack(f"{self.order}{len(data) // struct.calcsize('=' + form)}{form}", data)

    def first(self, directory: _Directory, tag: int, default: int) -> Any:
        """The first number of a field."""
        return next(iter(self.numbers(directory, tag)), default)

    def packed(self, fields: list[_Field], place: int) -> tuple[bytes, bytes]:
        """A header that points to `place`, and a directory of `fields`, the last of its chain, to stand there."""
        header = self.head[:8] if self.big else self.head[:4]
        entries = b"".join(entry.raw for entry in fields)
        end = struct.pack(self._pointer, 0)
        return header + struct.pack(self._pointer, place), struct.pack(self._counter, len(fields)) + entries + end


def take_apart_tiff(file: BinaryIO, frame: int | None = None) -> Parts:
    """The page that is not a preview of another, with the tags that its pixels need.

    `frame`: its number among several. Raises UnsupportedError for several pages without it, for floating-point pixels,
    and for compressions that cannot be read.
    """
    tiff = _Tiff(file)
    page = _page(tiff, frame)
    _refuse_unsupported(tiff, page)
    _refuse_uncovered(tiff, page)
    if tiff.first(page, 262, 0) == 3 and min(tiff.numbers(page, 320), default=-1) < 0:
        raise ValueError("its colour map is missing or holds negative numbers")
    length = length_of(file)
    place = length + length % 2  # directories begin at even places
    header, directory = tiff.packed([entry for tag, entry in page.items() if tag in PIXEL_TAGS], place)
    return Parts(
        [header, range(len(header), length), bytes(length % 2), directory],
        orientation=tiff.first(page, ORIENTATION, 0) if ORIENTATION in page else None,
        xmp=tiff.data(page, _XMP),
        icc=tiff.data(page, _ICC),
        layout=f"TIFF of photometric interpretation {tiff.first(page, 262, 0)}, "
        f"{tiff.first(page, 277, 1)} channels, {tiff.first(page, 258, 1)} bits a channel",
        deep=_deep_layout(tiff, page) if tiff.first(page, 258, 1) == 16 else None,
    )


def tiff_frames(file: BinaryIO) -> int:
    """The number of pages that are not previews of others."""
    return len(_pages(_Tiff(file)))


def _page(tiff: _Tiff, frame: int | None) -> _Directory:
    found = _pages(tiff, 2 if frame is None else frame + 1)
    if not found:
        raise ValueError("its first directory lies beyond its end")
    if frame is None and len(found) > 1:
        raise UnsupportedError("several pages", "--frames makes all of them, or give them as pictures of their own")
    if (frame or 0) >= len(found):
        raise ValueError(f"it has {len(found)} pages, and none of number {frame}")
    return found[frame or 0]


def _pages(tiff: _Tiff, most: int = MOST_FRAMES) -> list[_Directory]:
    """The first `most` pages; the previews where there is nothing else."""
    pages, previews = [], []
    for page in tiff.chain():
        preview = tiff.first(page, 254, 0) in (1, 3) or tiff.first(page, 255, 0) == 2  # 3: of one page among several
        (previews if preview else pages).append(page)
        if len(pages) >= most:
            break
    return pages or previews


def _refuse_unsupported(tiff: _Tiff, page: _Directory) -> None:
    if tiff.big and tiff.order == ">":
        raise UnsupportedError("BigTIFF in big-endian order")
    if any(number >= 3 and number != 4 for number in tiff.numbers(page, 339)):
        raise UnsupportedError("floating-point pixels", "convert it to 8 bits first")
    bits = set(tiff.numbers(page, 258)) or {1}
    if max(bits) > 8 and bits != {16}:
        raise UnsupportedError(f"{max(bits)} bits a channel", "convert it to 8 or 16 bits first")
    channels = tiff.first(page, 277, 1)
    if channels > TiffImagePlugin.MAX_SAMPLESPERPIXEL:
        raise UnsupportedError(f"{channels} channels")
    compression = tiff.first(page, 259, 1)
    if compression not in TiffImagePlugin.COMPRESSION_INFO or not _decodes(compression):
        name = COMPRESSIONS.get(compression, f"method {compression}")
        raise UnsupportedError(f"TIFF compressed with {name}", "save it without compression, or with deflate")
    if compression == 1 and tiff.first(page, 262, 0) == 6 and tiff.numbers(page, 530) not in ((), (1, 1)):
        raise UnsupportedError("YCbCr with fewer colours than pixels, without compression")


_GREY, _RGB = (0, 1), 2
"""Photometric interpretations, 0: of which black is the largest number."""
_LOSSLESS = (1, 5, 8, 32773, 32946, 34925, 50000)
"""Compressions of 16-bit pixels that are read: none, LZW, deflate (two numbers), PackBits, LZMA, Zstandard."""


def _deep_layout(tiff: _Tiff, page: _Directory) -> DeepLayout:
    """The layout of 16-bit pixels: grey or RGB, and what else is stored with them."""
    photometric, channels = tiff.first(page, 262, 0), tiff.first(page, 277, 1)
    colours = 1 if photometric in _GREY else 3
    if photometric not in (*_GREY, _RGB) or channels < colours or tiff.first(page, 339, 1) == 2:
        raise UnsupportedError(
            f"16 bits a channel of photometric interpretation {photometric}, {channels} channels", "convert it to RGB"
        )
    if tiff.first(page, 259, 1) not in _LOSSLESS:
        raise UnsupportedError(
            f"16 bits a channel compressed with method {tiff.first(page, 259, 1)}", "save it with deflate"
        )
    extra = tiff.first(page, 338, 2) if channels > colours else 0
    return DeepLayout(
        tiff.first(page, 256, 0),
        tiff.first(page, 257, 0),
        channels,
        grey=colours == 1,
        alpha=extra in (1, 2),
        premultiplied=extra == 1,
        inverted=photometric == 0,
        planar=tiff.first(page, 284, 1) == 2 and channels > 1,
    )


def _refuse_uncovered(tiff: _Tiff, page: _Directory) -> None:
    """Raise ValueError where strips or tiles are missing: decoders would leave their place black, or fill memory."""
    width, height = tiff.first(page, 256, 0), tiff.first(page, 257, 0)
    tiled = 324 in page
    across = tiff.first(page, 322, 0) if tiled else width
    down = tiff.first(page, 323 if tiled else 278, 0) or height
    offsets = page.get(324 if tiled else 273)
    if offsets is None or min(across, down) <= 0:
        return  # an old JPEG, or for the decoder to refuse
    planes = tiff.first(page, 277, 1) if tiff.first(page, 284, 1) == 2 else 1
    needed = math.ceil(width / across) * math.ceil(height / down) * planes
    if needed > offsets.count:
        raise ValueError(f"it has {offsets.count} of its {needed} strips or tiles")


@functools.cache
def _libtiff() -> Any:
    """The libtiff inside Pillow, which from here on prints no errors of its own; None where it cannot be reached."""
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(Image.core.__file__)
        library.TIFFSetErrorHandler(None)
        return library
    return None


def _decodes(compression: int) -> bool:
    library = _libtiff()
    return library is None or bool(library.TIFFIsCODECConfigured(ctypes.c_uint16(compression)))


def upright_exif(content: bytes) -> tuple[int | None, bytes | None]:
    """The orientation that EXIF says, if it does, and the EXIF with orientation 1; None for what is no EXIF.

    Only the entry of the orientation is changed. What is returned begins with "Exif\\0\\0", `content` may.
    """
    while content.startswith(EXIF):
        content = content[len(EXIF) :]
    try:
        tiff = _Tiff(io.BytesIO(content))
    except ValueError:
        return None, None
    first = next(tiff.chain(), {})
    said = tiff.first(first, ORIENTATION, 0) if ORIENTATION in first else None
    if said in (None, 1):
        return said, EXIF + content
    entry = first[ORIENTATION]
    upright = struct.pack(tiff.order + ("HHQH" if tiff.big else "HHIH"), ORIENTATION, 3, 1, 1)
    end = entry.place + len(entry.raw)
    return said, EXIF + content[: entry.place] + upright.ljust(len(entry.raw), b"\0") + content[end:]
