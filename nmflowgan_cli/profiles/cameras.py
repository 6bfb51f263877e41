"""Profiles by camera name, from camera_table.json beside this file (which names its source).

The table says how many electrons a camera's pixels hold and how noisy it reads them. Colours, light and demosaicing are
those of a typical camera that is rendered plainly.
"""

import json
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.profiles.by_hand import typical
from nmflowgan_cli.profiles.profile import NoiseProfile

MOST_NAMES = 8
"""Cameras that a message lists."""
LIGHTS = 1.1
"""White balance is drawn within this factor of the measured light's: wider ranges were worse on SIDD's train split."""
POOR = "poor"
X_TRANS = re.compile(r"X-(?!A\d|T\d00)|X100[STFV]|X[237]0$")
"""Fujifilm's models with X-Trans filters; the X-A series, X-T100, X-T200, XF10, GFX and the first X100 have Bayer's."""
MAKERS_WORDS = {"corporation", "corp", "company", "co", "ltd", "inc", "imaging", "camera", "ag", "electric", "ind"}
"""Words that EXIF adds to a maker's name."""
ROMAN = {"ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6", "vii": "7"}


@dataclass(frozen=True)
class Camera:
    """A camera of the table."""

    maker: str
    model: str
    isos: tuple[int, int]
    """Lowest and highest ISO that were measured."""
    base: int
    """The ISO below which noise does not change: lower ones only darken the picture."""
    saturation: int
    """Electrons that a pixel holds at ISO 100; shot variance of raw values is ISO / (100 saturation)."""
    read: tuple[float, float]
    """Read noise in electrons before the gain, and after it in electrons of ISO 100."""
    white_balance: tuple[float, float] | None
    """Gains of red and blue in the light of the measurement, where they are known."""
    residual: float
    """1.48 times the median of |ln(measured shot variance / fit)|."""
    quality: str
    """good, fair or poor."""

    @property
    def name(self) -> str:
        """Maker and model, the maker once."""
        return self.model if self.model.lower().startswith(self.maker.lower()) else f"{self.maker} {self.model}"

    @property
    def x_trans(self) -> bool:
        """Whether its colour filters are X-Trans, which the simulator does not know."""
        return self.maker == "Fujifilm" and X_TRANS.match(self.model) is not None

    @property
    def remarks(self) -> tuple[str, ...]:
        """Reasons to doubt a profile by the name alone."""
        poor = (f"shot noise of the table varies by {self.residual:.2f} (ln)",) if self.quality == POOR else ()
        return (*poor, "X-Trans, simulated as Bayer: strength holds, correlation does not") if self.x_trans else poor

    def noise(self, iso: int) -> tuple[float, float]:
        """(shot, read) of raw values in [0, 1] at `iso`; raises ConditionError outside of `isos`."""
        low, high = self.isos
        if not low <= iso <= high:
            raise ConditionError(f"ISO {iso} is outside what the table knows of {self.name}", f"ISO {low} to {high}")
        iso = max(iso, self.base)
        shot = iso / (100 * self.saturation)
        before, after = self.read
        return shot, (before**2 + (after * 100 / iso) ** 2) * shot**2


@cache
def cameras() -> tuple[Camera, ...]:
    """All cameras of the table, by maker and model."""
    text = files("nmflowgan_cli.profiles").joinpath("camera_table.json").read_text(encoding="utf-8")
    return tuple(Camera(**{key: _frozen(value) for key, value in row.items()}) for row in json.loads(text)["cameras"])


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def search(query: str) -> list[Camera]:
    """The cameras that have all words of `query`, in any case; those of exactly these words alone, where there are any.

    EXIF's maker and model ("NIKON CORPORATION NIKON D800") serve, and Sony's names ("A7 II"). Empty where none fits.
    """
    for words in (_words(query), _words(_sony(query))):
        exact = [camera for camera in cameras() if words in (_words(camera.name), _words(camera.model))]
        if exact or not words:
            return exact
        found = [camera for camera in cameras() if words <= _words(camera.name)]
        if found:
            return _same_model(found, words)
    joined = _joined(query)
    return [camera for camera in cameras() if joined in (_joined(camera.name), _joined(camera.model))]


