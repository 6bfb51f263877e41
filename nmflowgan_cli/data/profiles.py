"""Camera profiles of the ISP simulator, from camera_profiles.json beside this file (which names their source)."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from nmflowgan_cli.models.isp import CameraProfile, ISPNoise


@cache
def camera_profiles() -> dict[str, CameraProfile]:
    """Camera code -> profile."""
    text = files("nmflowgan_cli.data").joinpath("camera_profiles.json").read_text(encoding="utf-8")
    return read_profiles(json.loads(text))


def read_profiles(document: dict[str, Any]) -> dict[str, CameraProfile]:
    """Camera code -> profile, of what camera_profiles.json holds."""
    return {camera: _profile(entry) for camera, entry in document["cameras"].items()}


def default_isp() -> ISPNoise:
    """The simulator with every profile that is packaged."""
    return ISPNoise(camera_profiles())


def _profile(entry: dict[str, Any]) -> CameraProfile:
    (red_low, red_high), (blue_low, blue_high) = entry["white_balance"]
    return CameraProfile(
        noise={int(iso): (shot, read) for iso, (shot, read) in entry["noise"].items()},
        matrix=tuple(tuple(row) for row in entry["matrix"]),
        laplacian_gains=tuple(entry["laplacian_gains"]),
        white_balance=((red_low, red_high), (blue_low, blue_high)),
        floor=entry["floor"],
        black_shift=entry["black_shift"],
    )
