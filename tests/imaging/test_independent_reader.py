"""What is read of TIFFs is what tifffile sees, which shares no code with Pillow."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from strange import gradient, turned

from nmflowgan_cli.imaging import read, size

tifffile = pytest.importorskip("tifffile")

RGB = gradient()
GREY = np.ascontiguousarray(RGB[..., 0])
ALPHA = np.ascontiguousarray(RGB[..., 1] | 1)
PALETTE = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16) * 257
KINDS = {
    "grey": (GREY, {"photometric": "minisblack"}),
    "white is 0": (GREY, {"photometric": "miniswhite"}),
    "bits": (GREY > 99, {"photometric": "minisblack"}),
    "palette": (GREY, {"photometric": "palette", "colormap": PALETTE}),
    "rgb": (RGB, {"photometric": "rgb"}),
    "planes": (np.moveaxis(RGB, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
    "rgba": (np.dstack([RGB, ALPHA]), {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "tiles": (RGB, {"photometric": "rgb", "tile": (16, 32)}),
    "strips": (RGB, {"photometric": "rgb", "rowsperstrip": 5}),
    "grey and alpha": (np.dstack([GREY, ALPHA]), {"photometric": "minisblack", "planarconfig": "contig"}),
}


def expected(page, pixels: np.ndarray) -> np.ndarray:
    """The samples that tifffile sees as RGB."""
    if page.axes == "SYX":
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels.astype(np.uint8) * (255 if pixels.dtype == bool else 1)
    if page.photometric.name == "PALETTE":
        return (page.colormap[:, pixels] >> 8).astype(np.uint8).transpose(1, 2, 0)
    colour = (
        pixels[..., :3] if pixels.ndim == 3 and pixels.shape[2] > 2 else pixels.reshape(*pixels.shape[:2], -1)[..., :1]
    )
    colour = 255 - colour if page.photometric.name == "MINISWHITE" else colour
    return np.broadcast_to(colour, (*colour.shape[:2], 3))


@pytest.mark.parametrize("kind", KINDS)
def test_tiffs(tmp_path: Path, kind: str) -> None:
    data, options = KINDS[kind]
    more = {"extrasamples": ["unassalpha"]} if kind == "grey and alpha" else {}
    for order, big, compression, orientation in itertools.product(
        "<>", (False, True), (None, "zlib", "lzma"), (1, 4, 5, 8)
    ):
        if big and order == ">":
            continue  # not supported
        tifffile.imwrite(
            tmp_path / "a.tif",
            data,
            byteorder=order,
            bigtiff=big,
            compression=compression,
            extratags=[(274, "H", 1, orientation, True)] if orientation > 1 else [],
            metadata=None,
            **options,
            **more,
        )
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            seen = turned(expected(file.pages[0], file.pages[0].asarray()), orientation)
        picture = read(tmp_path / "a.tif")
        assert np.array_equal(picture.rgb, seen)
        assert size(tmp_path / "a.tif") == seen.shape[:2]
        if kind in ("rgba", "grey and alpha"):
            assert picture.alpha is not None
            assert np.array_equal(picture.alpha, turned(ALPHA, orientation))


def test_alpha_that_is_multiplied_in(tmp_path: Path) -> None:
    for colour in (GREY[..., None], RGB):
        multiplied = (colour.astype(int) * ALPHA[..., None] // 255).astype(np.uint8)
        photometric = "rgb" if colour.shape[2] == 3 else "minisblack"
        stored, kinds = np.dstack([multiplied, ALPHA]), ["assocalpha"]
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, planarconfig="contig", extrasamples=kinds)
        picture = read(tmp_path / "a.tif")
        assert picture.alpha is not None
        assert np.array_equal(picture.alpha, ALPHA)
        assert np.abs(picture.rgb.astype(int) - colour)[ALPHA > 99].max() < 4


def test_big_endian_bigtiffs_are_not_supported(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", byteorder=">", bigtiff=True)
    with pytest.raises(Exception, match="not supported: BigTIFF in big-endian order"):
        read(tmp_path / "a.tif")
