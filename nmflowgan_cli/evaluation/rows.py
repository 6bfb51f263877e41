"""Results as CSV: a row a model and cell, and its means."""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.evaluation.scores import JUDGED, Scores

PLACE = ("model", "camera", "iso")
MEANS = ("mean of cameras", "mean of cells")
"""In place of a camera."""


def write_csv(path: Path, evaluation: Evaluation) -> None:
    """A row for each (camera, ISO), camera (without ISO) and mean of every model; unknown numbers are empty.

    Columns: PLACE, the fields of `Scores` (those of several numbers as name_1 ..), and name_low, name_high of the 95 %
    intervals. The file appears whole or not at all; PictureError where it cannot be written.
    """
    from nmflowgan_cli.imaging import atomic_write

    rows = [row for result in evaluation.results for row in _rows(result)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else PLACE, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(path, lambda file: file.write(text.getvalue().encode()))


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    for cell, scores in result.cells.items():
        yield {"model": result.name, "camera": cell.camera, "iso": cell.iso, **_flat(scores)}
    for camera, scores in result.cameras.items():
        yield {"model": result.name, "camera": camera, "iso": "", **_flat(scores)}
    for mean, scores in zip(MEANS, (result.mean_of_cameras, result.mean_of_cells), strict=True):
        yield {"model": result.name, "camera": mean, "iso": "", **_flat(scores)}


def _flat(scores: Scores) -> dict[str, Any]:
    """The numbers by column; an unknown one is an empty text."""
    flat: dict[str, Any] = {}
    for name in [each.name for each in fields(Scores) if each.name != "intervals"]:
        value = getattr(scores, name)
        parts = {f"{name}_{index}": part for index, part in enumerate(value, 1)} if isinstance(value, tuple) else {}
        flat.update(parts or {name: value})
    for name in JUDGED:
        flat[f"{name}_low"], flat[f"{name}_high"] = scores.intervals.get(name, (math.nan, math.nan))
    return {name: "" if isinstance(value, float) and math.isnan(value) else value for name, value in flat.items()}
