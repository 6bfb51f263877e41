"""PNG, JPEG and WebP files taken apart: the pixels for the decoder, and what stands beside them."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from nmflowgan_cli.imaging.parts import METADATA_LIMIT, DeepLayout, LimitError, Parts, UnsupportedError, length_of
from nmflowgan_cli.imaging.tiff import EXIF, upright_exif

_PNG_PIXELS = frozenset([b"tRNS", b"acTL", b"fcTL", b"fdAT"])
"""Chunks that change the picture, besides those whose name begins with a capital."""
_PNG_SAYS = {
    b"iCCP": "colour profile",
    b"eXIf": "EXIF",
    b"gAMA": "gamma",
    b"cHRM": "primaries",
    b"cICP": "colour space",
}
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_XMP, _RAW_EXIF, _TEXT_EXIF = b"XML:com.adobe.xmp", b"Raw profile type exif", b"exif"
"""Keywords of texts that say how a picture is turned."""
_SRGB = {b"gAMA": [45455], b"cHRM": [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000]}
"""What the chunks of an sRGB picture say, times 100,000; PNG specification, section 11.3.2."""
_SRGB_CICP = bytes([1, 13, 0, 1])


def take_apart_png(file: BinaryIO) -> Parts:
    """A PNG without its chunks beside the pixels.

    A chunk beside the pixels with a bad checksum, too short or too large is left out.
    """
    parts, beside = Parts([range(8)]), {}
    for name, places in _png_chunks(file, parts):
        if _is_drawn(name):
            parts.pieces.append(places)
            if name == b"tRNS" and parts.deep:
                parts.deep = replace(parts.deep, alpha=True)
        elif name in (*_PNG_SAYS, b"sRGB", *_PNG_TEXTS):
            _collect(file, name, places, beside, parts.notes)
    _set_exif(parts, beside.get(b"eXIf") or beside.get(_TEXT_EXIF) or _raw_profile(beside.get(_RAW_EXIF, b"")))
    parts.xmp = beside.get(_XMP)
    _set_png_colour(parts, beside)
    return parts


_PNG_CHANNELS = {0: (1, False), 2: (3, False), 4: (2, True), 6: (4, True)}
"""Channels by the colour type, and whether the last of them is alpha; PNG specification, section 11.2.2."""


def _png_layout(header: bytes) -> DeepLayout | None:
    """The layout of 16-bit pixels; None for a colour type that has none, which the decoder refuses."""
    width, height, _, kind = struct.unpack(">IIBB", header)
    if kind not in _PNG_CHANNELS:
        return None
    channels, alpha = _PNG_CHANNELS[kind]
    return DeepLayout(width, height, channels, grey=channels < 3, alpha=alpha)


def _set_exif(parts: Parts, content: bytes | None) -> None:
    """EXIF, made upright; left out where it is none."""
    if content:
        parts.orientation, parts.exif = upright_exif(content)
        if parts.exif is None:
            parts.notes.append("its EXIF is damaged and left out")


def _set_png_colour(parts: Parts, beside: dict[bytes, bytes]) -> None:
    """The profile, or else the chunks that say what the colours are, where they are not those of sRGB."""
    if b"iCCP" in beside:
        _, _, packed = beside[b"iCCP"].partition(b"\0")  # a name, then a method, of which there is one
        parts.icc = _inflated(packed[1:]) if packed[:1] == b"\0" else None
        if parts.icc is None:
            parts.notes.append("its colour profile cannot be unpacked and is left out")
    elif b"sRGB" not in beside:
        parts.png_colour = tuple((name, beside[name]) for name in _SRGB if _differs(beside.get(name, b""), _SRGB[name]))
    if beside.get(b"cICP", _SRGB_CICP) != _SRGB_CICP:
        parts.png_colour += ((b"cICP", beside[b"cICP"]),)


def _differs(content: bytes, usual: list[int]) -> bool:
    """Whether the numbers of a chunk are there and other than usual, by more than a twentieth."""
    if len(content) != 4 * len(usual):
        return False
    said = struct.unpack(f">{len(usual)}I", content)
    return all(said) and any(abs(one - other) > other / 20 for one, other in zip(said, usual, strict=True))


def _png_chunks(file: BinaryIO, parts: Parts) -> Iterator[tuple[bytes, range]]:
    """Name and places of the chunks up to IEND; a broken one and what follows it is left to the decoder.

    What is cut off beside the pixels is no loss.
    """
    place, length = 8, length_of(file)
    while place < length:
        file.seek(place)
        head = file.read(29)
        size, name = struct.unpack(">I4s", head[:8].ljust(8, b"\0"))
        named, whole = re.fullmatch(rb"[A-Za-z]{4}", name), place + 12 + size <= length
        if not (named and whole):
            parts.pieces.append(range(place, place if named and not _is_drawn(name) else length))
            return
        if name == b"IHDR" and size == 13 and head[16] == 16:
            parts.deep = _png_layout(head[8:18])
        yield name, range(place, place + 12 + size)
        if name == b"IEND":
            return
        place += 12 + size


def _is_drawn(name: bytes) -> bool:
    """Whether a chunk of a PNG changes the picture."""
    return name[:1].isupper() or name in _PNG_PIXELS


def _collect(file: BinaryIO, name: bytes, places: range, beside: dict[bytes, bytes], notes: list[str]) -> None:
    """Add the content of a chunk under its name, that of a text under its keyword; the first of several counts."""
    file.seek(places.start + 4)
    chunk = file.read(len(places) - 4)
    content = chunk[4:-4]
    if zlib.crc32(chunk[:-4]) != int.from_bytes(chunk[-4:]):
        if name in _PNG_SAYS:
            notes.append(f"its {_PNG_SAYS[name]} has a wrong checksum and is left out")
    elif name not in _PNG_TEXTS:
        beside.setdefault(name, content)
    else:
        keyword, _, rest = content.partition(b"\0")
        if keyword in (_XMP, _RAW_EXIF, _TEXT_EXIF):
            beside.setdefault(keyword, _text(name, rest))


def _text(name: bytes, content: bytes) -> bytes:
    """The text after the keyword of a chunk of texts; nothing where it cannot be unpacked."""
    if name == b"tEXt":
        return content
    if name == b"zTXt":  # a method, then the text
        return _inflated(content[1:]) or b""
    text = content[2:].split(b"\0", 2)[-1]  # whether packed, a method, a language and a translated keyword before it
    return (_inflated(text) or b"") if content[:1] == b"\1" else text


def _inflated(content: bytes) -> bytes | None:
    """The unpacked content; None where that is impossible or too large."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(content, METADATA_LIMIT)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


