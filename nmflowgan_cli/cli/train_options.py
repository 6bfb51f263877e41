"""The words that `nmflowgan train` knows, and which of its options mean something to which model."""

from enum import StrEnum

from nmflowgan_cli.errors import UsageError


class Model(StrEnum):
    nmflowgan = "nmflowgan"
    awgn = "awgn"
    heteroscedastic = "heteroscedastic"
    dncnn = "dncnn"


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


class Preset(StrEnum):
    lite = "lite"
    paper = "paper"


_FLOW_AND_GAN = frozenset(
    {
        "simulate",
        "simulate_share",
        "flow_steps",
        "spatial_steps",
        "rendered",
        "init",
        "strategy",
        "ablate",
        "validate_every",
        "precision",
        "tensorboard",
        "compiled",
    }
)
_LEARNING = frozenset(
    {"balance", "preset", "steps", "batch", "rate", "seed", "device", "resume", "time_limit", "dry_run"}
)
FOREIGN = {
    Model.nmflowgan: frozenset({"noise"}),
    Model.awgn: _FLOW_AND_GAN | _LEARNING | {"noise"},
    Model.heteroscedastic: _FLOW_AND_GAN | _LEARNING | {"noise"},
    Model.dncnn: _FLOW_AND_GAN,
}
"""The options that mean nothing to a model."""


def seconds(flag: str, text: str) -> float:
    """The duration that "90s", "55m" or "3h" means; infinite for nothing."""
    if not text:
        return float("inf")
    units = {"s": 1, "m": 60, "h": 3600}
    if text[-1] not in units or not text[:-1].isdecimal():
        raise UsageError(f"{flag} {text!r} is not a duration", "for example 90s, 55m or 3h")
    return int(text[:-1]) * units[text[-1]]
