"""Inputs of the command line (files, folders, patterns, a list on stdin) as pictures with a relative path."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePath

from nmflowgan_cli.errors import NmflowganError, UsageError
from nmflowgan_cli.files import kind
from nmflowgan_cli.imaging import FORMATS, frames, is_picture, is_raw
from nmflowgan_cli.journal import FILE_NAME, records
from nmflowgan_cli.notices import notice

STDIN = "-"


@dataclass(frozen=True)
class CleanPicture:
    """A clean picture: its file, and the relative path that names its output and its random numbers."""

    path: Path
    relative: PurePath
    searched: bool = field(default=False, compare=False)
    """It was met in a folder or by a pattern, not named by the user."""
    made_in: Path | None = field(default=None, compare=False)
    """The folder with a journal of this tool that it was met in, below the one that was searched."""
    frame: int | None = None
    """The number of the frame, of an animation or a TIFF of several pages."""
    of: PurePath | None = field(default=None, compare=False)
    """The relative path of the picture that the frame is of."""

    @property
    def scene(self) -> str:
        """What frames of one picture have in common: its path."""
        return self.seed_path if self.of is None else _slashed(self.of)

    @property
    def seed_path(self) -> str:
        """`relative` with forward slashes; bytes that are not UTF-8 are escaped, so any name has one."""
        return _slashed(self.relative)


def _slashed(path: PurePath) -> str:
    return path.as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def framed(sources: Sequence[CleanPicture]) -> list[CleanPicture]:
    """The pictures, those of several frames as one a frame: `clip.tif` as `clip_f0000.tif`, `clip_f0001.tif` ...

    So each frame has noise of its own, independent of that of the others. Reads the heads of the files; what cannot
    be read is left as it is, to fail by itself.
    """
    return [frame for source in sources for frame in _frames(source)]


def _frames(source: CleanPicture) -> list[CleanPicture]:
    try:
        count = frames(source.path)
    except NmflowganError:
        return [source]
    if count == 1:
        return [source]
    name = source.relative
    return [
        replace(source, relative=name.with_name(f"{name.stem}_f{frame:04d}{name.suffix}"), frame=frame, of=name)
        for frame in range(count)
    ]


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
    if `null`, or if it holds any, else by line ends. The folder `without` (the output) is not searched, nor are folders
    below a searched one that hold a journal of this tool: their pictures have noise already. A notice names them.
    Raw files of cameras count in folders and patterns that hold no other pictures.
    Raises UsageError for an input that matches nothing, and for a picture that does not lie below `relative_to`.
    """
    found: dict[CleanPicture, None] = {}
    for text in inputs:
        named = _listed(listed, null=null) if text == STDIN else _named(text)
        kept = [source for source in named if not (without and source.searched and _is_below(source.path, without))]
        kept = kept or named  # where all lie there, the user means the folder itself
        clean = [source for source in kept if not source.made_in]
        for folder in dict.fromkeys(source.made_in for source in kept if source.made_in):
            notice(f"{folder} holds outputs of nmflowgan and is left out (name it to take its pictures)")
        if not clean:
            raise UsageError(f"{text} holds outputs of nmflowgan only", "name their folder itself to take them")
        found.update(dict.fromkeys(clean))
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
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))  # a link may lead back to itself


def _named(text: str) -> list[CleanPicture]:
    path = Path(text)
    if kind(path) == "folder":
        return _folder(path, PurePath())
    if os.path.lexists(path):  # whatever it is: what cannot be read fails by itself, and the others are done
        return [CleanPicture(path, PurePath(path.name))]
    if glob.has_magic(text):
        return _pattern(text)
    raise UsageError(f"input {text} does not exist", "name a file, a folder, a pattern, or - for a list on stdin")


def _folder(folder: Path, prefix: PurePath) -> list[CleanPicture]:
    """The pictures below `folder`, or else its raw files; names that begin with a dot are passed over."""
    paths = sorted(_walk(folder, _is_picture)) or sorted(_walk(folder, _is_raw))
    if not paths and _is_picture(folder):
        return [CleanPicture(folder, prefix / folder.name)]
    if not paths:
        raise UsageError(f"folder {folder} holds no pictures", f"pictures end in {', '.join(FORMATS)}")
    return [_searched(path, folder, prefix) for path in paths]


def _searched(path: Path, folder: Path, prefix: PurePath) -> CleanPicture:
    """A picture that was met below `folder`, which has the relative path `prefix`."""
    relative = path.relative_to(folder)
    between = [folder / parent for parent in relative.parents if parent.parts]
    made_in = next((each for each in reversed(between) if _is_made(each)), None)
    return CleanPicture(path, prefix / relative, searched=True, made_in=made_in)


@lru_cache(maxsize=4096)
def _is_made(folder: Path) -> bool:
    """Whether a folder holds a journal of this tool."""
    return any("tool_version" in record and "status" in record for record in islice(records(folder / FILE_NAME), 20))


def _walk(folder: Path, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UsageError(f"cannot read folder {error.filename}: {error.strerror}")

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for name in names if wanted(path := Path(root, name)))
        if wanted is _is_picture:  # named like one, and empty
            yield from (path for name in folders if is_picture(path := Path(root, name)))


def _is_raw(path: Path) -> bool:
    return is_raw(path) and not path.name.startswith(".")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in FORMATS and not path.name.startswith(".")


def _pattern(text: str) -> list[CleanPicture]:
    fixed, pattern = _divided(Path(text))
    paths = [fixed / match for match in sorted(glob.glob(str(pattern), root_dir=fixed, recursive=True))]  # noqa: PTH207
    pictures = list(filter(_is_picture, paths)) or list(filter(_is_raw, paths))
    sources = [_searched(path, fixed, PurePath()) for path in pictures]
    if not sources:
        raise UsageError(f"pattern {text} matches no pictures", f"pictures end in {', '.join(FORMATS)}")
    return sources


def _divided(path: Path) -> tuple[Path, PurePath]:
    """The folder that a pattern searches, and the pattern below it. A folder of that very name is no pattern."""
    parts = list(path.parts)
    fixed = Path(path.anchor)
    del parts[: len(fixed.parts)]
    while parts and (not glob.has_magic(parts[0]) or kind(fixed / parts[0]) == "folder"):
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
        if not os.path.lexists(path):
            raise UsageError(f"{text}, listed on standard input, does not exist")
        sources += _folder(path, relative) if kind(path) == "folder" else [CleanPicture(path, relative)]
    return sources


def _kept(text: str) -> PurePath:
    """The listed path itself where it can stand below another folder, else its name."""
    path = PurePath(os.path.normpath(text))
    return PurePath(path.name) if path.is_absolute() or ".." in path.parts else path
