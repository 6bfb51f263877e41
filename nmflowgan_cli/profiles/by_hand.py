"""Profiles of numbers by hand; what is not given is that of a typical camera."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from nmflowgan_cli.profiles.files import FORMAT, UNKNOWN, VERSION, parse_profile
from nmflowgan_cli.profiles.profile import NoiseProfile, Way


def typical(
    name: str, noise: Mapping[int, tuple[float, float]], *, way: Way = "hand", remarks: tuple[str, ...] = ()
) -> NoiseProfile:
    """The profile of a typical camera with this noise, ISO -> (shot, read); raises WeightsError beyond the schema."""
    return _parsed(name, {str(iso): pair for iso, pair in noise.items()}, way, remarks)


def by_hand(
    shot: float, read: float, iso: int | None = None, *, name: str = "by hand", like: NoiseProfile | None = None
) -> NoiseProfile:
    """The profile of two numbers: the variance of raw values in [0, 1] is shot * raw + read.

    `iso`: where they hold; other ISOs follow physics. None where it is not known. `like`: a profile whose colours,
    light and demosaicing are taken; by default those of a typical camera. Raises WeightsError beyond the schema.
    """
    made = _parsed(name, {UNKNOWN if iso is None else str(iso): (shot, read)}, "hand", ())
    return made if like is None else replace(made, camera=replace(like.camera, noise=made.camera.noise))


def _parsed(name: str, noise: Mapping[str, tuple[float, float]], way: Way, remarks: tuple[str, ...]) -> NoiseProfile:
    """By the schema of profile files, which has the limits and the typical camera."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "way": way,
        "noise": {iso: {"shot": shot, "read": read} for iso, (shot, read) in noise.items()},
        "remarks": remarks,
    }
    return parse_profile(msgspec.json.encode(document), f"the profile {name!r}")
