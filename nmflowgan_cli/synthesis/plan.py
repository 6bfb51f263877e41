"""Plan of a run: inputs and options in, a list of jobs out. Nothing is read or written here.

Everything that can be known to go wrong is found before the first picture is touched.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import DEEP_FORMATS, DEPTHS, FORMATS, RAW_SUFFIXES, UNREAD_SUFFIXES, deepest, format_of
from nmflowgan_cli.synthesis.condition_choice import Choices
from nmflowgan_cli.synthesis.inputs import CleanPicture

Work = TypeVar("Work")

SAME = "same"
SUFFIXES = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff", "bmp": ".bmp"}
"""The formats of `--format` besides "same", and the suffixes of their files."""
ON_EXISTS = ("error", "skip", "overwrite")


@dataclass(frozen=True)
class Job:
    """One noisy picture to be made."""

    input: Path
    relative_path: str
    """Names the picture's random numbers; forward slashes."""
    repeat: int
    condition: Condition
    output: Path
    depth: int | None = None
    """Bits a channel of the output, 8 or 16; None for those of the input, as far as the format holds them."""
    frame: int | None = None
    """The number of the frame of the input; None where it has one."""

    def depth_of(self, source: int) -> int:
        """Bits a channel of the output of an input that has `source`."""
        return self.depth or min(source, deepest(format_of(self.output)))


@dataclass(frozen=True)
class Naming:
    """Names of outputs. `output` is a folder, or a file where `is_file`."""

    output: Path
    is_file: bool
    format: str = "png"
    repeats: int = 1
    depth: int | None = None
    """See `Job.depth`."""

    def path(self, source: CleanPicture, repeat: int) -> Path:
        """The output for repeat `repeat` of `source`; "_r0", "_r1" .. mark repeats where there are several."""
        if self.is_file:
            return self.output
        kept = self.output / source.relative
        mark = f"_r{repeat}" if self.repeats > 1 else ""
        return kept.with_name(f"{kept.stem}{mark}{self._suffix(source.path)}")

    def _suffix(self, path: PurePath) -> str:
        known = path.suffix if path.suffix.lower() in FORMATS else SUFFIXES["png"]
        return known if self.format == SAME else SUFFIXES[self.format]


def depth_named(text: str) -> int | None:
    """The bits a channel that `--depth` says, None for "same"; raises UsageError."""
    if text == SAME:
        return None
    if text not in map(str, DEPTHS):
        raise UsageError(f"unknown depth {text!r}", f"one of {', '.join((SAME, *map(str, DEPTHS)))}")
    return int(text)


def naming(
    output: Path,
    *,
    single: bool,
    format: str | None = None,  # noqa: A002
    repeats: int = 1,
    depth: str = SAME,
) -> Naming:
    """Names of outputs below `output`, which is a file if there is a `single` input without repeats.

    `output` is taken as a file where its suffix is a picture's and no folder of that name exists; its suffix then
    says the format. Raises UsageError for an unknown format or depth, a format that contradicts the suffix, or bad
    repeats.
    """
    bits = depth_named(depth)
    suffix = output.suffix.lower()
    if suffix in UNREAD_SUFFIXES | RAW_SUFFIXES and not output.is_dir():
        raise UsageError(
            f"{output.name}: {suffix} pictures are not written", f"one of {', '.join(FORMATS)}, or a folder"
        )
    if format is not None and format not in (SAME, *SUFFIXES):
        raise UsageError(f"unknown format {format!r}", f"one of {', '.join((SAME, *SUFFIXES))}")
    if repeats < 1:
        raise UsageError(f"{repeats} repeats", "at least 1 is needed")
    if suffix not in FORMATS or output.is_dir():
        return Naming(output, is_file=False, format=format or "png", repeats=repeats, depth=bits)
    if not single or repeats > 1:
        raise UsageError(f"several pictures cannot all be written to {output}", "name a folder with -o")
    if format not in (None, SAME) and FORMATS[SUFFIXES[format]] != FORMATS[suffix]:
        raise UsageError(f"--format {format} does not fit {output.name}", "leave out --format, or change the suffix")
    return Naming(output, is_file=True, repeats=repeats, depth=bits)


def plan(sources: Sequence[CleanPicture], names: Naming, choices: Choices, seed: int) -> list[Job]:
    """A job for every picture and repeat, in order.

    Raises UsageError where two outputs would be the same file, an output would lie on top of an input, or its format
    does not hold the depth.
    """
    jobs = [
        Job(
            source.path,
            source.seed_path,
            repeat,
            choices.draw(seed, source.seed_path, repeat),
            names.path(source, repeat),
            names.depth,
            source.frame,
        )
        for source in sources
        for repeat in range(names.repeats)
    ]
    _refuse_collisions(jobs)
    _refuse_inputs(jobs)
    _refuse_too_deep(jobs)
    return jobs


def refuse_existing(jobs: Iterable[Job], exists: Callable[[Path], bool] = Path.exists) -> None:
    """Raise UsageError if an output exists already."""
    existing = [job.output for job in jobs if exists(job.output)]
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UsageError(f"output {existing[0]}{more} already exists", "--on-exists skip or overwrite, or --resume")


def share(jobs: Sequence[Work], shard: str | None) -> list[Work]:
    """Every Nth job from the Kth on, for `shard` "K/N" (K from 1): shards never overlap, and together are all.

    Raises UsageError for a shard that does not exist.
    """
    if shard is None:
        return list(jobs)
    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UsageError(f"shard {shard!r} is not understood", "K/N with K from 1 to N, for example 1/4")
    return list(jobs[int(number) - 1 :: int(count)])


def _refuse_collisions(jobs: Iterable[Job]) -> None:
    first: dict[str, Path] = {}
    for job in jobs:
        place = os.path.realpath(job.output)
        other = first.setdefault(place, job.input)
        if other is not job.input:
            raise UsageError(
                f"{other} and {job.input} would both be written to {job.output}",
                "use --format same, or synthesize them into different folders",
            )


def _refuse_inputs(jobs: Sequence[Job]) -> None:
    inputs = {os.path.realpath(path) for path in {job.input for job in jobs}}
    for job in jobs:
        if os.path.realpath(job.output) in inputs:
            raise UsageError(f"output {job.output} would be written on top of an input", "choose another -o")


def _refuse_too_deep(jobs: Iterable[Job]) -> None:
    for job in jobs:
        if (job.depth or 0) > deepest(kind := format_of(job.output)):
            formats = " or ".join(name.lower() for name in DEEP_FORMATS)
            raise UsageError(
                f"--depth {job.depth} does not fit {job.output.name}: {kind} holds 8", f"--format {formats}"
            )
