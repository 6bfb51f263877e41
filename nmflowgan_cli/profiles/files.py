"""Profile file: a NoiseProfile as JSON that can be read, and written by hand; docs/profiles.md describes every field.

Only name, and shot and read of one ISO, have to be there. What a field may hold is said once, in the schema below.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from nmflowgan_cli.errors import WeightsError
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.models.isp import CameraProfile
from nmflowgan_cli.models.rendered import Rendering
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference, Way

FORMAT, VERSION = "nmflowgan-profile", 1
LARGEST_FILE = 1 << 20
"""Bytes; a profile with a hundred references has 20 KB."""
UNKNOWN = "unknown"
"""The key of noise whose ISO is not known."""
NOMINAL_ISO = 100
"""Where `CameraProfile.noise` keeps noise whose ISO is not known."""
KERNEL = 15
"""Longest side of a rendering's kernel."""
DIGITS = 6
"""Significant digits of the numbers in a file."""

_Level = Annotated[int, Meta(ge=0, le=255)]
_Levels = tuple[_Level, _Level]
_Text = Annotated[str, Meta(max_length=500)]
_Name = Annotated[str, Meta(min_length=1, max_length=100)]
_Variance = Annotated[float, Meta(ge=0, le=1)]
_Gain = Annotated[float, Meta(ge=0.1, le=16)]
_Gains = tuple[_Gain, _Gain]
_Colour = Annotated[float, Meta(ge=-8, le=8)]
_Row = tuple[_Colour, _Colour, _Colour]
_Weight = Annotated[float, Meta(ge=-4, le=4)]
_Iso = Annotated[str, Meta(pattern=rf"^([1-9][0-9]{{0,5}}|{UNKNOWN})$")]
_Term = Annotated[float, Meta(ge=-100, le=100)]
_Terms = tuple[_Term, _Term, _Term, _Term, _Term, _Term, _Term]
_Taps = Annotated[tuple[Annotated[float, Meta(ge=-8, le=8)], ...], Meta(min_length=1, max_length=KERNEL)]
_Plane = Annotated[tuple[_Taps, ...], Meta(min_length=1, max_length=KERNEL)]
_Sources = tuple[_Plane, _Plane, _Plane]
_Error = Annotated[float, Meta(ge=0, le=1e6)]


class _Noise(Struct, forbid_unknown_fields=True):
    shot: _Variance
    read: _Variance


class _WhiteBalance(Struct, forbid_unknown_fields=True):
    red: _Gains
    blue: _Gains

    def __post_init__(self) -> None:
        if self.red[0] > self.red[1] or self.blue[0] > self.blue[1]:
            raise ValueError("a range goes from the lower to the higher gain")


class _Reference(Struct, forbid_unknown_fields=True):
    name: _Name
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    white_balance: _Gains | None = None


class _Rendering(Struct, forbid_unknown_fields=True):
    strength: tuple[_Terms, _Terms, _Terms]
    kernel: tuple[_Sources, _Sources, _Sources]
    variation: Annotated[float, Meta(ge=0, le=2)]

    def __post_init__(self) -> None:
        sides = {(len(plane), len(row)) for sources in self.kernel for plane in sources for row in plane}
        if len(sides) != 1 or any(side % 2 == 0 for side in next(iter(sides))):
            raise ValueError("kernel: all planes have the same odd sides")