def containing(query: str) -> list[Camera]:
    """The cameras in whose names every word of `query` occurs, also as part of a word."""
    return [camera for camera in cameras() if all(word in camera.name.lower() for word in query.lower().split())]


def camera_of(name: str) -> Camera:
    """The camera that `name` means, see `search`; raises ConditionError with the nearest where it is not one."""
    found = search(name)
    if len(found) == 1:
        return found[0]
    if found:
        more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
        names = ", ".join(camera.name for camera in found[:MOST_NAMES])
        raise ConditionError(f"camera {name!r} is ambiguous", f"it may mean {names}{more}")
    raise ConditionError(
        f"camera {name!r} is not in the table of cameras", f"{nearest(name)}nmflowgan cameras lists it"
    )


def nearest(name: str) -> str:
    """The question for the cameras whose names are nearest to an unknown one; empty where none is near."""
    spellings = {_joined(spelling): camera.name for camera in cameras() for spelling in (camera.model, camera.name)}
    near = dict.fromkeys(spellings[match] for match in get_close_matches(_joined(name), spellings, n=3, cutoff=0.7))
    return f"did you mean {' or '.join(near)}? " if near else ""


def profile_of(name: str, isos: tuple[int, ...] = (), *, area: float = 1.0) -> NoiseProfile:
    """The profile of a camera of the table, rendered plainly.

    `isos`: those that are wanted; by default every stop of the camera's range, between which physics interpolates.
    `area`: of a pixel relative to the camera's, for a sister camera with larger or smaller pixels of the same kind:
    they hold so many times the electrons. Raises ConditionError for unknown and ambiguous names, and ISOs outside.
    """
    camera = camera_of(name)
    noise = {iso: camera.noise(iso) for iso in sorted(set(isos or stops(camera)))}
    scaled = {iso: (shot / area, read / area**2) for iso, (shot, read) in noise.items()}
    profile = typical(camera.name, scaled, way="table", remarks=camera.remarks)
    return profile if camera.white_balance is None else _lit(profile, *camera.white_balance)


def _lit(profile: NoiseProfile, red: float, blue: float) -> NoiseProfile:
    """The profile around the light that the camera was measured in."""
    ranges = (red / LIGHTS, red * LIGHTS), (blue / LIGHTS, blue * LIGHTS)
    return replace(profile, camera=replace(profile.camera, white_balance=ranges))


def stops(camera: Camera) -> list[int]:
    """The ends of the range, the base ISO, and every stop from there."""
    low, high = camera.isos
    return sorted({low, high, *(camera.base << stop for stop in range(16) if low <= camera.base << stop <= high)})


def _same_model(found: list[Camera], words: frozenset[str]) -> list[Camera]:
    """Of several cameras that have all the words the one that has nothing else but its maker and its series."""
    extra = [len(_words(camera.model) - words) for camera in found]
    return found if min(extra) > 1 or extra.count(min(extra)) > 1 else [found[extra.index(min(extra))]]


def _words(name: str) -> frozenset[str]:
    return frozenset(word for word in re.split(r"[^0-9a-zA-Z*+]+", name.lower()) if word and word not in MAKERS_WORDS)


def _joined(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _sony(name: str) -> str:
    """ "A7 II" and "Sony alpha 7R III" as their files say it, "ILCE-7M2" and "ILCE-7RM3"; others as they are."""
    pattern = r"(?:\u03b1|\balpha|\ba)\s?(\d{1,4}[rsc]?)\s*(?:(?:mark\s*)?(ii|iii|iv|v|vi|vii)\b)?"
    found = re.search(pattern, name.lower())
    if not found:
        return name
    generation = f"m{ROMAN[found[2]]}" if found[2] else ""
    return f"ILCE-{found[1]}{generation}"
