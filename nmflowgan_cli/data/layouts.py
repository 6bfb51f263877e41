"""Layouts of paired data in the code of denoisers: folders, files and keys. Names only; nothing is written here.

Restormer reads `Datasets/{train,val}/SIDD/{input_crops,target_crops}` with the same names in both, NAFNet
`datasets/SIDD/{train,val}/{input_crops,gt_crops}` (its options name LMDBs, `.lmdb`), BasicSR any two folders, which its
own examples call lq and gt, and SIDD a folder a scene instance.
https://github.com/swz30/Restormer, https://github.com/megvii-research/NAFNet, https://github.com/XPixelGroup/BasicSR,
https://abdokamel.github.io/sidd/.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from nmflowgan_cli.data.sidd_instances import FIRST_FRAME, SceneInstance
from nmflowgan_cli.errors import UsageError

LONGEST_STEM = 120


@dataclass(frozen=True, kw_only=True)
class Label:
    """The parts of a pair's name: a patch of a picture."""

    stem: str
    """Names the noisy picture that the patch is cut from; letters, digits, "_" and "-" only, see `stem`."""
    split: str
    """"train" or "val"."""
    instance: SceneInstance
    """SIDD's own, or one of its shape."""
    frame: int | None
    """Number of the frame of SIDD; None where the picture is not of SIDD."""
    patch: int
    """Number of the patch in its picture, from 0."""

    @property
    def key(self) -> str:
        """Names the pair within its split; no dots and no slashes, since readers cut names there."""
        return f"{self.stem}_s{self.patch + 1:03d}"

    @property
    def frame_text(self) -> str:
        """Names the patch within its instance, as SIDD numbers frames; patches of SIDD's begin with their frame."""
        if self.frame is None:
            return f"{FIRST_FRAME + self.patch:03d}"
        return f"{self.frame:03d}" + (f"{self.patch:03d}" if self.patch else "")


@dataclass(frozen=True)
class Layout:
    """Patterns of the paths of a pair, relative to the output folder, in the fields of `Label` and `frame`."""

    clean: str
    noisy: str
    meta_info: str = ""
    """Pattern of BasicSR's list of pairs."""
    databases: bool = True
    """Whether its folders may be LMDBs, too."""

    def paths(self, label: Label) -> tuple[PurePosixPath, PurePosixPath]:
        """The paths of the clean and the noisy patch as separate files."""
        clean, noisy = (self._path(pattern, label) for pattern in (self.clean, self.noisy))
        return clean, noisy

    def database_paths(self, label: Label) -> tuple[PurePosixPath, PurePosixPath]:
        """The LMDBs that hold the clean and the noisy patch: the folders of the files, with `.lmdb` after them."""
        clean, noisy = (path.parent.with_name(f"{path.parent.name}.lmdb") for path in self.paths(label))
        return clean, noisy

    @staticmethod
    def _path(pattern: str, label: Label) -> PurePosixPath:
        return PurePosixPath(
            pattern.format(
                split=label.split,
                key=label.key,
                scene_instance=label.instance.name,
                instance=label.instance.number,
                frame=label.frame_text,
            )
        )


LAYOUTS = {
    "flat": Layout("{split}/clean/{key}.png", "{split}/noisy/{key}.png"),
    "restormer": Layout("{split}/SIDD/target_crops/{key}.png", "{split}/SIDD/input_crops/{key}.png"),
    "nafnet": Layout("{split}/gt_crops/{key}.png", "{split}/input_crops/{key}.png"),
    "basicsr": Layout("{split}/gt/{key}.png", "{split}/lq/{key}.png", meta_info="{split}/meta_info.txt"),
    "sidd": Layout(
        "{split}/Data/{scene_instance}/{instance:04d}_GT_SRGB_{frame}.PNG",
        "{split}/Data/{scene_instance}/{instance:04d}_NOISY_SRGB_{frame}.PNG",
        databases=False,
    ),
}


def layout(name: str) -> Layout:
    """The layout of that name; raises UsageError listing the names."""
    if name not in LAYOUTS:
        raise UsageError(f"unknown layout {name!r}", f"one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def stem(relative_path: str, repeat: int | None = None, *, apart: bool = False) -> str:
    """A name for a picture out of its relative path: ASCII letters, digits, "_" and "-", at most 140 characters.

    Folders are joined by "_", the suffix is dropped, and `repeat` becomes "_r0", "_r1" ... Where other characters had
    to be replaced, the name is too long, or `apart`, eight digits of a hash keep it apart from others.
    """
    path = PurePosixPath(relative_path)
    joined = "_".join((*path.parent.parts, path.stem))
    plain = re.sub(r"[. ]", "_", joined)
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", plain)
    if apart or safe != plain or len(safe) > LONGEST_STEM:
        safe = f"{safe[:LONGEST_STEM]}_{hashlib.sha256(relative_path.encode()).hexdigest()[:8]}"
    return safe if repeat is None else f"{safe}_r{repeat}"