class _Document(Struct, forbid_unknown_fields=True, kw_only=True):
    """The schema. Its defaults are a typical camera: the means of the five phones of data/camera_profiles.json."""

    format: Literal["nmflowgan-profile"]
    version: Literal[1]
    name: _Name
    way: Way = "hand"
    noise: Annotated[dict[_Iso, _Noise], Meta(min_length=1, max_length=100)]
    matrix: tuple[_Row, _Row, _Row] = ((0.734, 0.392, -0.126), (0.048, 0.845, 0.107), (0.025, 0.143, 0.832))
    laplacian_gains: tuple[_Weight, _Weight, _Weight] = (0.42, 0.67, 0.66)
    white_balance: _WhiteBalance = msgspec.field(default_factory=lambda: _WhiteBalance((1.3, 2.3), (1.6, 2.5)))
    floor: Annotated[float, Meta(ge=-1, le=0)] = -0.037
    black_shift: Annotated[float, Meta(ge=-10, le=10)] = 0.05
    headroom: Annotated[float, Meta(ge=0, le=8)] = 0.0
    sampled: bool = False
    mosaic: bool = True
    blur: Annotated[float, Meta(ge=0, le=4)] = 0.0
    rendering: _Rendering | None = None
    renderings: dict[_Iso, _Rendering] = {}
    levels: Annotated[list[_Levels], Meta(max_length=3)] = []
    texture: Annotated[float, Meta(ge=0, le=255)] | None = None
    references: Annotated[list[_Reference], Meta(max_length=1000)] = []
    uncertainty: Annotated[dict[_Name, _Error], Meta(max_length=100)] = {}
    remarks: Annotated[list[_Text], Meta(max_length=100)] = []

    def __post_init__(self) -> None:
        if not self.name.isprintable() or self.name.strip() != self.name:
            raise ValueError("name: printable characters only, no space at either end")
        if UNKNOWN in self.noise and len(self.noise) > 1:
            raise ValueError(f"noise: {UNKNOWN!r} stands alone, without ISOs beside it")
        if self.mosaic and self.blur:
            raise ValueError("blur: only without a mosaic")
        self._check_rendering()
        if any(abs(sum(row) - 1) > 0.01 for row in self.matrix):
            raise ValueError("matrix: each row must sum to 1, so that grey stays grey")
        if abs(_determinant(self.matrix)) < 0.02:
            raise ValueError("matrix: it has no inverse")
        if len(self.levels) not in (0, 3):
            raise ValueError("levels: a range for each of red, green and blue, or none")
        if any(low > high for low, high in self.levels):
            raise ValueError("levels: a range goes from the lowest to the highest level")

    def _check_rendering(self) -> None:
        rendered = self.rendering or self.renderings
        if (rendered or self.sampled) and not self.mosaic:
            raise ValueError(f"{'rendering' if rendered else 'sampled'}: only with a mosaic")
        if self.rendering and (len(self.noise) > 1 or self.renderings):
            raise ValueError("rendering: of a single ISO")
        if self.renderings and self.renderings.keys() != self.noise.keys():
            raise ValueError("renderings: of the same ISOs as noise")


def _determinant(rows: tuple[_Row, _Row, _Row]) -> float:
    (a, b, c), (d, e, f), (g, h, i) = rows
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


class _Kind(Struct):
    """What every version says."""

    format: str = ""
    version: int = 0


def read_profile(path: Path) -> NoiseProfile:
    """The profile of a file; raises WeightsError, in one line that names the field."""
    return parse_profile(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of a profile file; raises WeightsError where it is not there, or too large for a profile."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise WeightsError(f"cannot read the profile {path}: {error.strerror}", "see docs/profiles.md") from None
    if len(content) > LARGEST_FILE:
        raise WeightsError(f"{path} is no profile: it is larger than {LARGEST_FILE >> 20} MB")
    return content


def parse_profile(content: bytes, place: str) -> NoiseProfile:
    """The profile that the bytes of a file hold; `place` names it in the WeightsError that anything else raises."""
    try:
        kind = msgspec.json.decode(content, type=_Kind)
        if kind.format != FORMAT:
            raise WeightsError(f"{place} is no noise profile", f'a profile says "format": "{FORMAT}"')
        if kind.version > VERSION:
            raise WeightsError(
                f"{place} has version {kind.version}, newer than this tool knows ({VERSION})", "upgrade nmflowgan-cli"
            )
        return _profile(msgspec.json.decode(content, type=_Document))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"{place} is damaged or no profile: {reason}", "docs/profiles.md lists the fields") from None


