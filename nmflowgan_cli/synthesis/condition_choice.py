"""Choice of camera and ISO for each picture: one, several, a range, or any that the weights know."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nmflowgan_cli.conditions import UNKNOWN_ISO, Condition, Vocabulary
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.randomness import picture_key

ANY = "random"


class IsoRange(NamedTuple):
    """ISO speeds from `low` to `high`, both included; a single ISO where they are equal."""

    low: int
    high: int


@dataclass(frozen=True)
class Choices:
    """The cameras to draw from and, for each, the ISOs and ISO ranges to draw from."""

    cameras: tuple[tuple[str, tuple[IsoRange, ...]], ...]

    def draw(self, seed: int, relative_path: str, repeat: int) -> Condition:
        """The condition of a picture: it depends on the arguments alone, never on the order of the pictures.

        Cameras are drawn uniformly, then an ISO or a range uniformly, then within a range log-uniformly.
        """
        key = picture_key(seed, f"condition\0{relative_path}", repeat)
        first, second, third = np.random.Generator(np.random.Philox(key=key)).random(3)
        camera, ranges = self.cameras[int(first * len(self.cameras))]
        low, high = ranges[int(second * len(ranges))]
        if low == high:
            return Condition(camera, low)
        return Condition(camera, min(max(round(low * (high / low) ** third), low), high))


def choices(vocabulary: Vocabulary, cameras: Sequence[str], isos: Sequence[str]) -> Choices:
    """The choices of a model for `cameras` (codes, names, "random") and `isos` ("800", "100-3200", "random").

    Both may hold commas. A range means the part of it that the camera was trained on. Any camera among
    "random" must know an ISO that is asked for, or is left out; a camera that is named must know all of them.
    None of them means the only camera that there is, and its only ISO.
    Raises ConditionError, listing what exists.
    """
    wanted = split(isos) or _only_iso(vocabulary)
    names = split(cameras) or _only(vocabulary.cameras)
    if not wanted or not names:
        missing = " and ".join([*["a camera"] * (not names), *["an ISO"] * (not wanted)])
        raise ConditionError(
            f"{missing} must be chosen", f"--camera, --iso, or --like, --profile; known: {_listing(vocabulary)}"
        )
    ranges = [_iso_range(text) for text in wanted]
    if ANY not in names:
        codes = dict.fromkeys(name if name in vocabulary.cameras else vocabulary.code(name) for name in names)
        return Choices(tuple((code, _known(vocabulary, code, ranges)) for code in codes))
    found = [(code, _known_or_none(vocabulary, code, ranges)) for code in vocabulary.cameras]
    usable = tuple((code, known) for code, known in found if known)
    if not usable:
        raise ConditionError(f"no camera of these weights knows ISO {', '.join(split(isos))}", _listing(vocabulary))
    return Choices(usable)


def split(texts: Sequence[str]) -> list[str]:
    """The parts of these texts between commas; "random" in any case is ANY."""
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    return [ANY if part.lower() == ANY else part for part in parts]


def _only(names: Sequence[str]) -> list[str]:
    """The names if there is a single one, else none: a choice of several is the user's."""
    return list(names) if len(names) == 1 else []


def _only_iso(vocabulary: Vocabulary) -> list[str]:
    """The only ISO of all cameras, or any where there is only noise of an unknown one; else none."""
    isos = _only([str(iso) for iso in vocabulary.isos])
    return [ANY] if isos == [str(UNKNOWN_ISO)] else isos


def _iso_range(text: str) -> IsoRange | None:
    """The ISO or the range that `text` means; None for any trained ISO."""
    if text == ANY:
        return None
    low, dash, high = text.partition("-")
    if len(text) > 20 or not low.isdecimal() or (dash and not high.isdecimal()):
        raise ConditionError(f"ISO {text!r} is not understood", "a number (800), a range (100-3200), or random")
    found = IsoRange(int(low), int(high or low))
    if found.low > found.high:
        raise ConditionError(f"ISO range {text} is empty", "a range goes from the lower ISO to the higher one")
    return found


def _known(vocabulary: Vocabulary, camera: str, ranges: Sequence[IsoRange | None]) -> tuple[IsoRange, ...]:
    """The ISOs to draw from for `camera`; raises ConditionError where one is outside of what it was trained on."""
    trained = vocabulary.trained_isos(camera)
    if not trained:
        vocabulary.check(Condition(camera, 100))  # raises, with the list of trained cameras
    known: list[IsoRange] = []
    for wanted in ranges:
        if wanted is None:
            known += [IsoRange(iso, iso) for iso in trained]
            continue
        low, high = vocabulary.iso_range(camera)
        part = IsoRange(max(wanted.low, low), min(wanted.high, high))
        if part.low > part.high:
            vocabulary.check(Condition(camera, wanted.low))
        known.append(part)
    return tuple(known)


def _known_or_none(
    vocabulary: Vocabulary, camera: str, ranges: Sequence[IsoRange | None]
) -> tuple[IsoRange, ...] | None:
    try:
        return _known(vocabulary, camera, ranges)
    except ConditionError:
        return None


def _listing(vocabulary: Vocabulary) -> str:
    isos = {code: ", ".join(map(str, vocabulary.trained_isos(code))) for code in vocabulary.cameras}
    return "; ".join(f"{code}: ISO {known}" for code, known in isos.items() if known)
