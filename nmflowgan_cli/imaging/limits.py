"""Limits of reading: pixels that a picture may have, and memory that it may take, judged before it is decoded."""

import os

from PIL.ImageFile import ImageFile

from nmflowgan_cli.errors import PictureError, PictureMemoryError
from nmflowgan_cli.imaging.deep import DeepImage
from nmflowgan_cli.imaging.memory import available, spoken
from nmflowgan_cli.imaging.parts import LimitError
from nmflowgan_cli.imaging.raw import RawImage

OPTION, VARIABLE = "--max-pixels", "NMFLOWGAN_MAX_PIXELS"
PIXELS = 2**28
"""Pixels of a picture, at most: no camera makes more."""
EMPTY_PIXELS = 2**25
"""Pixels of a picture that holds next to nothing, at most."""
EMPTY = 2048
"""Pixels a byte from which a file holds next to nothing. A white PNG has 300, and photographs have fewer than 20."""
SIDE = 2**28
"""Pixels a side, at most: Pillow's rows are shorter."""
UNJUDGED = 2**26
"""Bytes that a picture may take whatever memory is left."""

_BYTES = {"1": 9, "L": 6, "P": 9, "RGB": 8}
"""Bytes a pixel that reading takes at its peak, by Pillow's mode: its own pixels, those converted, and ours."""
_OTHER_BYTES = 17
"""With transparency, or in another colour space."""
_WEBP_BYTES, _TURNED_BYTES, _PROGRESSIVE_BYTES = 9, 4, 6
"""Besides: two canvases of the decoder, a turned copy, and the coefficients of all scans."""

_asked: list[int] = []


def set_limit(pixels: int | None) -> None:
    """Set the pixels that a picture may have in this process; None: as the environment says, or else the usual."""
    _asked[:] = [] if pixels is None else [pixels]


def stated_limit() -> int | None:
    """The limit that the user has set, if any; raises PictureError for a value of the environment that is no number."""
    if _asked:
        return _asked[0]
    wanted = os.environ.get(VARIABLE)
    if wanted and not wanted.isdecimal():
        raise PictureError(f"{VARIABLE} is {wanted!r}", "a whole number of pixels")
    return int(wanted) if wanted else None


def refuse_large(width: int, height: int, size: int) -> None:
    """Raise LimitError for too many pixels, in all or for `size` bytes of file."""
    stated, pixels = stated_limit(), width * height
    hint = f"{OPTION} or {VARIABLE} raises the limit, or cut it"
    if pixels > (limit := PIXELS if stated is None else stated):
        raise LimitError(f"{width}x{height} is more than {limit} pixels", hint)
    if stated is None and pixels > max(EMPTY_PIXELS, EMPTY * size):
        raise LimitError(f"{width}x{height} pixels ({pixels}) in a file of {size} bytes", hint)
    if max(width, height) > SIDE:
        raise LimitError(f"{width}x{height} is more than {SIDE} pixels a side", "cut it")


def needed(image: ImageFile | DeepImage | RawImage, *, turned: bool) -> int:
    """Bytes that reading an image takes at its peak, by what is known of it before it is decoded."""
    if isinstance(image, DeepImage | RawImage):
        return image.needed() + 2 * _TURNED_BYTES * turned * image.size[0] * image.size[1]
    each = _OTHER_BYTES if "transparency" in image.info else _BYTES.get(image.mode, _OTHER_BYTES)
    each += _WEBP_BYTES * (image.format == "WEBP") + _TURNED_BYTES * turned
    each += _PROGRESSIVE_BYTES * bool(image.info.get("progressive"))
    return each * image.width * image.height


def refuse_without_memory(path: object, width: int, height: int, size: int) -> None:
    """Raise PictureMemoryError where `size` bytes are more than this process can still have."""
    if size > UNJUDGED and size > (left := available()):
        raise PictureMemoryError(
            f"{path}: {width}x{height} pixels take {spoken(size)} to read, and {spoken(left)} are free",
            "free memory, use fewer --workers, or cut it",
        )
