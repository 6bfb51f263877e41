"""Options that several commands share, each with its help text in one place."""

import sys
from collections.abc import Collection, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nmflowgan_cli.errors import UsageError


class DepthName(StrEnum):
    same = "same"
    eight = "8"
    sixteen = "16"


def _hush(quiet: bool) -> bool:  # noqa: FBT001 - Typer's callback
    """Let only errors of the package's log through."""
    import logging

    logging.getLogger("nmflowgan_cli").setLevel(logging.ERROR if quiet else logging.NOTSET)
    return quiet


AcceptSynthetic = Annotated[
    bool,
    typer.Option("--accept-synthetic", help="Let pairs of synthetic or unstated noise stand for real ones."),
]
Batch = Annotated[int | None, typer.Option(min=1, help="Tiles at a time on CUDA.  [default: 4]")]
CacheDir = Annotated[
    Path | None,
    typer.Option(help="Folder of fetched weights.  [default: $NMFLOWGAN_CACHE, or the user's cache folder]"),
]
Depth = Annotated[
    DepthName,
    typer.Option(help="Bits a channel of the outputs: 8, 16 (PNG, TIFF), or same: of each input.", show_default=True),
]
Device = Annotated[str, typer.Option(help="auto (CUDA if there is any), cpu, cuda or cuda:N.", show_default=True)]
Frames = Annotated[
    bool,
    typer.Option("--frames", help="Take every frame of animations and page of TIFF, each with noise of its own."),
]
Json = Annotated[bool, typer.Option("--json", help="Print results as JSON.")]
Precision = Annotated[
    str,
    typer.Option(
        help="auto (float32), float32, bfloat16, float16, or fast: bfloat16 where it is faster, for models whose "
        "statistics bear it.",
        show_default=True,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing on stderr but errors.", callback=_hush)]
QuietResults = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print errors only; with --json, results too.", callback=_hush)
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Refuse pictures of more pixels.  [default: $NMFLOWGAN_MAX_PIXELS, or 268435456; 33554432 for a picture "
        "of more than 2048 pixels a byte]",
    ),
]
Null = Annotated[
    bool, typer.Option("--null", "-0", help="End each result with NUL, not a newline; - reads a list separated so.")
]
Like = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PICTURE",
        help="Noise like that of this noisy picture (or folder, or pattern); may be repeated. Needs no --camera.",
    ),
]
Profile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Noise of this profile, see nmflowgan profile, or of a DNG's tags. Needs no --camera."
    ),
]
Rendered = Annotated[
    str,
    typer.Option(
        help="plain: developed from raw without denoising; camera: a camera's own JPEGs; for --like, and cameras by "
        "name.  [default for --like: camera for JPEGs, else plain]"
    ),
]
RelativeTo = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Take relative paths from here.  [default: the folder, pattern or list of each picture]"
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.", show_default=True)]
Tile = Annotated[int | None, typer.Option(min=1, help="Side of the tiles in pixels.  [default: 256; 1024 on CUDA]")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print the weights file and its SHA-256 on stderr.")]
WhiteBalance = Annotated[
    str,
    typer.Option(
        metavar="R,B",
        help="Gains of red and blue relative to green, for profiles.  [default: drawn for each picture]",
    ),
]
Workers = Annotated[int, typer.Option(min=1, help="Pictures to work on at the same time.", show_default=True)]
Shard = Annotated[
    str | None,
    typer.Option(help="Do the Kth of N equal parts of the work.  [default: torchrun's or Slurm's]", metavar="K/N"),
]


def limit_pictures(max_pixels: int | None) -> None:
    """Set the pixels that pictures may have in this process."""
    from nmflowgan_cli.imaging.limits import set_limit

    set_limit(max_pixels)


def refuse_typed(context: typer.Context, foreign: Collection[str], what: str) -> None:
    """Raise UsageError for an option among `foreign` (names of parameters) that was typed: `what` has none of them."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in foreign and source is not None and source.name == "COMMANDLINE":
            flag = max(parameter.opts, key=len)
            raise UsageError(f"{what} has no {flag}", f"leave it out; see nmflowgan {context.info_name} --help")


def listed(inputs: Sequence[str]) -> bytes:
    """The list on stdin, where "-" is among the inputs; raises UsageError where stdin is closed."""
    if "-" not in inputs:
        return b""
    if sys.stdin is None:
        raise UsageError("- is a list on stdin, and stdin is closed", "pipe a list into the command")
    return sys.stdin.buffer.read()
