"""DNGs of tags alone, byte by byte."""

import struct
from pathlib import Path

MODEL, ISO = 272, 34855
MATRIX = 7866, -2108, -555, -4869, 12483, 2681, -1176, 2069, 7501
"""XYZ to camera colours, in ten thousandths."""


def dng(path: Path, noise: tuple[float, ...]) -> None:
    """A DNG without pixels: camera, ISO, colour matrix, white balance, noise."""
    tags = [
        (MODEL, 2, b"NIKON D800\0"),
        (ISO, 3, struct.pack("<H", 1600)),
        (50721, 10, struct.pack("<18i", *(part for value in MATRIX for part in (value, 10000)))),
        (50728, 5, struct.pack("<6I", 50, 100, 100, 100, 80, 100)),
        (51041, 12, struct.pack(f"<{len(noise)}d", *noise)),
    ]
    sizes = {2: 1, 3: 2, 5: 8, 10: 8, 12: 8}
    place = 8 + 2 + 12 * len(tags) + 4
    entries, data = b"", b""
    for tag, kind, value in tags:
        where = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", place + len(data))
        entries += struct.pack("<HHI", tag, kind, len(value) // sizes[kind]) + where
        data += value if len(value) > 4 else b""
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 4 + data)
