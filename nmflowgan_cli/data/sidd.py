"""Reader of SIDD, the Smartphone Image Denoising Dataset, as downloaded (Small and Medium, sRGB).

A folder a scene instance, `NNNN_SSS_CC_IIIII_TTTTT_KKKK_B` (instance, scene, camera, ISO, shutter, colour temperature,
brightness), at any depth; in it pairs `NNNN_GT_SRGB_010.PNG` and `NNNN_NOISY_SRGB_010.PNG`.
Abdelhamed, Lin, Brown, "A High-Quality Denoising Dataset for Smartphone Cameras", CVPR 2018,
https://abdokamel.github.io/sidd/.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nmflowgan_cli.conditions import CAMERA_NAMES, Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.errors import UsageError

# fmt: off
TRAIN_INSTANCES = frozenset((
    4, 11, 13, 17, 18, 20, 22, 23, 25, 27, 28, 29, 30, 34, 35, 39, 40, 42, 43, 44, 45, 47, 81, 86, 88, 90, 101, 102,
    104, 105, 110, 111, 115, 116, 125, 126, 127, 129, 132, 135, 138, 140, 175, 177, 178, 179, 180, 181, 185, 186, 189,
    192, 193, 194, 196, 197,
))
# fmt: on
"""The 56 scene instances that NM-FlowGAN (and sRGBFlow before it) was trained on."""
TEST_INSTANCES = frozenset(
    (54, 55, 57, 59, 60, 62, 63, 66, 150, 151, 152, 154, 155, 159, 160, 161, 163, 164, 165, 166, 198, 199)
)
"""The 22 scene instances that NM-FlowGAN was tested on."""
DENOISER_ISOS = {
    "IP": (100, 400, 800, 1600),
    "GP": (100, 800),
    "S6": (100, 400, 800, 1600, 3200),
    "N6": (100, 800),
    "G4": (100, 800),
}
"""The 15 codes of the paper. Of SIDD-Medium's 160 instances, the 123 with one of them train the paper's denoiser."""

_INSTANCE = re.compile(r"(\d{4,})_(\d{3,})_([A-Za-z0-9]+)_(\d{5})_(\d{5})_(\d{4})_([LNH])(?![A-Za-z0-9])")
_PICTURE = re.compile(r"(?:(\d{4,})_)?(GT|NOISY)_SRGB_\d{3,}\.PNG", re.IGNORECASE)
_SHAPE = "NNNN_SSS_CC_IIIII_TTTTT_KKKK_B, like 0052_002_S6_01600_01000_5500_N"


@dataclass(frozen=True)
class SceneInstance:
    """The fields of a scene instance's name."""

    number: int
    scene: str
    """Three digits; instances of one scene show the same thing."""
    condition: Condition
    shutter: int
    """One over the exposure time, in 1/s."""
    temperature: int
    """Colour temperature of the light, in kelvin."""
    brightness: str
    """"L" low, "N" normal, "H" high."""


def find_instance(text: str) -> SceneInstance | None:
    """The last scene instance that a path or a name mentions; None where there is none.

    Other cameras than SIDD's are taken as they are written: folders of this shape may come from anywhere.
    """
    found = _INSTANCE.findall(text)
    if not found:
        return None
    number, scene, camera, iso, shutter, temperature, brightness = found[-1]
    condition = Condition(camera.upper() if camera.upper() in CAMERA_NAMES else camera, int(iso))
    return SceneInstance(int(number), scene, condition, int(shutter), int(temperature), brightness)


def is_sidd(folder: Path) -> bool:
    """Whether there are pictures of SIDD at any depth below `folder`."""
    return any(_PICTURE.fullmatch(path.name) for path in folder.rglob("*_SRGB_*"))


def read_sidd(folder: Path) -> list[Pair]:
    """All pairs below `folder`, in the order of their paths; `split` is "train" for all of them.

    Raises UsageError naming the file for a picture without its partner, or a folder whose name does not parse.
    """
    pictures = {path for path in folder.rglob("*_SRGB_*") if _PICTURE.fullmatch(path.name)}
    return [_pair(clean, noisy, folder) for clean, noisy in _partners(pictures)]


def _partners(pictures: Iterable[Path]) -> list[tuple[Path, Path]]:
    by_name = {(path.parent, path.name.upper()): path for path in pictures}
    for (folder, name), path in by_name.items():
        other = name.replace("GT", "NOISY") if "GT_" in name else name.replace("NOISY", "GT")
        if (folder, other) not in by_name:
            raise UsageError(f"{path} has no partner {other} beside it", "a pair is a GT and a NOISY picture")
    return [
        (by_name[folder, name], by_name[folder, name.replace("GT", "NOISY")])
        for folder, name in sorted(by_name)
        if "GT_" in name
    ]


def _pair(clean: Path, noisy: Path, folder: Path) -> Pair:
    instance = find_instance(clean.parent.name)
    if instance is None:
        raise UsageError(f"{clean}: {clean.parent.name!r} is not the name of a scene instance", _SHAPE)
    number = re.match(r"\d+", clean.name)
    if number and int(number[0]) != instance.number:
        raise UsageError(f"{clean} does not belong to scene instance {instance.number:04d}", _SHAPE)
    return Pair(clean, noisy, instance.condition, instance.scene, "train", noisy.relative_to(folder).as_posix())
