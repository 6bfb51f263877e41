"""Derive the packaged profiles of cameras' own JPEGs from PolyU's train pairs (Xu et al. 2018, arXiv 1804.02603).

The pictures are for non-commercial research, and so are numbers that are derived from them.

    python scripts/derive_packaged_profiles.py polyu [-o nmflowgan_cli/profiles/packaged]
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from nmflowgan_cli.conditions import CAMERA_NAMES
from nmflowgan_cli.data.manifest import Pair, read_pairs
from nmflowgan_cli.files import sha256
from nmflowgan_cli.imaging import read
from nmflowgan_cli.profiles.estimate import from_rendered
from nmflowgan_cli.profiles.files import write_profile
from nmflowgan_cli.profiles.packaged import TERMS
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference

REMARK = f"terms: {TERMS}; from pictures of PolyU, https://github.com/csjunxu/PolyU-Real-World-Noisy-Images-Dataset"


def profile_of(name: str, iso: int, pairs: list[Pair]) -> NoiseProfile:
    clean, noisy = [read(pair.clean).rgb for pair in pairs], [read(pair.noisy).rgb for pair in pairs]
    references = [Reference(Path(pair.noisy).name, sha256(Path(pair.noisy))) for pair in pairs]
    return from_rendered(noisy, references, name=name, iso=iso, clean=clean)


def joined(profiles: list[NoiseProfile]) -> NoiseProfile:
    """One profile of all ISOs of a camera; levels and texture are those that any of them showed."""
    first = profiles[0]
    return replace(
        first,
        camera=replace(first.camera, noise={iso: pair for one in profiles for iso, pair in one.camera.noise.items()}),
        renderings={iso: rendering for one in profiles for iso, rendering in one.renderings.items()},
        references=tuple(reference for one in profiles for reference in one.references),
        levels=tuple(
            (min(low for low, _ in channel), max(high for _, high in channel))
            for channel in zip(*(one.levels for one in profiles), strict=True)
        ),
        texture=max(one.texture or 0 for one in profiles),
        remarks=(REMARK,),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("nmflowgan_cli/profiles/packaged"))
    given = parser.parse_args()
    cameras: dict[str, dict[int, list[Pair]]] = defaultdict(lambda: defaultdict(list))
    for pair in read_pairs(given.data, "train"):
        cameras[pair.condition.camera][pair.condition.iso].append(pair)
    given.output.mkdir(exist_ok=True)
    for code, isos in cameras.items():
        profiles = [profile_of(CAMERA_NAMES[code], iso, pairs) for iso, pairs in sorted(isos.items())]
        write_profile(given.output / f"{code}.json", joined(profiles))


if __name__ == "__main__":
    main()
