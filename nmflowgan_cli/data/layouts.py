"""Layouts of paired data in the code of denoisers: folders, files and keys. Names only; nothing is written here.

Restormer reads `Datasets/{train,val}/SIDD/{input_crops,target_crops}` with the same names in both, NAFNet
`datasets/SIDD/{train,val}/{input_crops,gt_crops}` (its options name LMDBs, `.lmdb`), BasicSR any two folders, which its
own examples call lq and gt, and SIDD a folder a scene instance.
https://github.com/swz30/Restormer, https://github.com/megvii-research/NAFNet, https://github.com/XPixelGroup/BasicSR,
https://abdokamel.github.io/sidd/.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from nmflowgan_cli.data.sidd_instances import FIRST_FRAME, SceneInstance
from nmflowgan_cli.errors import UsageError

METADATA = "metadata.csv"


@dataclass(frozen=True, kw_only=True)
class Label:
    """The parts of a pair's name: a patch of a picture."""

    stem: str
    """Names the noisy picture that the patch is cut from; letters, digits, "_" and "-" only, see `files.stem`."""
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
    metadata: str = ""
    """Pattern of the list of pairs of Hugging Face's `imagefolder`, which lies above both folders of pictures."""
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
    "flat": Layout("{split}/clean/{key}.png", "{split}/noisy/{key}.png", metadata=f"{{split}}/{METADATA}"),
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
