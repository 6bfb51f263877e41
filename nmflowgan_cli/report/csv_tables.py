"""CSV of evaluations: a row for each cell (noise models) or picture (denoisers), and for each mean."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from nmflowgan_cli.denoising.judge import Row
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.evaluation.scores import JUDGED, Scores

MEANS = ("mean of cameras", "mean of cells")
"""Names of means, in the column of cameras."""


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same columns, at least one, whole or not at all; raises OSError."""
    from nmflowgan_cli.imaging import atomic_write

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(path, lambda file: file.write(text.getvalue().encode(errors="surrogateescape")))


def noise_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Rows of each model: its cells (camera, ISO), cameras (without ISO) and means; unknown numbers are empty.

    Columns: model, camera, iso, the fields of `Scores` (those of several numbers as name_1 ..), and name_low, name_high
    of the 95 % intervals.
    """
    return [row for result in evaluation.results for row in _rows(result)]


def denoising_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows of each denoiser: its pictures, cameras and the mean of pictures; unknown numbers are empty.

    Columns: denoiser, noise, steps, camera, iso, picture, and psnr (dB), ssim, pgap (dB), each with the 95 % interval.
    """
    return [entry for row in rows for entry in _of_denoiser(row)]


def _of_denoiser(row: Row) -> Iterator[dict[str, Any]]:
    who = {"denoiser": row.name, "noise": row.noise, "steps": row.steps}
    for one in row.pictures:
        place = {"camera": one.condition.camera, "iso": one.condition.iso, "picture": one.name}
        yield {**who, **place, **_numbers(replace(row, pictures=[one]))}
    for camera in row.cameras:
        yield {**who, "camera": camera, "iso": "", "picture": "", **_numbers(row.of_camera(camera))}
    yield {**who, "camera": "mean of pictures", "iso": "", "picture": "", **_numbers(row)}


def _numbers(row: Row) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for name, mean in (("psnr", row.psnr), ("ssim", row.ssim), ("pgap", row.pgap)):
        low, high = mean.interval or ("", "") if mean else ("", "")
        numbers |= {name: mean.value if mean else "", f"{name}_low": low, f"{name}_high": high}
    return numbers


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    for cell, scores in result.cells.items():
        yield {"model": result.name, "camera": cell.camera, "iso": cell.iso, **_flat(scores)}
    for camera, scores in result.cameras.items():
        yield {"model": result.name, "camera": camera, "iso": "", **_flat(scores)}
    for mean, scores in zip(MEANS, (result.mean_of_cameras, result.mean_of_cells), strict=True):
        yield {"model": result.name, "camera": mean, "iso": "", **_flat(scores)}


def _flat(scores: Scores) -> dict[str, Any]:
    """Numbers by column; an unknown one is empty text."""
    flat: dict[str, Any] = {}
    for name in [each.name for each in fields(Scores) if each.name != "intervals"]:
        value = getattr(scores, name)
        parts = {f"{name}_{index}": part for index, part in enumerate(value, 1)} if isinstance(value, tuple) else {}
        flat.update(parts or {name: value})
    for name in JUDGED:
        flat[f"{name}_low"], flat[f"{name}_high"] = scores.intervals.get(name, (math.nan, math.nan))
    return {name: "" if isinstance(value, float) and math.isnan(value) else value for name, value in flat.items()}
