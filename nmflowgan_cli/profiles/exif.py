"""Camera and ISO of a picture, as its EXIF states them."""

from typing import NamedTuple

from PIL import ExifTags, Image

from nmflowgan_cli.imaging import Picture

LARGEST_ISO = 999999
LONGEST_NAME = 80


class Shot(NamedTuple):
    """What a camera says of a picture."""

    camera: str
    """Maker and model; "" where it is not said."""
    iso: int | None


def shot_of(picture: Picture) -> Shot:
    """Camera and ISO by EXIF; what is not said, or damaged, is left out."""
    exif = Image.Exif()
    try:
        exif.load(picture.exif or b"")
        details = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # noqa: BLE001 - EXIF of any file: Pillow raises whatever its bytes lead to
        return Shot("", None)
    camera = camera_name(exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model))
    return Shot(camera, iso_of(details.get(ExifTags.Base.ISOSpeedRatings)))


def camera_name(make: object, model_tag: object) -> str:
    """Maker and model as people write them: "NIKON CORPORATION", "NIKON D800" is a Nikon D800; "" without a model."""
    maker, model = _text(make), _text(model_tag)
    brand = maker.split()[0] if maker else ""
    if not model or not brand:
        return model
    written = brand.capitalize() if brand.isupper() and len(brand) > 3 else brand
    rest = model[len(brand) :] if model.lower().startswith(brand.lower()) else f" {model}"
    return f"{written}{rest}"[:LONGEST_NAME].strip()


def _text(value: object) -> str:
    """The printable characters of a text; "" for anything else."""
    text = value.decode("ascii", "ignore") if isinstance(value, bytes) else value
    return "".join(c for c in text if c.isprintable()).strip() if isinstance(text, str) else ""


def iso_of(value: object) -> int | None:
    """The ISO of an EXIF tag; None where it is none."""
    number = value[0] if isinstance(value, tuple) and value else value
    return number if isinstance(number, int) and 0 < number <= LARGEST_ISO and number != 65535 else None