def profile_bytes(profile: NoiseProfile) -> bytes:
    """The file of a profile: equal profiles have equal bytes. Raises ValueError for what a file cannot hold."""
    camera = profile.camera
    noise = {str(iso) if profile.iso_known else UNKNOWN: pair for iso, pair in sorted(camera.noise.items())}
    values: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "name": profile.name,
        "way": profile.way,
        "noise": {iso: {"shot": shot, "read": read} for iso, (shot, read) in noise.items()},
        **(_rendering(camera, sampled=profile.sampled) if profile.mosaic else {"mosaic": False, "blur": profile.blur}),
        **_renderings(profile),
        "levels": profile.levels,
        "texture": profile.texture,
        "references": [asdict(reference) for reference in profile.references],
        "uncertainty": dict(sorted(profile.uncertainty.items())),
        "remarks": profile.remarks,
    }
    lines = [f'  "{name}": {json.dumps(_rounded(value), ensure_ascii=False)}' for name, value in values.items()]
    content = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    parse_profile(content, profile.name)
    return content


def _renderings(profile: NoiseProfile) -> dict[str, Any]:
    """Of a single ISO as `rendering`, of several as `renderings`."""
    found = {str(iso): asdict(rendering) for iso, rendering in sorted(profile.renderings.items())}
    if len(found) > 1:
        return {"renderings": found}
    return {"rendering": next(iter(found.values()))} if found else {}


def _rendering(camera: CameraProfile, *, sampled: bool) -> dict[str, Any]:
    red, blue = camera.white_balance
    return {
        "matrix": camera.matrix,
        "laplacian_gains": camera.laplacian_gains,
        "white_balance": {"red": red, "blue": blue},
        "floor": camera.floor,
        "black_shift": camera.black_shift,
        "headroom": camera.headroom,
        "sampled": sampled,
    }


def write_profile(path: Path, profile: NoiseProfile) -> str:
    """Write a profile whole or not at all; its SHA-256. Raises WeightsError where it cannot be written."""
    content = profile_bytes(profile)
    write_whole(path, content, WeightsError)
    return hashlib.sha256(content).hexdigest()


def with_white_balance(profile: NoiseProfile, red: float, blue: float) -> NoiseProfile:
    """The profile for one light: these gains of red and blue relative to green, for every picture."""
    return replace(profile, camera=replace(profile.camera, white_balance=((red, red), (blue, blue))))


def _rounded(value: Any) -> Any:
    """JSON values with DIGITS significant digits."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) and math.isfinite(value) else value


def _profile(document: _Document) -> NoiseProfile:
    known = UNKNOWN not in document.noise
    balance = document.white_balance
    renderings = dict.fromkeys(document.noise, document.rendering) if document.rendering else document.renderings
    camera = CameraProfile(
        noise={int(iso) if known else NOMINAL_ISO: (one.shot, one.read) for iso, one in document.noise.items()},
        matrix=document.matrix,
        laplacian_gains=document.laplacian_gains,
        white_balance=(balance.red, balance.blue),
        floor=document.floor,
        black_shift=document.black_shift,
        headroom=document.headroom,
    )
    return NoiseProfile(
        name=document.name,
        camera=camera,
        iso_known=known,
        way=document.way,
        references=tuple(Reference(one.name, one.sha256, one.white_balance) for one in document.references),
        uncertainty=document.uncertainty,
        levels=tuple(document.levels),
        texture=document.texture,
        sampled=document.sampled,
        renderings={
            int(iso) if known else NOMINAL_ISO: Rendering(one.strength, one.kernel, one.variation)
            for iso, one in renderings.items()
        },
        mosaic=document.mosaic,
        blur=document.blur,
        remarks=tuple(document.remarks),
    )
