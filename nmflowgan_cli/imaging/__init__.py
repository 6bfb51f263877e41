"""Pictures on disk: decoding to 8-bit RGB, and encoding, whole or not at all.

Colour is RGB, uint8 (H, W, 3), upright (orientation applied). Alpha, ICC profile, EXIF and the colour chunks of a PNG
are carried through untouched; the EXIF orientation is the exception, since it has been applied.
"""

from nmflowgan_cli.imaging.decode import memory, read, size
from nmflowgan_cli.imaging.encode import PNG_OPTIONS, atomic_write, encode_png, refuse_unwritable, write
from nmflowgan_cli.imaging.picture import FORMATS, UNREAD_SUFFIXES, Bytes, Picture, format_of, is_picture, luma

__all__ = [
    "FORMATS",
    "PNG_OPTIONS",
    "UNREAD_SUFFIXES",
    "Bytes",
    "Picture",
    "atomic_write",
    "encode_png",
    "format_of",
    "is_picture",
    "luma",
    "memory",
    "read",
    "refuse_unwritable",
    "size",
    "write",
]
