"""What `nmflowgan evaluate` says of denoisers: those that were trained before, or a whole table of them."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmflowgan_cli import __version__
from nmflowgan_cli.cli.training_options import seconds
from nmflowgan_cli.cli.training_progress import Show, training_progress
from nmflowgan_cli.errors import UsageError

if TYPE_CHECKING:
    from nmflowgan_cli.data.reading import Paired
    from nmflowgan_cli.evaluation.denoising import Mean, Row
    from nmflowgan_cli.training.sources import DataOptions

Denoisers = Annotated[
    list[Path] | None,
    typer.Option(
        "--denoiser", help="Judge a denoiser of train --model dncnn, on the val pairs; may be repeated.", metavar="FILE"
    ),
]
Table = Annotated[
    bool,
    typer.Option("--denoising-table", help="Train and judge a denoiser for real noise and for each -m (Table III)."),
]
Budget = Annotated[str, typer.Option(help="Time for each training of the table: 90s, 5m, 1h.", show_default=True)]
Runs = Annotated[
    Path | None,
    typer.Option("--runs", "-o", help="Folder of the table's trainings; finished ones are used.", metavar="FOLDER"),
]
Pictures = Annotated[
    Path | None,
    typer.Option("--pictures", help="Also write crops, clean, noisy and denoised, as PNG.", metavar="FOLDER"),
]

OWN = frozenset({"budget", "runs", "pictures"})
"""Options that mean something to denoisers alone."""
FOREIGN = frozenset(
    {
        "protocol",
        "fit_split",
        "patch",
        "step",
        "limit",
        "skip_unknown",
        "official",
        "nll",
        "akld_draws",
        "latency",
        "csv",
        "report",
        "gallery",
        "cells",
        "precision",
    }
)
"""Options of noise models, which mean nothing to denoisers."""

NARROWEST = 100
"""Columns that the table needs; a narrower terminal wraps the lines, which loses nothing."""


@dataclass(frozen=True, kw_only=True)
class DenoisingOptions:
    """What the user asks of `evaluate` where it is about denoisers."""

    data: Path
    denoisers: Sequence[Path] = ()
    models: Sequence[str] = ()
    """Of the table."""
    table: bool = False
    budget: str = "5m"
    runs: Path | None = None
    pictures: Path | None = None
    split: str = ""
    camera: str = ""
    iso: int | None = None
    seed: int = 0
    device: str = "auto"
    as_json: bool = False
    quiet: bool = False
    cache_dir: Path | None = None


def evaluate_denoisers(options: DenoisingOptions) -> None:
    """Print how well denoisers do on the pairs that are held out; trains them first where a table is asked for."""
    if options.models and not options.table:
        raise UsageError("--denoiser judges denoisers, -m names noise models", "leave one out; or --denoising-table")
    from nmflowgan_cli.evaluation.denoising import judge, open_denoiser
    from nmflowgan_cli.runtime import resolve_device

    device = resolve_device(options.device)
    pairs = _held_out(options)
    paths = [*options.denoisers, *(_trained(options) if options.table else ())]
    denoisers = [open_denoiser(path, device) for path in paths]
    rows = judge(_tracked(pairs, quiet=options.quiet), denoisers, look=_look(options.pictures))
    if options.as_json:
        typer.echo(json.dumps(as_json(rows, options)))
    else:
        print_rows(rows)


def as_json(rows: "Sequence[Row]", options: DenoisingOptions) -> dict[str, Any]:
    """Everything that was measured, with what it means; unknown numbers are null."""
    from nmflowgan_cli.evaluation.picture_quality import DEFINITIONS
    from nmflowgan_cli.evaluation.report import nulled

    return nulled(
        {
            "tool_version": __version__,
            "data": {"pairs": str(options.data), "split": options.split or "val", "pictures": len(rows[0].pictures)},
            "definitions": DEFINITIONS,
            "denoising": [_row(row) for row in rows],
        }
    )


def print_rows(rows: "Sequence[Row]") -> None:
    """The means over pictures on stdout, and those of each camera."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=max(NARROWEST, Console().width))
    cameras = rows[0].cameras
    headings = ("", "learned from", "steps", "PSNR dB", "95 %", "SSIM", "PGap dB", "95 %")
    overall = Table(*headings, title=f"denoised: mean of {len(rows[0].pictures)} pictures", **_PLAIN)
    each = Table("PSNR / SSIM", *cameras, **_PLAIN)
    for row in rows:
        psnr, ssim, gap = row.psnr, row.ssim, row.pgap
        told = [f"{psnr.value:.2f}", _interval(psnr), f"{ssim.value:.4f}", f"{gap.value:.2f}" if gap else "-"]
        overall.add_row(row.name, row.noise or "-", str(row.steps or "-"), *told, _interval(gap))
        of_cameras = [row.of_camera(camera) for camera in cameras]
        each.add_row(row.name, *(f"{one.psnr.value:.2f} / {one.ssim.value:.4f}" for one in of_cameras))
    console.print(overall)
    console.print(each)
    console.print("PGap: PSNR of the denoiser that learned from real noise minus this one's.")


