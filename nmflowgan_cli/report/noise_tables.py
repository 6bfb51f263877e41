"""Results as tables for people and as JSON for programs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from nmflowgan_cli import __version__
from nmflowgan_cli.evaluation.latency import Latency
from nmflowgan_cli.evaluation.protocol import Evaluation, Protocol, Result
from nmflowgan_cli.evaluation.scores import Scores
from nmflowgan_cli.evaluation.table1 import Averages, table1
from nmflowgan_cli.metrics.noise import DEFINITIONS
from nmflowgan_cli.report.remarks import remarks

NARROWEST, USUAL = 120, 10
"""Characters that a table of the usual columns needs; a narrower terminal wraps the lines, which loses nothing."""
UNKNOWN = "-"
LEGEND = (
    "KLD: of patches, rounded to 8 bits, in nats; std ratio: made / real; curves: mean |difference| of std and mean",
    "by level, in counts; lag 1: correlation at 1 pixel, made/real; |lags|, |rgb|: mean |difference| of correlations.",
)

Columns = dict[str, Callable[[Scores], str]]
"""Headings, and what stands below them."""


def as_json(evaluation: Evaluation, data: dict[str, Any], latencies: Sequence[Latency] = ()) -> dict[str, Any]:
    """Everything that was measured, with what it means; unknown numbers are null."""
    whole = {
        "tool_version": __version__,
        "data": data,
        "protocol": asdict(evaluation.protocol),
        "definitions": DEFINITIONS,
        "remarks": remarks(evaluation),
        "models": [_model(result, with_table1=evaluation.protocol.name == "table1") for result in evaluation.results],
    }
    return nulled({**whole, "latency": [asdict(each) for each in latencies]} if latencies else whole)


def _model(result: Result, *, with_table1: bool) -> dict[str, Any]:
    cells = [{**asdict(condition), **_scores(scores)} for condition, scores in result.cells.items()]
    found = {
        "name": result.name,
        "note": result.note,
        "skipped_pairs": result.skipped,
        "failed_pairs": result.failed,
        "mean_of_cameras": _scores(result.mean_of_cameras),
        "mean_of_cells": _scores(result.mean_of_cells),
        "patch_weighted_kld": result.patch_weighted_kld,
        "cameras": {camera: _scores(scores) for camera, scores in result.cameras.items()},
        "cells": cells,
    }
    return {**found, "table1": asdict(table1(result.pictures))} if with_table1 else found


def _scores(scores: Scores) -> dict[str, Any]:
    return {**asdict(scores), "kld_interval": scores.kld_interval}


def nulled(value: Any) -> Any:
    """`value` with None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: nulled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nulled(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_tables(
    evaluation: Evaluation, latencies: Sequence[Latency] = (), *, cells: bool = False, official: bool = False
) -> None:
    """A table for each model on stdout, and one that compares them where there are several.

    `cells`: a row for each camera and ISO; `official`: a column of the un-rounded KLD.
    """
    results, columns = evaluation.results, _columns(evaluation.protocol, official=official)
    width = NARROWEST + 10 * (len(columns) - USUAL)
    console = Console(highlight=False, width=max(width, Console().width))
    for result in results:
        console.print(_table(result, columns, cells=cells))
    if len(results) > 1:
        console.print(_comparison(results, columns))
    if evaluation.protocol.name == "table1":
        console.print(_table1(results))
    if latencies:
        console.print(_latencies(latencies))
        console.print(f"on {latencies[0].device}, {latencies[0].precision}, median of {latencies[0].rounds} rounds")
    for line in LEGEND:
        console.print(line)


def _columns(protocol: Protocol, *, official: bool) -> Columns:
    """Those that every table has, and those that were asked for."""
    columns: Columns = {
        "pairs": lambda scores: str(scores.pictures),
        "patches": lambda scores: str(scores.patches),
        "KLD": lambda scores: number(scores.kld),
        "95 % interval": lambda scores: between(*scores.kld_interval),
    }
    if official:
        columns["official"] = lambda scores: number(scores.kld_official)
    columns["AKLD"] = lambda scores: number(scores.akld)
    if protocol.akld_draws > 1:
        columns[f"{protocol.akld_draws} draws"] = lambda scores: number(scores.akld_draws)
    columns |= {
        "std ratio": lambda scores: number(scores.std_ratio, 3),
        "curves": lambda scores: f"{number(scores.std_curve, 2)} {number(scores.mean_curve, 2)}",
        "lag 1": lambda scores: f"{number(scores.lags_fake[0], 2)}/{number(scores.lags_real[0], 2)}",
        "|lags|": lambda scores: number(scores.lags_difference, 3),
        "|rgb|": lambda scores: number(scores.channels_difference, 3),
    }
    return columns | {"NLL": lambda scores: number(scores.nll, 3)} if protocol.nll else columns


def number(value: float, digits: int = 4) -> str:
    """A number of so many digits after the point; a dash where unknown."""
    return UNKNOWN if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"  # never -0.00


def between(low: float, high: float) -> str:
    """An interval; a dash where unknown."""
    return UNKNOWN if math.isnan(low) else f"{low:.4f} {high:.4f}"


def _table(result: Result, columns: Columns, *, cells: bool) -> Table:
    out = {"skipped": result.skipped, "failed": result.failed}
    notes = [result.note, *(f"{pairs} pairs {what}" for what, pairs in out.items() if pairs)]
    table = _headed(f"{result.name} ({'; '.join(filter(None, notes))})" if any(notes) else result.name, columns)
    for camera, scores in result.cameras.items():
        _add(table, camera, columns, scores)
        for condition, cell in result.cells.items():
            if cells and condition.camera == camera:
                _add(table, f"  ISO {condition.iso}", columns, cell)
    table.add_section()
    _add(table, "mean of cameras", columns, result.mean_of_cameras)
    _add(table, "mean of cells", columns, result.mean_of_cells)
    return table


def _comparison(results: Sequence[Result], columns: Columns) -> Table:
    table = _headed("mean of cameras", columns)
    for result in results:
        _add(table, result.name, columns, result.mean_of_cameras)
    floor = results[0].mean_of_cameras.self_floor
    table.caption = f"real noise against itself: KLD {floor:.4f}" if math.isfinite(floor) else None
    return table


def _table1(results: Sequence[Result]) -> Table:
    rows = {result.name: table1(result.pictures) for result in results}
    cameras = sorted({camera for row in rows.values() for camera in row.patches})
    table = _headed("Table I: KLD, mean of all patches of a camera", (*cameras, "plain mean", "paper's weights", "own"))

    def add(name: str, averages: Averages) -> None:
        means = (averages.plain, averages.paper_weighted, averages.patch_weighted)
        columns = (averages.cameras.get(camera, math.nan) for camera in cameras)
        table.add_row(name, *map(number, (*columns, *means)))

    for name, row in rows.items():
        add(name, row.kld)
        add("  un-rounded (official)", row.kld_official)
    patches = {camera: count for row in rows.values() for camera, count in row.patches.items()}
    table.caption = f"own weights, patches: {', '.join(f'{camera} {patches[camera]}' for camera in cameras)}"
    return table


def _latencies(latencies: Sequence[Latency]) -> Table:
    side = latencies[0].side
    table = _headed(f"{latencies[0].pictures} pictures of {side}x{side}", ("ms", "fastest", "slowest", "Mpixel/s"))
    for each in latencies:
        times = (f"{1000 * seconds:.1f}" for seconds in (each.seconds, each.fastest, each.slowest))
        table.add_row(each.name, *times, f"{each.pixels_per_second / 1e6:.2f}")
    return table


def _headed(title: str, headings: Sequence[str] | Columns) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1))
    table.add_column("", justify="left", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _add(table: Table, name: str, columns: Columns, scores: Scores) -> None:
    table.add_row(name, *(cell(scores) for cell in columns.values()))
