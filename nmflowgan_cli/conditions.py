"""Camera and ISO: the vocabulary of a model, and one frozen `Condition` a picture.

The official code maps every unknown camera or ISO to index 0 without a word. Here an unknown one
is an error that lists what exists, and an ISO between two trained ones is interpolated in log ISO.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from nmflowgan_cli.errors import ConditionError

CAMERA_NAMES = {
    "IP": "Apple iPhone 7",
    "GP": "Google Pixel",
    "S6": "Samsung Galaxy S6 Edge",
    "N6": "Motorola Nexus 6",
    "G4": "LG G4",
    "5D2": "Canon EOS 5D Mark II",
    "80D": "Canon EOS 80D",
    "D800": "Nikon D800",
    "A7II": "Sony A7 II",
}
"""Short codes of the phones of SIDD and the cameras of PolyU, and their full names."""

UNKNOWN_ISO = 0
"""The ISO of noise whose ISO is not known; a point of its own, beside all others."""

GUIDE = "docs/new-camera.md"
"""The page on fine-tuning for a camera or an ISO that no weights know."""


@dataclass(frozen=True)
class Condition:
    """Camera code ("IP") and ISO speed of a picture."""

    camera: str
    iso: int

    def __str__(self) -> str:
        return f"{self.camera} ISO {self.iso or 'not known'}"


def _simplified(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def _is_part(name: str, full: str) -> bool:
    """Whether `name` means a camera of this full name: its letters in a row, or each of its words ("Canon 80D").

    No number is cut short: a D80 is no D800.
    """
    row = re.escape(_simplified(name)) + r"(?!(?<=\d)\d)"
    words, known = (set(map(_simplified, re.split(r"[\s-]+", text.strip()))) for text in (name, full))
    return re.search(row, _simplified(full)) is not None or words <= known


def camera_code(
    name: str, known: tuple[str, ...] = tuple(CAMERA_NAMES), names: Mapping[str, str] = CAMERA_NAMES
) -> str:
    """The code among `known` that `name` means: a code or (part of) a full name of `names`, in any case.

    "IP", "ip", "iPhone 7" and "Apple iPhone 7" all mean IP. Raises ConditionError where nothing,
    or more than one camera, fits; the message lists the known cameras and suggests a near one.
    """
    wanted = _simplified(name)
    codes = [code for code in known if _simplified(code) == wanted]
    if not codes and len(wanted) > 2:
        codes = [code for code in known if _is_part(name, names.get(code, code))]
    if len(codes) == 1:
        return codes[0]
    if codes:
        raise ConditionError(f"camera {name!r} is ambiguous", f"it may mean {_listed(codes, names)}")
    raise ConditionError(
        f"camera {name!r} is unknown",
        f"{_guess(name, known, names)}known cameras: {_listed(known, names)}; {GUIDE} explains how to add one",
    )


def _guess(name: str, known: Iterable[str], names: Mapping[str, str]) -> str:
    """The question for the camera whose code or name is nearest to an unknown `name`; empty where none is near."""
    spellings: dict[str, str] = {}
    for code in known:
        full = names.get(code, code)
        for spelling in (code, full, full.partition(" ")[2] or full):
            spellings.setdefault(_simplified(spelling), code)
    near = [spellings[match] for match in get_close_matches(_simplified(name), spellings, n=1)]
    return f"did you mean {_listed(near, names)}? " if near else ""


def _listed(codes: Iterable[str], names: Mapping[str, str]) -> str:
    """Codes with their full names."""
    return ", ".join(f"{code} ({names[code]})" if code in names else code for code in codes)


@dataclass(frozen=True)
class Vocabulary:
    """The cameras and ISOs that a model was trained on.

    `trained` maps camera -> ISO -> number of training patches. The order of `cameras` and `isos`
    is the order of the model's one-hot inputs and tables.
    """

    cameras: tuple[str, ...]
    isos: tuple[int, ...]
    trained: Mapping[str, Mapping[int, int]]
    names: Mapping[str, str] = field(default_factory=dict)
    """Full names of cameras that CAMERA_NAMES does not know, by code."""
    reach: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The lowest and highest ISO of cameras whose noise is known beyond the trained ISOs, by physics."""

    any_camera: bool = False
    """Whether the only camera may stand for others, see `stand_in`."""

    def stand_in(self, condition: Condition) -> Condition:
        """The condition whose noise is taken for that of `condition`; itself, but for a model of `any_camera`.

        There the noise of the only camera is measured against that of any other one.
        """
        if not self.any_camera:
            return condition
        return Condition(self.cameras[0], UNKNOWN_ISO if self.isos == (UNKNOWN_ISO,) else condition.iso)

    def trained_isos(self, camera: str) -> list[int]:
        return sorted(iso for iso, patches in self.trained.get(camera, {}).items() if patches > 0)

    def iso_range(self, camera: str) -> tuple[int, int]:
        """The lowest and highest ISO that a camera can have, which must have been trained on."""
        isos = self._known_isos(camera)
        return self.reach.get(camera, (isos[0], isos[-1]))

    def _known_isos(self, camera: str) -> list[int]:
        """The trained ISOs, without the unknown one unless there is no other."""
        isos = self.trained_isos(camera)
        return [iso for iso in isos if iso != UNKNOWN_ISO] or isos

    def code(self, name: str) -> str:
        """The code of the camera that `name` means, see `camera_code`; raises ConditionError."""
        return camera_code(name, self.cameras, {**CAMERA_NAMES, **self.names})

    def parse(self, camera: str, iso: int) -> Condition:
        """The condition of a camera's code or name and an ISO; raises ConditionError if untrained."""
        condition = Condition(self.code(camera), iso)
        self.check(condition)
        return condition

    def knows(self, condition: Condition) -> bool:
        """Whether the model was trained around `condition`, see `check`."""
        try:
            self.check(condition)
        except ConditionError:
            return False
        return True

    def check(self, condition: Condition) -> None:
        """Raise ConditionError, listing what exists, unless the model was trained around `condition`."""
        if condition.camera not in self.cameras:
            self.code(condition.camera)
        isos = self.trained_isos(condition.camera)
        if not isos:
            raise ConditionError(
                f"these weights were never trained on camera {condition.camera}",
                f"trained cameras: {', '.join(c for c in self.cameras if self.trained_isos(c))}; see {GUIDE}",
            )
        low, high = self.iso_range(condition.camera)
        if low <= condition.iso <= high or condition.iso in isos:
            return
        if high == UNKNOWN_ISO:
            raise ConditionError(
                f"ISO {condition.iso} is asked for, and the ISO of {condition.camera} is not known",
                "leave out --iso, or make a profile that states its ISO: nmflowgan profile fit --help",
            )
        raise ConditionError(
            f"ISO {condition.iso} is outside what these weights know of {condition.camera}",
            f"ISO {low} to {high}; trained at {', '.join(map(str, isos))}; for others see {GUIDE}",
        )

    def iso_weights(self, condition: Condition) -> list[float]:
        """A soft one-hot over `isos`: exact at the camera's trained ISOs, linear in log ISO between."""
        self.check(condition)
        isos = [condition.iso] if condition.iso == UNKNOWN_ISO else self._known_isos(condition.camera)
        wanted = min(max(condition.iso, isos[0]), isos[-1])
        upper = next(iso for iso in isos if iso >= wanted)
        lower = max(iso for iso in isos if iso <= wanted)
        share = math.log(wanted / lower) / math.log(upper / lower) if upper > lower else 0.0
        weights = dict.fromkeys(self.isos, 0.0)
        weights[lower] += 1.0 - share
        weights[upper] += share
        return list(weights.values())
