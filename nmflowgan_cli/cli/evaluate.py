"""`nmflowgan evaluate`: how far the noise of models is from the noise of real cameras."""

import json as json_module
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmflowgan_cli.cli import options
from nmflowgan_cli.errors import NmflowganError, PictureError, UsageError

if TYPE_CHECKING:
    from nmflowgan_cli.data.pairs import Pair
    from nmflowgan_cli.evaluation.protocol import Contender, Evaluation, Protocol

EXAMPLES = """\b
Examples:
  nmflowgan evaluate pairs/manifest.csv -m sidd-lite -m awgn
  nmflowgan evaluate pairs/ -m isp --split val --json > isp.json
"""

SOME_FAILED = 3


def evaluate(
    data: Annotated[
        Path, typer.Argument(help="Manifest of pairs (CSV or JSON lines), or a folder with one.", metavar="DATA")
    ],
    *,
    model: Annotated[
        list[str],
        typer.Option("--model", "-m", help="Weights (name or path), awgn, heteroscedastic or isp; may be repeated."),
    ],
    split: Annotated[str, typer.Option(help="Pairs to evaluate on: all, train or val.", show_default=True)] = "all",
    fit_split: Annotated[
        str | None,
        typer.Option(help="Pairs to fit awgn and heteroscedastic on: all, train or val.  [default: as --split]"),
    ] = None,
    patch: Annotated[int, typer.Option(min=1, help="Side of the patches in pixels.", show_default=True)] = 96,
    step: Annotated[int | None, typer.Option(min=1, help="Pixels from patch to patch.  [default: as --patch]")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many pairs of a camera and ISO.")] = None,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out pairs of cameras and ISOs that a model does not know.")
    ] = False,
    official: Annotated[
        bool, typer.Option("--official", help="Also the KLD of the un-rounded noise; does pictures in one piece.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Also write a page (HTML) with tables, plots and pictures.", metavar="FILE")
    ] = None,
    gallery: Annotated[
        int, typer.Option(min=0, help="Cameras and ISOs that the page shows pictures of.", show_default=True)
    ] = 12,
    cells: Annotated[bool, typer.Option("--cells", help="Also a row for each camera and ISO.")] = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Measure how far the noise of models is from real noise, on pairs of clean and noisy pictures.

    All ISOs of a camera weigh the same, and so do all cameras in the mean of cameras. awgn and heteroscedastic
    are fitted on the data itself unless --fit-split says otherwise.
    """
    if report:
        _require_report(report)
    pairs, fit_pairs = _pairs(data, split, limit), _pairs(data, fit_split or split, limit)

    from nmflowgan_cli.evaluation.contenders import contenders, open_weights
    from nmflowgan_cli.evaluation.protocol import Protocol
    from nmflowgan_cli.evaluation.report import as_json, print_tables
    from nmflowgan_cli.runtime import resolve_device

    entries = contenders(
        model,
        fit_pairs,
        fit_note=f"fitted on {'the very pairs' if fit_pairs == pairs else f'the {fit_split} pairs'} of {data}",
        load=open_weights(cache_dir),
        device=resolve_device(device),
        unrounded=official,
    )
    protocol = Protocol(patch, step or patch, seed)
    found, failed = _measured(pairs, entries, protocol, skip_unknown=skip_unknown, quiet=quiet)
    facts = {"manifest": str(data), "split": split, "pairs": len(pairs), "failed_pairs": failed}
    if report:
        _write_report(report, found, pairs, entries, as_json(found, facts), gallery=gallery, quiet=quiet)
    if json:
        typer.echo(json_module.dumps(as_json(found, facts)))
    else:
        print_tables(found, cells=cells)
    raise typer.Exit(SOME_FAILED if failed else 0)


def _require_report(path: Path) -> None:
    """Raise UsageError where the page could not be written after all the work."""
    from nmflowgan_cli.evaluation.plots import require_matplotlib

    require_matplotlib()
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "--report takes the name of a file, like report.html")


def _write_report(
    path: Path,
    found: "Evaluation",
    pairs: "list[Pair]",
    entries: "list[Contender]",
    measured: dict[str, Any],
    *,
    gallery: int,
    quiet: bool,
) -> None:
    """The page, with the command that was typed."""
    from datetime import UTC, datetime

    from nmflowgan_cli.evaluation.gallery import examples
    from nmflowgan_cli.evaluation.html import Origin, write_report

    shown = examples(pairs, entries, found.protocol, gallery, conditions=found.real)
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    size = write_report(path, found, Origin(shlex.join(["nmflowgan", *sys.argv[1:]]), date, measured), examples=shown)
    if not quiet:
        typer.echo(f"{path}: {size / 1e6:.1f} MB", err=True)


def _pairs(data: Path, split: str, limit: int | None) -> "list[Pair]":
    """The pairs of a split, at most `limit` of each condition."""
    from nmflowgan_cli.data.pairs import read_pairs

    if split not in ("all", "train", "val"):
        raise UsageError(f"unknown split {split!r}", "all, train or val")
    seen: Counter[Any] = Counter()
    chosen = []
    for pair in read_pairs(data, split):
        seen[pair.condition] += 1
        if limit is None or seen[pair.condition] <= limit:
            chosen.append(pair)
    return chosen


def _measured(
    pairs: "list[Pair]", entries: "list[Contender]", protocol: "Protocol", *, skip_unknown: bool, quiet: bool
) -> "tuple[Evaluation, list[str]]":
    """What was measured, and the names of the pairs that failed, each told on stderr."""
    from rich.console import Console
    from rich.progress import track

    from nmflowgan_cli.evaluation.protocol import evaluate as run

    failed: list[str] = []
    console = Console(stderr=True)

    def tell(pair: "Pair", error: NmflowganError) -> None:
        failed.append(pair.name)
        console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)

    shown = track(pairs, "pairs", console=console, disable=quiet or not console.is_terminal, transient=True)
    found = run(shown, entries, protocol, skip_unknown=skip_unknown, on_failure=tell)
    if len(failed) == len(pairs):
        raise PictureError(f"all {len(failed)} pairs failed")
    if not found.results:
        raise UsageError("no model knows any camera and ISO of these pairs")
    return found, failed