def _raw_profile(text: bytes) -> bytes:
    """EXIF as hexadecimal digits, after a line break, the kind of profile and the number of bytes."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode())
    except ValueError:
        return b""


JPEG_SIDE = 65500
"""Pixels a side of a JPEG, at most, to the JPEG library."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HIERARCHICAL = frozenset([0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF])


def take_apart_jpeg(file: BinaryIO) -> Parts:
    """A JPEG without its segments beside the pixels; only the first picture of an MPO.

    Raises UnsupportedError for other than 8 bits a channel, 1, 3 or 4 channels and one layer of detail; LimitError for
    sides that the JPEG library refuses.
    """
    parts, exif, profile, adobe = Parts([range(2)]), b"", [], False
    for marker, places in _jpeg_segments(file, parts):
        file.seek(places.start + 4)
        content = file.read(len(places) - 4)
        adobe |= marker == 0xEE and content[:5] == b"Adobe" and len(content) >= 12
        if marker in _FRAMES:
            _refuse_unsupported(marker, content)
            parts.inverted = content[5:6] == b"\4"
        if _is_for_decoder(marker, content):
            parts.pieces.append(places)
        elif marker == 0xE1 and content.startswith(EXIF):
            exif += content[len(EXIF) :]
        elif marker == 0xE1 and content.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            parts.xmp = content
        elif marker == 0xE2 and content.startswith(b"ICC_PROFILE\0"):
            profile.append(content[12:])
    parts.inverted &= not adobe
    _set_exif(parts, exif)
    _set_profile(parts, profile)
    return parts


