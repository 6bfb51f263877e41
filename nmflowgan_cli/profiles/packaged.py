"""Packaged profiles of cameras' own JPEGs, by name; made by scripts/derive_packaged_profiles.py."""

from importlib.resources import files

from nmflowgan_cli.conditions import CAMERA_NAMES, camera_code
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.profiles.files import parse_profile
from nmflowgan_cli.profiles.profile import NoiseProfile

CODES = ("5D2", "80D", "A7II", "D800")
TERMS = "non-commercial research only"
"""Of the pictures that the profiles were estimated from (PolyU), and so of the profiles."""


def packaged(name: str) -> NoiseProfile:
    """The profile of a camera, by code or (part of) its name; raises ConditionError that lists those there are."""
    code = camera_code(name, CODES, {code: CAMERA_NAMES[code] for code in CODES})
    content = files("nmflowgan_cli.profiles").joinpath("packaged", f"{code}.json").read_bytes()
    return parse_profile(content, code)


def renders(name: str) -> bool:
    """Whether `name` means one camera whose own JPEGs are known."""
    try:
        return camera_code(name, CODES) in CODES
    except ConditionError:
        return False