_PLAIN: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "box": None, "padding": (0, 1)}


def _interval(mean: "Mean | None") -> str:
    return "-" if mean is None or mean.interval is None else "{:.2f} {:.2f}".format(*mean.interval)


def _row(row: "Row") -> dict[str, Any]:
    def told(one: "Row") -> dict[str, Any]:
        means = {"psnr": one.psnr, "ssim": one.ssim, "pgap": one.pgap}
        values = {name: mean.value if mean else None for name, mean in means.items()}
        return values | {f"{name}_interval": mean.interval if mean else None for name, mean in means.items()}

    return {
        "name": row.name,
        "noise": row.noise,
        "steps": row.steps,
        **told(row),
        "cameras": {camera: told(row.of_camera(camera)) for camera in row.cameras},
        "pictures": [asdict(picture) for picture in row.pictures],
    }


def _data(options: DenoisingOptions, split: str) -> "DataOptions":
    from nmflowgan_cli.training.sources import DataOptions

    return DataOptions(pairs=options.data, split=split, camera=options.camera, iso=options.iso)


def _held_out(options: DenoisingOptions) -> "list[Paired]":
    """The pairs to judge by: the val pairs, unless --split says otherwise."""
    from nmflowgan_cli.training.sources import read_splits

    part = options.split if options.split in ("train", "val", "all") else "val"
    splits = read_splits(_data(options, "" if part == options.split else options.split))
    pairs = splits["train"] + splits["val"] if part == "all" else splits[part]
    if not pairs:
        raise UsageError(f"{options.data} holds no {part} pairs", "say by --split what to hold out, like --split 003")
    return pairs


def _trained(options: DenoisingOptions) -> "list[Path]":
    """The denoisers of the table, trained or found in its folder."""
    from nmflowgan_cli.evaluation.denoising_table import TableRequest, train_table

    if options.runs is None:
        raise UsageError("--denoising-table trains, and keeps what it trained", "give --runs and a folder")
    if options.split in ("train", "all"):
        raise UsageError(f"--split {options.split} would judge denoisers on pairs that they learned from", "val")
    request = TableRequest(
        data=_data(options, "" if options.split == "val" else options.split),
        models=tuple(options.models),
        runs=options.runs,
        budget=seconds("--budget", options.budget),
        seed=options.seed,
        device=options.device,
        cache_dir=options.cache_dir,
        command=shlex.join(["nmflowgan", *sys.argv[1:]]),
    )

    @contextmanager
    def shown(name: str, steps: int) -> Iterator[Show]:
        if not options.quiet:
            typer.echo(f"training the denoiser of {name}: {steps} steps", err=True)
        with training_progress(steps, quiet=options.quiet) as show:
            yield show

    return train_table(request, shown=shown)


def _tracked(pairs: "Sequence[Paired]", *, quiet: bool) -> "Iterator[Paired]":
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal
    yield from track(pairs, "denoising", console=console, disable=hidden, transient=True)


def _look(folder: Path | None) -> Any:
    """What shows the pictures, if they are wanted."""
    if folder is None:
        return None
    from nmflowgan_cli.evaluation.denoised_pictures import show

    return lambda *shown: show(folder, *shown)
