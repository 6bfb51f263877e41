"""Tables and JSON of an evaluation of denoisers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from nmflowgan_cli import __version__
from nmflowgan_cli.denoising import judge
from nmflowgan_cli.denoising.quality import DEFINITIONS
from nmflowgan_cli.report.noise_tables import nulled
from nmflowgan_cli.report.tables import UNKNOWN, Cell, Number, Row, Table, interval, print_tables
from nmflowgan_cli.text import shown


def denoising_json(rows: Sequence[judge.Row], data: dict[str, Any]) -> dict[str, Any]:
    """Scores of each denoiser and definitions as JSON values; unknown numbers are None. `data` describes the pairs."""
    whole = {"tool_version": __version__, "data": data, "definitions": DEFINITIONS}
    return nulled({**whole, "denoising": [_denoiser(row) for row in rows]})


def _denoiser(row: judge.Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "noise": row.noise,
        "steps": row.steps,
        **_means(row),
        "cameras": {camera: _means(row.of_camera(camera)) for camera in row.cameras},
        "pictures": [asdict(picture) for picture in row.pictures],
    }


def _means(row: judge.Row) -> dict[str, Any]:
    means = {"psnr": row.psnr, "ssim": row.ssim, "pgap": row.pgap}
    values = {name: mean.value if mean else None for name, mean in means.items()}
    return values | {f"{name}_interval": mean.interval if mean else None for name, mean in means.items()}


def denoising_tables(rows: Sequence[judge.Row], camera_name: Callable[[str], str] = str) -> list[Table]:
    """Means over all pictures, and those of each camera by its `camera_name`."""
    cameras = rows[0].cameras
    headings = ("denoiser", "PSNR (dB)", "PSNR, 95 %", "SSIM", "PGap (dB)", "PGap, 95 %", "learned from", "steps")
    overall = [Row(row.name, _overall(row)) for row in rows]
    each = [Row(row.name, [_of_camera(row.of_camera(camera)) for camera in cameras]) for row in rows]
    return [
        Table(f"Mean of {pictures(rows[0])}", headings, {"": overall}),
        Table("PSNR (dB) / SSIM by camera", ("denoiser", *map(camera_name, cameras)), {"": each}),
    ]


def pictures(row: judge.Row) -> str:
    """Number of pictures in words."""
    return f"{len(row.pictures)} pictures" if len(row.pictures) > 1 else "one picture"


def _overall(row: judge.Row) -> list[Cell]:
    psnr, gap = (interval(mean.interval if mean else None, 2) for mean in (row.psnr, row.pgap))
    learned = row.noise or UNKNOWN, Number(row.steps or math.nan, 0)
    return [number(row.psnr, 2), psnr, number(row.ssim, 4), number(row.pgap, 2), gap, *learned]


def _of_camera(row: judge.Row) -> Cell:
    return number(row.psnr, 2), " / ", number(row.ssim, 4)


def number(mean: judge.Mean | None, digits: int) -> Number:
    """Mean with its interval; unknown for None."""
    return Number(mean.value, digits, mean.interval) if mean else UNKNOWN


def print_rows(rows: Sequence[judge.Row], noise: str) -> None:
    """Print the origin of the pictures' `noise`, the means over all pictures, and those of each camera."""
    print(shown(f"judged on {noise}") + "\n")  # noqa: T201 - first of all
    taught = "the noise of the pairs" if any(row.noise == judge.PAIRS for row in rows) else "real noise"
    print_tables(denoising_tables(rows), f"PGap: PSNR of the denoiser that learned from {taught} minus this one's.")
