"""Pictures on disk: decoding to RGB of 8 or 16 bits a channel, and encoding, whole or not at all.

Colour is RGB, uint8 or uint16 (H, W, 3), upright (orientation applied). Alpha, ICC profile, EXIF and the colour chunks
of a PNG are carried through untouched; the EXIF orientation is the exception, since it has been applied.
"""

from nmflowgan_cli.imaging.decode import Head, frames, head, memory, read, size
from nmflowgan_cli.imaging.encode import PNG_OPTIONS, atomic_write, deepest, encode_png, refuse_unwritable, write
from nmflowgan_cli.imaging.picture import (
    DEEP_FORMATS,
    DEPTHS,
    FORMATS,
    PER_COUNT,
    RAW_SUFFIXES,
    UNREAD_SUFFIXES,
    Bytes,
    Picture,
    Pixels,
    depth_of,
    dtype_of,
    format_of,
    is_picture,
    is_raw,
    luma,
    with_depth,
)

__all__ = [
    "DEEP_FORMATS",
    "DEPTHS",
    "FORMATS",
    "PER_COUNT",
    "PNG_OPTIONS",
    "RAW_SUFFIXES",
    "UNREAD_SUFFIXES",
    "Bytes",
    "Head",
    "Picture",
    "Pixels",
    "atomic_write",
    "deepest",
    "depth_of",
    "dtype_of",
    "encode_png",
    "format_of",
    "frames",
    "head",
    "is_picture",
    "is_raw",
    "luma",
    "memory",
    "read",
    "refuse_unwritable",
    "size",
    "with_depth",
    "write",
]
