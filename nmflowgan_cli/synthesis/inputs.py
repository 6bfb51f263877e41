"""Inputs of the command line (files, folders, patterns, a list on stdin) as pictures with a relative path."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import FORMATS

STDIN = "-"


@dataclass(frozen=True)
class CleanPicture:
    """A clean picture: its file, and the relative path that names its output and its random numbers."""

    path: Path
    relative: PurePath
    searched: bool = field(default=False, compare=False)
    """It was met in a folder or by a pattern, not named by the user."""

    @property
    def seed_path(self) -> str:
        """`relative` with forward slashes; bytes that are not UTF-8 are escaped, so any name has one."""
        return self.relative.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def find_pictures(
    inputs: Sequence[str],
    listed: bytes = b"",
    *,
    null: bool = False,
    relative_to: Path | None = None,
    without: Path | None = None,
) -> list[CleanPicture]:
    """The pictures that `inputs` name, each once, in the order given (folders and patterns sorted).

    A file keeps its name; a file of a folder, its path in the folder; a match of a pattern, its path below the
    part without wildcards; a path listed on stdin ("-", the bytes `listed`), that path itself if it is relative and
    does not climb. With `relative_to`, all keep their path below that folder instead. The list is separated by NUL
    if `null`, or if it holds any, else by line ends. The folder `without` (the output) is not searched.
    Raises UsageError for an input that matches nothing, and for a picture that does not lie below `relative_to`.
    """
    found: dict[CleanPicture, None] = {}
    for text in inputs:
        named = _listed(listed, null=null) if text == STDIN else _named(text)
        kept = [source for source in named if not (without and source.searched and _is_below(source.path, without))]
        found.update(dict.fromkeys(kept or named))  # where all lie there, the user means the folder itself
    if relative_to is None:
        return list(found)
    return list({source.relative: source for source in (_below(one, relative_to) for one in found)}.values())


def _below(source: CleanPicture, folder: Path) -> CleanPicture:
    """The picture with its path below `folder`, by the letters of both paths: links are not followed."""
    relative = PurePath(os.path.relpath(source.path, folder))
    if ".." in relative.parts:
        raise UsageError(f"{source.path} is not below {folder}", "--relative-to takes a folder above all pictures")
    return replace(source, relative=relative)


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _named(text: str) -> list[CleanPicture]:
    path = Path(text)
    if path.is_dir():
        return _folder(path, PurePath())
    if path.exists():
        return [CleanPicture(path, PurePath(path.name))]
    if glob.has_magic(text):
        return _pattern(text)
    raise UsageError(f"input {text} does not exist", "name a file, a folder, a pattern, or - for a list on stdin")


def _folder(folder: Path, prefix: PurePath) -> list[CleanPicture]:
    """The pictures below `folder`; names that begin with a dot are passed over."""
    paths = sorted(_walk(folder))
    if not paths:
        raise UsageError(f"folder {folder} holds no pictures", f"pictures end in {', '.join(FORMATS)}")
    return [CleanPicture(path, prefix / path.relative_to(folder), searched=True) for path in paths]


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UsageError(f"cannot read folder {error.filename}: {error.strerror}")

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for name in names if _is_picture(path := Path(root, name)))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in FORMATS and not path.name.startswith(".")


def _pattern(text: str) -> list[CleanPicture]:
    fixed, pattern = _divided(Path(text))
    paths = [fixed / match for match in sorted(glob.glob(str(pattern), root_dir=fixed, recursive=True))]  # noqa: PTH207
    sources = [CleanPicture(path, path.relative_to(fixed), searched=True) for path in paths if _is_picture(path)]
    if not sources:
        raise UsageError(f"pattern {text} matches no pictures", f"pictures end in {', '.join(FORMATS)}")
    return sources


def _divided(path: Path) -> tuple[Path, PurePath]:
    """The folder that a pattern searches, and the pattern below it. A folder of that very name is no pattern."""
    parts = list(path.parts)
    fixed = Path(path.anchor)
    del parts[: len(fixed.parts)]
    while parts and (not glob.has_magic(parts[0]) or (fixed / parts[0]).is_dir()):
        fixed /= parts.pop(0)
    return fixed, PurePath(*parts)


def _listed(data: bytes, *, null: bool) -> list[CleanPicture]:
    lines = data.split(b"\0") if null or b"\0" in data else data.splitlines()
    texts = [os.fsdecode(line) for line in lines if line.strip()]
    if not texts:
        raise UsageError("the list on standard input is empty", "one path a line, or separated by NUL")
    sources: list[CleanPicture] = []
    for text in texts:
        path, relative = Path(text), _kept(text)
        if not path.exists():
            raise UsageError(f"{text}, listed on standard input, does not exist")
        sources += _folder(path, relative) if path.is_dir() else [CleanPicture(path, relative)]
    return sources


def _kept(text: str) -> PurePath:
    """The listed path itself where it can stand below another folder, else its name."""
    path = PurePath(os.path.normpath(text))
    return PurePath(path.name) if path.is_absolute() or ".." in path.parts else path
