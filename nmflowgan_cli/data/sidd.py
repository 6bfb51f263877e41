"""Reader of SIDD, the Smartphone Image Denoising Dataset, as downloaded (Small and Medium, sRGB).

A folder a scene instance, `NNNN_SSS_CC_IIIII_TTTTT_KKKK_B` (instance, scene, camera, ISO, shutter, colour temperature,
brightness), at any depth; in it pairs `NNNN_GT_SRGB_010.PNG` and `NNNN_NOISY_SRGB_010.PNG`.
Abdelhamed, Lin, Brown, "A High-Quality Denoising Dataset for Smartphone Cameras", CVPR 2018,
https://abdokamel.github.io/sidd/.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from nmflowgan_cli.data.manifest import Pair, pair_origin
from nmflowgan_cli.data.sidd_instances import find_instance
from nmflowgan_cli.errors import UsageError

_PICTURE = re.compile(r"(?:(\d{4,})_)?(GT|NOISY)_SRGB_\d{3,}\.PNG", re.IGNORECASE)
_SHAPE = "NNNN_SSS_CC_IIIII_TTTTT_KKKK_B, like 0052_002_S6_01600_01000_5500_N"


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
    name = noisy.relative_to(folder).as_posix()
    return Pair(clean, noisy, instance.condition, instance.name, "train", name, pair_origin(noisy, instance))
