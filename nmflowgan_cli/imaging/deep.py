"""Pixels of 16 bits a channel, decoded and encoded; Pillow has no RGB of 16 bits.

PNG by imagecodecs, which is libpng, TIFF by imageio's plugin tifffile.
"""

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from nmflowgan_cli.imaging.parts import DeepLayout, length_of
from nmflowgan_cli.imaging.picture import Pixels

PNG_OPTIONS = {"level": 1, "strategy": 3, "filter": 16}
"""zlib's run-length strategy, and differences from the pixel to the left: what libpng is fastest with."""

_OURS, _INVERTED, _DIVIDED = 8, 6, 30
"""Bytes a pixel besides those that are stored: RGB and alpha, their negative, and colours before alpha was applied."""

Deep = NDArray[np.uint16]


@dataclass(frozen=True)
class DeepImage:
    """A PNG or TIFF of 16 bits a channel that has not been decoded yet."""

    file: BinaryIO
    format: str
    layout: DeepLayout

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, as stored."""
        return self.layout.width, self.layout.height

    def needed(self) -> int:
        """Bytes that decoding takes at its peak: the file, its pixels, and ours."""
        layout = self.layout
        each = 2 * layout.channels + _OURS + _INVERTED * layout.inverted + _DIVIDED * layout.premultiplied
        return length_of(self.file) + each * layout.width * layout.height

    def channels(self) -> tuple[Deep, Deep | None]:
        """RGB (H, W, 3) and alpha (H, W), None where there is none; raises what the decoder does for a damaged file."""
        pixels = self._decoded()
        colours = 1 if self.layout.grey else 3
        rgb, alpha = pixels[..., :colours], pixels[..., colours] if self.layout.alpha else None
        rgb = 65535 - rgb if self.layout.inverted else rgb
        if alpha is not None and self.layout.premultiplied:
            rgb = _divided(rgb, alpha)
        whole = np.repeat(rgb, 3, 2) if self.layout.grey else np.ascontiguousarray(rgb)
        return whole, None if alpha is None else np.ascontiguousarray(alpha)

    def _decoded(self) -> Deep:
        """The pixels as they are stored, (H, W, C)."""
        self.file.seek(0)
        pixels = _decoded_png(self.file.read()) if self.format == "PNG" else _decoded_tiff(self.file)
        pixels = np.moveaxis(pixels, 0, 2) if self.layout.planar else pixels
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        if pixels.shape[:2] != self.size[::-1] or pixels.dtype != np.uint16:
            raise ValueError(f"its pixels are {pixels.shape} of type {pixels.dtype}")
        return pixels


def _divided(rgb: Deep, alpha: Deep) -> Deep:
    """Colours that were multiplied by alpha as they were before, rounded; black where nothing is left of them."""
    share = np.maximum(alpha, 1)[..., None].astype(np.uint32)
    return np.minimum((rgb.astype(np.uint32) * 65535 + share // 2) // share, 65535).astype(np.uint16)


def _decoded_png(content: bytes) -> Deep:
    import imagecodecs

    try:
        return imagecodecs.png_decode(content)
    except UnicodeDecodeError:  # in place of an error without words
        raise ValueError("its pixels cannot be decoded") from None


def _decoded_tiff(file: BinaryIO) -> Deep:
    import imageio.v3

    return imageio.v3.imread(file, plugin="tifffile", page=0)


def encode_deep_png(pixels: Pixels, icc: bytes | None = None, exif: bytes | None = None, colour: Any = ()) -> bytes:
    """A PNG file of uint16 pixels (H, W) or (H, W, C); `colour`: names and contents of more chunks."""
    import imagecodecs

    content = bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels), **PNG_OPTIONS))
    beside = io.BytesIO()
    if icc:
        PngImagePlugin.putchunk(beside, b"iCCP", b"ICC Profile\0\0" + imagecodecs.zlib_encode(icc))
    for name, data in colour:
        PngImagePlugin.putchunk(beside, name, data)
    if exif:
        PngImagePlugin.putchunk(beside, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    return content[:_AFTER_HEADER] + beside.getvalue() + content[_AFTER_HEADER:]


_AFTER_HEADER = 33
"""Bytes of a PNG's signature and first chunk."""


def encode_deep_tiff(pixels: Pixels, icc: bytes | None = None) -> bytes:
    """A TIFF file of uint16 pixels (H, W) or (H, W, C), the last of 2 and 4 channels being alpha, not compressed."""
    import imageio.v3

    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return imageio.v3.imwrite(
        "<bytes>",
        pixels,
        plugin="tifffile",
        extension=".tiff",
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        iccprofile=icc,
        metadata=None,
    )
