"""DNGs: of tags alone, byte by byte, and with a mosaic that can be developed."""

import struct
from pathlib import Path

import numpy as np
import tifffile

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


BLACK, WHITE = 64, 1023
NEUTRAL = np.array([0.5, 1.0, 0.625])
"""What the camera sees of grey light, red, green and blue."""
SITES = np.array([[0, 1], [1, 2]])
NAME = "NIKON D800"
LIGHT = np.linspace(0.05, 0.7, 40)[:, None] * np.linspace(0.6, 1, 64)[None]


def thousandths(values) -> list[int]:
    return [part for value in values for part in (round(value * 10000), 10000)]


def mosaic_dng(path: Path, light: np.ndarray, *, orientation: int = 1) -> Path:
    """A DNG with the mosaic of grey `light` (H, W), linear in [0, 1]."""
    sites = np.tile(SITES, (light.shape[0] // 2, light.shape[1] // 2))
    mosaic = (BLACK + (WHITE - BLACK) * light * NEUTRAL[sites]).round().astype(np.uint16)
    tags = [
        *((tag, "s", 0, NAME, True) for tag in (272, 50708)),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, SITES.astype(np.uint8).tobytes(), True),
        (34855, "H", 1, 100, True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50714, "H", 1, BLACK, True),
        (50717, "H", 1, WHITE, True),
        (50721, "2i", 9, thousandths(value / 10000 for value in MATRIX), True),
        (50728, "2I", 3, thousandths(NEUTRAL), True),
        (50778, "H", 1, 21, True),
        (51041, "d", 2, (4e-5, 1e-7), True),
    ]
    options = {"photometric": 32803, "planarconfig": "contig", "subfiletype": 0, "metadata": None}
    tifffile.imwrite(path, mosaic, extratags=tags, **options)
    return path
