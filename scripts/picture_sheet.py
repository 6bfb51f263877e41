"""A sheet of crops to look at: clean, real, synthetic, and the noise of both, a row a camera and ISO.

Of each camera of the pairs, the ISOs nearest to those that are asked for; where there is no pair of that ISO, the label
says so. Real pictures may have terms: a sheet of them is for looking at, not for publishing.

python scripts/picture_sheet.py sidd-lite sidd/native --iso 100 800 3200 --output sheet.png
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.evaluation.candidates import candidates, open_weights
from nmflowgan_cli.evaluation.pair_scores import Candidate
from nmflowgan_cli.evaluation.selection import select
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.metrics.moments import noise_of
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.report.crops import telling_place
from nmflowgan_cli.synthesis.weights import find_weights

GAIN = 4
"""How much the noise is amplified, about grey."""
COLUMNS = ("clean", "real", "synthetic", f"real noise x{GAIN}", f"synthetic noise x{GAIN}")
GAP, HEADING = 8, 26
BACKGROUND, INK = (250, 250, 250), (40, 40, 40)


@dataclass(frozen=True)
class Row:
    """The crops of one pair."""

    label: str
    crops: tuple[Bytes, ...]
    """As COLUMNS; (side, side, 3) uint8 each."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="name or path")
    parser.add_argument("data", type=Path, help="paired data, as evaluate reads it")
    parser.add_argument("--split", default="all", help="pairs to choose from (default: all)")
    parser.add_argument("--camera", nargs="+", help="codes of cameras (default: all that the weights know)")
    parser.add_argument("--iso", nargs="+", type=int, default=[100, 800, 3200], help="default: 100 800 3200")
    parser.add_argument("--side", type=int, default=200, help="side of the crops in pixels (default: 200)")
    parser.add_argument("--zoom", type=int, default=2, help="how often each pixel is repeated (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the synthetic noise (default: 0)")
    parser.add_argument("--output", type=Path, required=True, help="picture to write")
    return parser.parse_args()


def chosen(pairs: Sequence[Pair], isos: Sequence[int]) -> Iterator[tuple[str, Pair]]:
    """For each camera the first pairs of the ISOs nearest to these (in stops), with their labels; no ISO twice."""
    for camera in sorted({pair.condition.camera for pair in pairs}):
        missing: dict[Pair, list[int]] = {}
        for wanted in isos:
            own = (pair for pair in pairs if pair.condition.camera == camera)
            pair = min(own, key=lambda pair: abs(math.log(pair.condition.iso / wanted)))
            missing.setdefault(pair, []).extend([wanted] if pair.condition.iso != wanted else [])
        for pair, unmet in missing.items():
            instead = f" (there is no pair of ISO {', '.join(map(str, unmet))})" if unmet else ""
            yield f"{pair.condition}{instead}, {pair.name}", pair


def row(label: str, pair: Pair, candidate: Candidate, side: int, seed: int) -> Row:
    """The crops of a pair where it shows flat and textured parts; the whole picture gets its noise, then it is cut."""
    clean, real = pair.load()
    made = candidate.synthesize(clean, pair.condition, picture_key(seed, pair.name, 0)).noisy
    top, left = (
        min(place, max(0, length - side))
        for place, length in zip(telling_place(clean, side), clean.shape[:2], strict=True)
    )
    pictures = [picture[top : top + side, left : left + side] for picture in (clean, real, made)]
    noises = [amplified(noisy, pictures[0]) for noisy in pictures[1:]]
    return Row(
        f"{label}: noise of {std(pictures[1], pictures[0])} counts, synthetic {std(pictures[2], pictures[0])}",
        (*pictures, *noises),
    )


def amplified(noisy: Bytes, clean: Bytes) -> Bytes:
    """The noise about grey, GAIN times."""
    return (128 + GAIN * noise_of(noisy, clean).astype(np.int32)).clip(0, 255).astype(np.uint8)


def std(noisy: Bytes, clean: Bytes) -> str:
    return f"{noise_of(noisy, clean).std():.1f}"


def compose(rows: Sequence[Row], side: int, zoom: int) -> Image.Image:
    """The sheet: a heading, then for each row its label and its crops."""
    cell = side * zoom
    width, height = GAP + len(COLUMNS) * (cell + GAP), HEADING + len(rows) * (HEADING + cell + GAP)
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
    for column, heading in enumerate(COLUMNS):
        pen.text((GAP + column * (cell + GAP) + cell / 2, HEADING / 2), heading, INK, font, anchor="mm")
    for index, each in enumerate(rows):
        top = HEADING + index * (HEADING + cell + GAP)
        pen.text((GAP, top + HEADING / 2), each.label, INK, font, anchor="lm")
        for column, crop in enumerate(each.crops):
            picture = Image.fromarray(np.ascontiguousarray(crop.repeat(zoom, 0).repeat(zoom, 1)))
            sheet.paste(picture, (GAP + column * (cell + GAP), top + HEADING))
    return sheet


def main() -> None:
    options = arguments()
    (candidate,) = candidates([options.weights], [], fit_note="", load=open_weights(None))
    known = find_weights(options.weights).vocabulary
    pairs = [pair for pair in select(options.data, options.split).pairs if isinstance(pair, Pair)]
    wanted = [
        pair
        for pair in pairs
        if known.knows(pair.condition) and (options.camera is None or pair.condition.camera in options.camera)
    ]
    rows = [row(label, pair, candidate, options.side, options.seed) for label, pair in chosen(wanted, options.iso)]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    compose(rows, options.side, options.zoom).save(options.output, optimize=True)
    print(options.output)


if __name__ == "__main__":
    main()
