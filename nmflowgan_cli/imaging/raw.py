"""Raw files of cameras, developed plainly by LibRaw (the extra `raw`, rawpy).

As shot and no more: black level and white balance as the file states them, AHD demosaicing, the camera's colour matrix
to sRGB and its transfer curve, 16 bits a channel; no brightening, no denoising, highlights clipped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np

from nmflowgan_cli.imaging.parts import DeepLayout, Parts, UnsupportedError, length_of
from nmflowgan_cli.imaging.picture import Pixels

_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's flips, and the orientations of EXIF that they are."""
_GAMMA = 2.4, 12.92
"""The transfer curve of sRGB as LibRaw takes it: the exponent and the slope at black."""
_BYTES = 24
"""Bytes a pixel that LibRaw takes at its peak, with the developed picture and ours."""


@dataclass(frozen=True)
class RawImage:
    """A raw file that has not been developed yet."""

    raw: Any
    file: BinaryIO
    layout: DeepLayout
    format: str = "RAW"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height before it is turned."""
        return self.layout.width, self.layout.height

    def needed(self) -> int:
        """Bytes that developing takes at its peak."""
        return length_of(self.file) + _BYTES * self.layout.width * self.layout.height

    def channels(self) -> tuple[Pixels, None]:
        """RGB (H, W, 3) uint16, sRGB, not turned; and no alpha."""
        rawpy: Any = import_module("rawpy")
        with _explained(rawpy):
            rgb = self.raw.postprocess(
                use_camera_wb=True,
                demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
                output_color=rawpy.ColorSpace.sRGB,
                output_bps=16,
                gamma=_GAMMA,
                no_auto_bright=True,
                highlight_mode=rawpy.HighlightMode.Clip,
                user_flip=0,
            )
        return np.ascontiguousarray(rgb), None


@contextmanager
def opened_raw(file: BinaryIO) -> Iterator[tuple[RawImage, Parts]]:
    """The raw file, ready to be developed; UnsupportedError without rawpy, and where LibRaw does not know it."""
    try:
        rawpy: Any = import_module("rawpy")
    except ImportError:
        raise UnsupportedError("a raw file without the package rawpy", "pip install nmflowgan-cli[raw]") from None
    raw = rawpy.RawPy()
    file.seek(0)
    try:
        with _explained(rawpy):
            raw.open_buffer(file)
            sizes = raw.sizes
        layout = DeepLayout(sizes.iwidth, sizes.iheight, 3, grey=False)
        notes = ["developed from raw, its EXIF is left out"]
        yield RawImage(raw, file, layout), Parts([], _ORIENTATIONS.get(sizes.flip), deep=layout, notes=notes)
    finally:
        raw.close()


@contextmanager
def _explained(rawpy: Any) -> Iterator[None]:
    """LibRaw's errors, whose words are bytes, as text."""
    try:
        yield
    except rawpy.LibRawFileUnsupportedError:
        raise UnsupportedError("not a raw file that LibRaw knows", "convert it to DNG, or to a 16-bit TIFF") from None
    except rawpy.LibRawError as error:
        said = error.args[0] if error.args else ""
        raise ValueError(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from None
