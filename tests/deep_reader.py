"""An independent reader of 16 bits a channel: Pillow has no such RGB, but hands out either byte of its samples."""

from pathlib import Path

import numpy as np
from PIL import Image

LOW = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B", "RGBA;16B": "RGBA;16L", "RGBA;16L": "RGBA;16B"}
"""Names of samples by their order of bytes: read in the wrong order, the low byte stands where the high one should."""


def _byte(path: Path, *, low: bool) -> np.ndarray:
    with Image.open(path) as image:
        first = image.tile[0]
        raw, rest = (first.args, ()) if isinstance(first.args, str) else (first.args[0], first.args[1:])
        raw = LOW[raw] if low else raw
        image.tile = [tile._replace(args=(raw, *rest) if rest else raw) for tile in image.tile]
        return np.asarray(image).astype(np.uint16)


def deep_pixels(path: Path) -> np.ndarray:
    """Grey (H, W), RGB or RGBA (H, W, C) uint16 of a PNG, or of a TIFF that is not compressed."""
    with Image.open(path) as image:
        if image.mode.startswith("I;16"):
            return np.asarray(image).astype(np.uint16)
    return _byte(path, low=False) * np.uint16(256) + _byte(path, low=True)
