"""Run a folder of strange picture files through `synthesize`, and compare each result with an independent reader.

The independent readers are tifffile and OpenCV. They share no code with Pillow, so that its mistakes are seen, too: in
size, orientation, pixels, alpha and profile of what is read, and in the noise of what is made of it.

pip install tifffile opencv-python-headless
python scripts/strange_files.py FOLDER --json strange.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nmflowgan_cli.imaging import Picture, read

BATCH = 100
"""Pictures that one run of `synthesize` makes."""
LOSSY = 4
"""Counts that decoders of JPEG and WebP may differ by."""
NOISE = 40.0
"""Counts: the noise has a smaller standard deviation, and the difference of two pictures mostly a larger one."""
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TURNS = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""Orientations of EXIF."""


class UnreadError(Exception):
    """The independent reader cannot read this."""


@dataclass(frozen=True)
class Seen:
    """What an independent reader sees, upright."""

    rgb: np.ndarray
    alpha: np.ndarray | None
    icc: bytes | None
    tolerance: int = 0


def by_tifffile(path: Path) -> Seen:
    """The page that is not reduced, in 8 bits."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = next((page for page in file.pages if not page.is_reduced), file.pages[0])
        pixels = np.asarray(page.asarray())
        if page.axes not in ("YX", "YXS", "SYX"):
            raise UnreadError(f"axes {page.axes}")
        pixels = pixels.reshape(page.shape) if page.axes != "SYX" else np.moveaxis(pixels, 0, -1)
        colour, alpha = _colour(page, pixels)
        tags = {tag.code: tag.value for tag in page.tags.values()}
    turn = TURNS.get(tags.get(274, 1), TURNS[1])
    return Seen(turn(colour), None if alpha is None else turn(alpha), tags.get(34675))


def _colour(page: Any, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """RGB (H, W, 3) and alpha (H, W) of the samples of a page."""
    if pixels.dtype not in (np.bool_, np.uint8):
        raise UnreadError(f"pixels of {pixels.dtype}")
    samples = pixels.astype(np.uint8)[..., None] if pixels.ndim == 2 else pixels.astype(np.uint8)
    name = page.photometric.name
    if name not in ("MINISWHITE", "MINISBLACK", "PALETTE", "RGB"):
        raise UnreadError(name)
    count = 3 if name == "RGB" else 1
    colour, extra = samples[..., :count], samples[..., count:]
    if name == "PALETTE":
        colour = (page.colormap[:, colour[..., 0]] >> 8).astype(np.uint8).transpose(1, 2, 0)
    else:
        colour = (colour.astype(np.uint16) * 255 // (2**page.bitspersample - 1)).astype(np.uint8)
    colour = 255 - colour if name == "MINISWHITE" else colour
    kinds = [int(kind) for kind in page.extrasamples]
    alpha = extra[..., 0] if kinds and kinds[0] in (1, 2, 999) else None
    if alpha is not None and kinds[0] == 1:
        whole = np.minimum(colour.astype(np.uint32) * 255 // np.maximum(alpha[..., None], 1), 255).astype(np.uint8)
        colour = np.where(alpha[..., None] > 0, whole, colour)
    return np.repeat(colour, 3, 2) if colour.shape[-1] == 1 else colour, alpha


def by_opencv(path: Path) -> Seen:
    """The picture as OpenCV turns it: by EXIF, not by XMP, and no WebP or TIFF."""
    import cv2

    upright = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    stored, kinds, blocks = cv2.imreadWithMetadata(str(path), flags=cv2.IMREAD_UNCHANGED)
    if upright is None or stored is None:
        raise UnreadError("OpenCV reads nothing")
    if stored.dtype != np.uint8:
        raise UnreadError(f"pixels of {stored.dtype}")
    alpha = stored[..., 3] if stored.ndim == 3 and stored.shape[2] == 4 else None
    if alpha is not None:
        colour = stored[..., 2::-1]
        alpha = next((turn(alpha) for turn in TURNS.values() if np.array_equal(turn(colour), upright)), alpha)
    content = path.read_bytes()
    profiles = [bytes(block) for kind, block in zip(kinds, blocks, strict=True) if kind == cv2.IMAGE_METADATA_ICCP]
    icc = next((block for block in profiles if block[36:40] == b"acsp"), None)  # it takes other segments for profiles
    return Seen(upright, alpha, icc, 0 if content[:4] in (b"\x89PNG", *TIFF) or content[:2] == b"BM" else LOSSY)


def seen(path: Path) -> Seen:
    """The picture as the first independent reader sees it that can; UnreadError where none can."""
    if path.read_bytes()[:4] not in TIFF:
        readers = [by_opencv]
    else:
        readers = [by_tifffile, lambda path: replace(by_opencv(path), icc=_tags(path).get(34675))]
    reasons = []
    for reader in readers:
        try:
            return reader(path)
        except Exception as error:  # noqa: BLE001 - files are strange, and readers raise all kinds
            reasons.append(" ".join(str(error).split())[:60])
    raise UnreadError("; ".join(reasons))


def _tags(path: Path) -> dict[int, Any]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        return {tag.code: tag.value for tag in file.pages[0].tags.values()}


def differences(picture: Picture, noisy: np.ndarray, other: Seen) -> Iterator[str]:
    """How the picture that was read, and the noisy one that was made of it, differ from what another reader sees."""
    if picture.rgb.shape != other.rgb.shape or noisy.shape != other.rgb.shape:
        yield f"size {picture.rgb.shape[:2]}, made {noisy.shape[:2]}, not {other.rgb.shape[:2]}"
        return
    shown = np.ones(noisy.shape[:2], bool) if picture.alpha is None else picture.alpha > 0
    largest = _largest(picture.rgb[shown], other.rgb[shown])
    if largest > other.tolerance:
        otherwise = any(
            _largest(picture.rgb, turn(other.rgb)) <= other.tolerance
            for turn in TURNS.values()
            if turn(other.rgb).shape == picture.rgb.shape
        )
        yield "turned otherwise" if otherwise else f"pixels by {largest}"
    opaque = np.full(noisy.shape[:2], 255, np.uint8)
    alphas = [opaque if alpha is None else alpha for alpha in (picture.alpha, other.alpha)]
    if not np.array_equal(*alphas):
        yield "alpha"
    if picture.icc != other.icc:
        yield f"profile of {len(picture.icc or b'')} bytes, not {len(other.icc or b'')}"
    noise = (noisy.astype(int) - other.rgb)[shown]
    if noise.size and noise.std() > NOISE:
        yield f"noise of {noise.std():.0f} counts"


def _largest(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max(initial=0))


def made(paths: Sequence[Path], folder: Path, number: int) -> tuple[dict[Path, dict[str, Any]], list[str]]:
    """The records of a batch, and the lines on stderr; each file has a link of a name of its own."""
    links = {folder / f"{number:04d}-{index:04d}{path.suffix}": path for index, path in enumerate(paths)}
    for link, path in links.items():
        link.symlink_to(path.resolve())
    command = [sys.executable, "-m", "nmflowgan_cli", "synthesize", "-", "-c", "IP", "-i", "800", "-q", "--json"]
    done = subprocess.run(
        [*command, "-o", str(folder / f"made{number}")],
        input="\0".join(map(str, links)) + "\0",
        capture_output=True,
        text=True,
        check=False,
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return {links[Path(record["input"])]: record for record in records}, done.stderr.splitlines()


def judged(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """What became of a file: the word for its refusal, or how it compares."""
    if record["status"] != "done":
        words = ("is not supported", "is beyond a limit", "is damaged")
        error = record["error"]
        return {"result": next((word for word in words if word in error), "other"), "error": error}
    try:
        other = seen(path)
    except UnreadError as error:
        return {"result": "made, not compared", "reason": str(error)}
    picture = read(path)
    found = list(differences(picture, read(record["output"]).rgb, other))
    return {"result": "made, differs" if found else "made, alike", "differences": found, "notes": picture.notes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, help="file for what became of each file")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file())
    results: dict[str, dict[str, Any]] = {}
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, first in enumerate(range(0, len(paths), BATCH)):
            batch = paths[first : first + BATCH]
            records, told = made(batch, Path(folder), number)
            lines += told
            unmade = {"result": "no record", "error": told[-1] if told else ""}
            results |= {str(path): judged(path, records[path]) if path in records else unmade for path in batch}
    for path, result in results.items():
        if result["result"] in ("made, differs", "no record", "other"):
            print(f"{os.path.relpath(path, options.folder)}: {result.get('differences') or result['error']}")
    counts = Counter(result["result"] for result in results.values())
    refused = sum("error" in result for result in results.values())
    print(", ".join(f"{name}: {count}" for name, count in counts.most_common()))
    print(f"files: {len(paths)}, refused: {refused}, lines on stderr with -q: {len(lines)}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
