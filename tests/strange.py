"""Strange picture files in a few lines: chunks, segments, tags and profiles put together by hand."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

Chunk = tuple[bytes, bytes]
Tag = tuple[int, int, int, bytes]
"""Tag, type, count and the bytes of the values."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 13: 4}


def gradient(height: int = 48, width: int = 64) -> np.ndarray:
    """A picture that looks different however it is turned, (height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 5, 255 - x * 2 - y * 2], 2).astype(np.uint8)


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The upright picture of stored pixels (H, W, ...), by the orientation of EXIF."""
    if orientation in (2, 4, 5, 7):
        pixels = pixels[:, ::-1]
    return np.rot90(pixels, {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: -1, 7: -1, 8: 1}[orientation])


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    """A file made by Pillow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def png_chunk(name: bytes, content: bytes, *, checksum: int | None = None) -> bytes:
    right = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", right if checksum is None else checksum)


def png_with(content: bytes, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG with more chunks before its pixels, and after them."""
    start, end = content.index(b"IDAT") - 4, content.index(b"IEND") - 4
    return content[:start] + before + content[start:end] + after + content[end:]


def jpeg_with(content: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with more segments (marker and content) before all others."""
    more = b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments)
    return content[:2] + more + content[2:]


def tiff(tags: list[Tag], pixels: bytes = b"", *, then: list[Tag] | None = None) -> bytes:
    """A little-endian TIFF: the tags of its page and of a second page; offset 0 in tag 273 becomes that of `pixels`."""
    head, pages = struct.pack("<2sHI", b"II", 42, 8 + len(pixels) + len(pixels) % 2), [tags, *([then] if then else [])]
    body = pixels + bytes(len(pixels) % 2)
    for number, page in enumerate(pages):
        body += _directory(page, 8 + len(body), last=number == len(pages) - 1)
    return head + body


def _directory(tags: list[Tag], place: int, *, last: bool) -> bytes:
    """A directory that stands at `place`, and after it its values that do not fit into it."""
    beyond, entries, end = b"", b"", place + 2 + 12 * len(tags) + 4
    for tag, kind, count, value in sorted(tags):
        if tag == 273:
            value = struct.pack("<I", struct.unpack("<I", value)[0] + 8)
        if len(value) > 4:
            entries += struct.pack("<HHII", tag, kind, count, end + len(beyond))
            beyond += value + bytes(len(value) % 2)
        else:
            entries += struct.pack("<HHI4s", tag, kind, count, value)
    following = 0 if last else end + len(beyond)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following) + beyond


def short(tag: int, *values: int) -> Tag:
    return tag, 3, len(values), struct.pack(f"<{len(values)}H", *values)


def long(tag: int, *values: int) -> Tag:
    return tag, 4, len(values), struct.pack(f"<{len(values)}I", *values)


def page(pixels: np.ndarray, *more: Tag, photometric: int = 1, bits: int = 8) -> list[Tag]:
    """The tags of uncompressed pixels (H, W) or (H, W, C) that stand at the beginning."""
    height, width, channels = (*pixels.shape, 1)[:3]
    usual = [
        long(256, width),
        long(257, height),
        short(258, *[bits] * channels),
        short(259, 1),
        short(262, photometric),
        long(273, 0),
        short(277, channels),
        long(278, height),
        long(279, pixels.nbytes),
    ]
    replaced = {tag for tag, *_ in more}
    return [tag for tag in usual if tag[0] not in replaced] + list(more)


def exif(*tags: Tag) -> bytes:
    """EXIF of these tags."""
    return b"Exif\0\0" + tiff(list(tags))


def grey_profile() -> bytes:
    """The head of a profile for grey pixels: enough for whoever carries it."""
    return bytes(12) + b"mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(88)


def cmyk_profile(inks: dict[tuple[int, int, int, int], tuple[int, int, int]]) -> bytes:
    """A profile of CMYK: the Lab of some corners of the cube of inks (0 or 1), black elsewhere. ICC.1, type lut8."""
    corners = np.zeros((16, 3))
    for (c, m, y, k), lab in inks.items():
        corners[c * 8 + m * 4 + y * 2 + k] = lab
    table = np.round(np.column_stack([corners[:, 0] * 2.55, corners[:, 1:] + 128])).clip(0, 255).astype(np.uint8)
    straight, identity = bytes(range(256)), [65536, 0, 0, 0, 65536, 0, 0, 0, 65536]
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + struct.pack(">9i", *identity) + straight * 4 + table.tobytes()
    lut += straight * 3
    head = struct.pack(">I4sI4s4s4s", 144 + len(lut), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">4I", 0, 0xF6D6, 0x10000, 0xD32D) + bytes(44)
    return head + struct.pack(">I4sII", 1, b"A2B0", 144, len(lut)) + lut


def srgb_of_lab(lab: np.ndarray) -> np.ndarray:
    """Lab (..., 3) of D50 as sRGB counts, by the formulas of CIE 15 and IEC 61966-2-1 with Bradford's adaptation."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9642, 1.0, 0.8249]
    matrix = [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
    linear = np.clip(xyz @ np.transpose(matrix), 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
