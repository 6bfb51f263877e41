"""A picture of clean and noisy crops side by side, at 1:1 and magnified, with labels.

python scripts/side_by_side.py photos "iPhone 7, ISO 800=demo/noisy" --output demo/side_by_side.png
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIDE = 240
"""Side of a crop in pixels; the magnified ones show the middle SIDE / ZOOM of it."""

ZOOM = 4
GAP = 8
HEADING = 30
BACKGROUND = (250, 250, 250)
INK = (40, 40, 40)

FOCUS = {"astronaut": (0.43, 0.24), "chelsea": (0.39, 0.36), "coffee": (0.54, 0.45), "rocket": (0.50, 0.62)}
"""Where to look in the packaged photographs, as shares of width and height; elsewhere the middle."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean", type=Path, help="folder of clean pictures")
    parser.add_argument("noisy", nargs="+", help="LABEL=FOLDER of noisy pictures with the same stems")
    parser.add_argument("--output", type=Path, required=True, help="picture to write")
    return parser.parse_args()


def pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by stem."""
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix in (".png", ".jpg", ".webp")}


def crop(path: Path) -> Image.Image:
    """SIDE x SIDE pixels around the focus."""
    with Image.open(path) as image:
        across, down = FOCUS.get(path.stem, (0.5, 0.5))
        left = min(max(round(across * image.width) - SIDE // 2, 0), max(image.width - SIDE, 0))
        top = min(max(round(down * image.height) - SIDE // 2, 0), max(image.height - SIDE, 0))
        return image.convert("RGB").crop((left, top, left + SIDE, top + SIDE))


def magnified(picture: Image.Image) -> Image.Image:
    """The middle of a crop, every pixel ZOOM x ZOOM."""
    margin = (SIDE - SIDE // ZOOM) // 2
    return picture.crop((margin, margin, SIDE - margin, SIDE - margin)).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def compose(columns: dict[str, dict[str, Path]]) -> Image.Image:
    """A row for each picture that all columns have: the crops at 1:1, then magnified."""
    stems = [stem for stem in next(iter(columns.values())) if all(stem in paths for paths in columns.values())]
    labels = [*columns, *(f"{label}, {ZOOM}x" for label in columns)]
    width, height = GAP + len(labels) * (SIDE + GAP), HEADING + len(stems) * (SIDE + GAP)
    sheet = Image.new("RGB", (width, height), BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for column, label in enumerate(labels):
        pen.text((GAP + column * (SIDE + GAP) + SIDE / 2, HEADING / 2), label, INK, font, anchor="mm")
    for row, stem in enumerate(stems):
        crops = [crop(paths[stem]) for paths in columns.values()]
        for column, picture in enumerate([*crops, *map(magnified, crops)]):
            sheet.paste(picture, (GAP + column * (SIDE + GAP), HEADING + row * (SIDE + GAP)))
    return sheet


def main() -> None:
    options = arguments()
    columns = {"clean": pictures(options.clean)}
    for entry in options.noisy:
        label, _, folder = entry.rpartition("=")
        columns[label or Path(folder).name] = pictures(Path(folder))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    compose(columns).save(options.output, optimize=True)
    print(options.output)


if __name__ == "__main__":
    main()