def _jpeg_segments(file: BinaryIO, parts: Parts) -> Iterator[tuple[int, range]]:
    """Marker and places of the segments before the pixels; the pixels, and what cannot be read, are for the decoder."""
    place, length = 2, length_of(file)
    while True:
        place = _next_marker(file, place)
        file.seek(place)
        head = file.read(4)
        size = max(int.from_bytes(head[2:]), 2)  # decoders take no offence
        bare = head[1:2] == b"\x01" or b"\xd0" <= head[1:2] <= b"\xda"  # without a length, or the pixels begin
        if len(head) < 4 or bare or place + 2 + size > length:
            parts.pieces.append(range(place, length))
            return
        yield head[1], range(place, place + 2 + size)
        place += 2 + size


def _next_marker(file: BinaryIO, place: int) -> int:
    """The next place where a segment may begin, from `place` on; decoders skip what stands before it."""
    while True:
        file.seek(place)
        block = file.read(2**12)
        if found := re.search(rb"\xff[^\0\xff]", block):
            return place + found.start()
        if len(block) < 2:
            return place
        place += len(block) - 1


def _is_for_decoder(marker: int, content: bytes) -> bool:
    """Whether the decoder looks at a segment: of the application's, JFIF and Adobe say how colour is stored."""
    jfif = marker == 0xE0 and content[:5] == b"JFIF\0" and len(content) >= 14
    adobe = marker == 0xEE and content[:5] == b"Adobe" and len(content) >= 12
    return jfif or adobe or not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def _refuse_unsupported(marker: int, frame: bytes) -> None:
    bits, height, width, channels = struct.unpack(">BHHB", frame[:6].ljust(6, b"\0"))
    if bits != 8 and bits in range(2, 17):
        raise UnsupportedError(f"{bits} bits a channel", "convert it to 8 bits first")
    if marker in _HIERARCHICAL:
        raise UnsupportedError("hierarchical JPEG")
    if channels == 2 or channels > 4:
        raise UnsupportedError(f"JPEG of {channels} channels")
    if max(height, width) > JPEG_SIDE:
        raise LimitError(f"{width}x{height} pixels, where a JPEG has at most {JPEG_SIDE} a side", "save it as PNG")


def _set_profile(parts: Parts, pieces: list[bytes]) -> None:
    """The ICC profile out of its numbered pieces; each begins with its number and with how many there are."""
    if not pieces:
        return
    numbered = {piece[:1]: piece[2:] for piece in reversed(pieces)}  # where a number comes twice, the first counts
    try:
        parts.icc = b"".join(numbered[bytes([number])] for number in range(1, pieces[0][1] + 1))
    except (KeyError, IndexError):
        parts.notes.append("its colour profile is incomplete and left out")


_WEBP_PIXELS = (b"ALPH", b"VP8 ", b"VP8L", b"ANIM", b"ANMF")
_WEBP_BESIDE = 0b101100
"""Flags for a profile, EXIF and XMP."""


def take_apart_webp(file: BinaryIO) -> Parts:
    """A WebP without its chunks beside the pixels."""
    length = length_of(file)
    file.seek(0)
    head = file.read(30)
    if head[12:20] != b"VP8X\x0a\0\0\0" or len(head) < 30:
        return Parts([range(length)])  # has pixels alone
    parts, beside = Parts([]), {}
    for name, places in _webp_chunks(file, min(8 + int.from_bytes(head[4:8], "little"), length)):
        if name in _WEBP_PIXELS:
            parts.pieces.append(places)
        else:
            file.seek(places.start + 8)
            beside.setdefault(name, file.read(len(places) - 8))
    size = struct.pack("<I", len(head) - 8 + sum(map(len, parts.pieces)))
    parts.pieces.insert(0, head[:4] + size + head[8:20] + bytes([head[20] & ~_WEBP_BESIDE]) + head[21:])
    _set_exif(parts, beside.get(b"EXIF"))
    parts.xmp, parts.icc = beside.get(b"XMP "), beside.get(b"ICCP")
    return parts


def _webp_chunks(file: BinaryIO, stop: int) -> Iterator[tuple[bytes, range]]:
    """Name and places of the chunks that begin before `stop`, after the first; the last may be cut off."""
    place, length = 30, length_of(file)
    while place < stop:
        file.seek(place)
        name, size = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
        end = place + 8 + size + size % 2
        yield name, range(place, min(end, length))
        place = end


def take_apart_bmp(file: BinaryIO) -> Parts:
    """A BMP as it is: there is nothing beside its pixels."""
    return Parts([range(length_of(file))])
