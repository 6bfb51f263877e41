"""Choices of the options of `nmflowgan train`, and which of them mean something to an architecture."""

from collections.abc import Sequence
from enum import StrEnum

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.registry import ARCHITECTURES, architecture


class Balance(StrEnum):
    code = "code"
    picture = "picture"
    none = "none"


class Strategy(StrEnum):
    simultaneous = "simultaneous"
    joint = "joint"
    two_stage = "two-stage"


class Precision(StrEnum):
    float32 = "float32"
    bfloat16 = "bfloat16"


class Part(StrEnum):
    sal = "sal"
    sdl = "sdl"
    gan = "gan"


class Rendering(StrEnum):
    plain = "plain"
    camera = "camera"


FAMILY = "nmflowgan"
"""What `--arch` calls the architectures `lite` and `paper`: `--preset` says which."""
MODELS = (FAMILY, *ARCHITECTURES)
PRESETS = tuple(dict.fromkeys(preset for row in ARCHITECTURES.values() for preset in row.recipes))


def metavar(names: Sequence[str]) -> str:
    """Names as help shows what can be chosen."""
    return f"[{'|'.join(names)}]"


def architecture_name(model: str, preset: str) -> str:
    """The name in the table of architectures that `--arch` and `--preset` mean."""
    return (preset or next(iter(PRESETS))) if model == FAMILY else model


def foreign_options(name: str) -> frozenset[str]:
    """Parameters of `train` that mean something to other architectures, and nothing to this one."""
    known = frozenset().union(*(row.options for row in ARCHITECTURES.values()))
    return known - architecture(name).options


def seconds(flag: str, text: str) -> float:
    """The duration that "90s", "55m" or "3h" means; infinite for nothing."""
    if not text:
        return float("inf")
    units = {"s": 1, "m": 60, "h": 3600}
    if text[-1] not in units or not text[:-1].isdecimal():
        raise UsageError(f"{flag} {text!r} is not a duration", "for example 90s, 55m or 3h")
    return int(text[:-1]) * units[text[-1]]
