"""Reader of a folder pair: `clean/` and `noisy/` with the same names in them, at any depth.

The camera and the ISO of a pair come from the name of a SIDD scene instance in its path, or else from the user.
"""

from pathlib import Path

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.data.sidd import find_instance
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import FORMATS

CLEAN, NOISY = "clean", "noisy"


def is_folder_pair(folder: Path) -> bool:
    """Whether `folder` has the folders `clean` and `noisy`."""
    return (folder / CLEAN).is_dir() and (folder / NOISY).is_dir()


def read_folder_pair(folder: Path, condition: Condition | None = None) -> list[Pair]:
    """All pairs, in the order of their paths; `split` is "train" for all of them.

    `condition`: of the pairs whose path does not name theirs. Partners may differ in their suffix (a.png, a.jpg).
    Raises UsageError naming the file for a picture without its partner or with two, and for one without a condition.
    """
    clean, noisy = _pictures(folder / CLEAN), _pictures(folder / NOISY)
    for mine, others, name in ((clean, noisy, NOISY), (noisy, clean, CLEAN)):
        alone = sorted(mine.keys() - others.keys())
        if alone:
            raise UsageError(f"{mine[alone[0]]} has no partner in {folder / name}", "pairs have the same names")
    if not clean:
        raise UsageError(f"no pictures below {folder / CLEAN}", f"expected {', '.join(FORMATS)}")
    return [_pair(clean[key], noisy[key], folder / NOISY, condition) for key in sorted(clean)]


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures below a folder by their relative path without the suffix."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in FORMATS and path.is_file():
            key = path.relative_to(folder).with_suffix("").as_posix()
            if key in found:
                raise UsageError(f"{found[key]} and {path} have the same name", "remove or rename one of them")
            found[key] = path
    return found


def _pair(clean: Path, noisy: Path, folder: Path, condition: Condition | None) -> Pair:
    name = noisy.relative_to(folder).as_posix()
    instance = find_instance(Path(name).with_suffix("").as_posix())
    if instance is not None:
        return Pair(clean, noisy, instance.condition, instance.scene, "train", name)
    if condition is None:
        raise UsageError(
            f"{noisy} does not name its camera and ISO", "give --camera and --iso, or write a manifest.csv"
        )
    return Pair(clean, noisy, condition, clean.stem, "train", name)
