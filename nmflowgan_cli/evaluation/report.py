"""Results as tables for people and as JSON for programs."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from nmflowgan_cli import __version__
from nmflowgan_cli.evaluation.metrics import DEFINITIONS
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.evaluation.scores import Scores

NARROWEST = 122
"""Columns that the tables need; a narrower terminal wraps the lines, which loses nothing."""

HEADINGS = ("", "pairs", "patches", "KLD", "95 % interval", "std ratio", "lag 1", "lag 2", "lag 3", "|lags|", "|rgb|")


def as_json(evaluation: Evaluation, data: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, with what it means; unknown numbers are null."""
    return _nulled(
        {
            "tool_version": __version__,
            "data": data,
            "protocol": asdict(evaluation.protocol),
            "definitions": DEFINITIONS,
            "models": [_model(result) for result in evaluation.results],
        }
    )


def _model(result: Result) -> dict[str, Any]:
    cells = [{**asdict(condition), **asdict(scores)} for condition, scores in result.cells.items()]
    return {
        "name": result.name,
        "note": result.note,
        "skipped_pairs": result.skipped,
        "mean_of_cameras": asdict(result.mean_of_cameras),
        "mean_of_cells": asdict(result.mean_of_cells),
        "patch_weighted_kld": result.patch_weighted_kld,
        "cameras": {camera: asdict(scores) for camera, scores in result.cameras.items()},
        "cells": cells,
    }


def _nulled(value: Any) -> Any:
    """`value` with None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _nulled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_nulled(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_tables(evaluation: Evaluation, *, cells: bool = False) -> None:
    """A table for each model on stdout, and one that compares them where there are several."""
    results = evaluation.results
    console = Console(highlight=False, width=max(NARROWEST, Console().width))
    for result in results:
        console.print(_table(result, cells=cells))
    if len(results) > 1:
        console.print(_comparison(results))
    console.print(
        "KLD: natural logarithm, rounded to 8 bits, per patch; lags and |lags|: correlation at 1, 2, 3 pixels,"
    )
    console.print("fake/real and mean |difference|; |rgb|: mean |difference| of red-green, red-blue, green-blue.")


def _table(result: Result, *, cells: bool) -> Table:
    notes = [note for note in (result.note, result.skipped and f"{result.skipped} pairs skipped") if note]
    table = _headed(f"{result.name} ({'; '.join(notes)})" if notes else result.name)
    for camera, scores in result.cameras.items():
        table.add_row(camera, *_columns(scores))
        for condition, cell in result.cells.items():
            if cells and condition.camera == camera:
                table.add_row(f"  ISO {condition.iso}", *_columns(cell))
    table.add_section()
    table.add_row("mean of cameras", *_columns(result.mean_of_cameras))
    table.add_row("mean of cells", *_columns(result.mean_of_cells))
    return table


def _comparison(results: Sequence[Result]) -> Table:
    table = _headed("mean of cameras")
    for result in results:
        table.add_row(result.name, *_columns(result.mean_of_cameras))
    floor = results[0].mean_of_cameras.self_floor
    table.caption = f"real noise against itself: KLD {floor:.4f}" if math.isfinite(floor) else None
    return table


def _headed(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1))
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    return table


def _columns(scores: Scores) -> list[str]:
    low, high = scores.kld_interval
    lags = [f"{fake:.2f}/{real:.2f}" for fake, real in zip(scores.lags_fake, scores.lags_real, strict=True)]
    return [
        str(scores.pictures),
        str(scores.patches),
        f"{scores.kld:.4f}",
        f"{low:.4f} {high:.4f}" if math.isfinite(low) else "-",
        f"{scores.std_ratio:.3f}",
        *lags,
        f"{scores.lags_difference:.3f}",
        f"{scores.channels_difference:.3f}",
    ]
