"""Draw reference, clean, real and made noise side by side: profiles of one picture on another scene, to be looked at.

python scripts/reference_sheet.py sidd/native polyu -o sheet.png [--split train]
"""

import argparse
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmflowgan_cli.conditions import UNKNOWN_ISO, Condition
from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.imaging import read
from nmflowgan_cli.profiles.likeness import like
from nmflowgan_cli.profiles.model import model_of
from nmflowgan_cli.synthesis.engine import synthesize

SIDE, SCALE = 112, 2
"""Of a crop, in pixels; enlargement."""


def references(data: Path, split: str) -> Iterator[tuple[Pair, Pair]]:
    """A reference and a target of another scene, for one ISO of each camera."""
    key = lambda pair: (pair.condition.camera, pair.condition.iso)  # noqa: E731
    shown = set()
    for (camera, _), group in groupby(sorted(read_pairs(data, split), key=key), key):
        first, *others = group
        other = next((pair for pair in others if pair.scene != first.scene), None)
        if other and camera not in shown:
            shown.add(camera)
            yield first, other


def crop(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = ((side - SIDE) // 2 for side in picture.shape[:2])
    return picture[top : top + SIDE, left : left + SIDE].repeat(SCALE, 0).repeat(SCALE, 1)


def row(reference: Pair, target: Pair) -> NDArray[np.uint8]:
    profile = like([Path(reference.noisy)], camera="it")
    clean = read(target.clean).rgb
    made = synthesize(model_of(profile), clean, Condition(profile.name, UNKNOWN_ISO), 0)
    return np.hstack([crop(each) for each in (read(reference.noisy).rgb, clean, read(target.noisy).rgb, made)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--split", default="train", choices=("all", "train", "val"))
    parser.add_argument("-o", "--output", type=Path, default=Path("sheet.png"))
    given = parser.parse_args()
    rows = [row(*pairs) for data in given.data for pairs in references(data, given.split)]
    Image.fromarray(np.vstack(rows)).save(given.output)


if __name__ == "__main__":
    main()
