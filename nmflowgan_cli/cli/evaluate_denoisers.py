"""What `nmflowgan evaluate` says of denoisers: those that were trained before, or a whole table of them."""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmflowgan_cli.cli import evaluate_output
from nmflowgan_cli.cli.progress import counted
from nmflowgan_cli.cli.train_options import seconds
from nmflowgan_cli.cli.train_progress import Show, training_progress
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.text import console, say

if TYPE_CHECKING:
    from nmflowgan_cli.data.reading import Paired
    from nmflowgan_cli.denoising.judge import Look, Row
    from nmflowgan_cli.report.denoised_crops import Gathered
    from nmflowgan_cli.training.sources import DataOptions

Denoisers = Annotated[
    list[Path] | None,
    typer.Option(
        "--denoiser", help="Judge a denoiser of train --arch dncnn, on the val pairs; may be repeated.", metavar="FILE"
    ),
]
Table = Annotated[
    bool,
    typer.Option("--denoising-table", help="Train and judge a denoiser for real noise and for each -m (Table III)."),
]
Budget = Annotated[str, typer.Option(help="Time for each training of the table: 90s, 5m, 1h.", show_default=True)]
Runs = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", "--runs", help="Folder of the table's trainings; finished ones are used.", metavar="FOLDER"
    ),
]
Pictures = Annotated[
    Path | None,
    typer.Option("--pictures", help="Also write crops, clean, noisy and denoised, as PNG.", metavar="FOLDER"),
]

OWN = frozenset({"budget", "runs", "pictures"})
"""Options that mean something to denoisers alone."""
FOREIGN = frozenset(
    {
        "like",
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
        "cells",
        "precision",
    }
)
"""Options of noise models, which mean nothing to denoisers."""


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
    csv: Path | None = None
    report: Path | None = None
    gallery: int = 10
    """Cameras and ISOs that the page shows pictures of."""
    split: str = ""
    camera: str = ""
    iso: int | None = None
    seed: int = 0
    device: str = "auto"
    as_json: bool = False
    quiet: bool = False
    accept_synthetic: bool = False
    cache_dir: Path | None = None


def evaluate_denoisers(options: DenoisingOptions) -> None:
    """Print how well denoisers do on the pairs that are held out; trains them first where a table is asked for."""
    if options.models and not options.table:
        raise UsageError("--denoiser judges denoisers, -m names noise models", "leave one out; or --denoising-table")
    evaluate_output.require_writable(options.report, options.csv)
    if options.report:
        from nmflowgan_cli.report.page import require_packages

        require_packages("jinja2")
    from nmflowgan_cli.data.origin import census_of, refuse_unreal, stated
    from nmflowgan_cli.denoising.judge import judge, open_denoiser
    from nmflowgan_cli.report.crops import spread
    from nmflowgan_cli.report.denoised_crops import Gathered
    from nmflowgan_cli.report.denoising_tables import denoising_json, print_rows
    from nmflowgan_cli.runtime import resolve_device

    device = resolve_device(options.device)
    pairs = _held_out(options)
    denoisers = [open_denoiser(path, device) for path in options.denoisers]
    if options.table:
        denoisers += [open_denoiser(path, device) for path in _trained(options)]
    elif not options.accept_synthetic:
        refuse_unreal(pairs, "an evaluation of denoisers")
    gathered = Gathered(spread({pair.condition for pair in pairs}, options.gallery if options.report else 0))
    rows = judge(_tracked(pairs, quiet=options.quiet), denoisers, look=_shown_to(options.pictures, gathered, pairs))
    data = {
        "pairs": str(options.data),
        "split": options.split or "val",
        "pictures": len(rows[0].pictures),
        "noise": stated(census_of(pairs)),
    }
    facts = denoising_json(rows, data)
    _write(options, rows, facts, gathered)
    if options.as_json:
        typer.echo(json.dumps(facts))
    else:
        print_rows(rows, data["noise"])


def _write(options: DenoisingOptions, rows: "Sequence[Row]", facts: dict[str, Any], gathered: "Gathered") -> None:
    """The table and the page, where they are wanted."""
    if options.csv:
        from nmflowgan_cli.report.csv_tables import denoising_rows

        evaluate_output.write_table(options.csv, denoising_rows(rows))
    if options.report:
        from nmflowgan_cli.report.denoising_page import denoising_page

        text = denoising_page(rows, evaluate_output.origin(facts), examples=gathered.examples)
        evaluate_output.write_page(options.report, text, quiet=options.quiet)


def _data(options: DenoisingOptions, split: str) -> "DataOptions":
    from nmflowgan_cli.training.sources import DataOptions

    return DataOptions(
        pairs=options.data,
        split=split,
        camera=options.camera,
        iso=options.iso,
        accept_synthetic=options.accept_synthetic,
    )


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
    from nmflowgan_cli.denoising.table import TableRequest, train_table

    if options.runs is None:
        raise UsageError("--denoising-table trains, and keeps what it trained", "give --output and a folder")
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
            say(f"training the denoiser of {name}: {steps} steps")
        with training_progress(steps, quiet=options.quiet) as show:
            yield show

    with counted(lambda: f"finished trainings and the last checkpoint stay in {options.runs}", "the same command"):
        return train_table(request, shown=shown)


def _tracked(pairs: "Sequence[Paired]", *, quiet: bool) -> "Iterator[Paired]":
    from rich.progress import track

    place = console(stderr=True)
    hidden = quiet or not place.is_terminal
    yield from track(pairs, "denoising", console=place, disable=hidden, transient=True)


def _shown_to(folder: Path | None, gathered: "Gathered", pairs: "Sequence[Paired]") -> "Look":
    """What looks at the pictures: the crops of the page, and those of the folder, if they are wanted."""
    from nmflowgan_cli.files import shared_stems
    from nmflowgan_cli.report.denoised_crops import show

    shared = shared_stems(pair.name for pair in pairs)

    def look(pair: "Paired", clean: Any, noisy: Any, made: Any) -> None:
        gathered(pair, clean, noisy, made)
        if folder:
            show(folder, pair, clean, noisy, made, shared=shared)

    return look
