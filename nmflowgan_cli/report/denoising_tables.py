"""What was measured of denoisers as tables for people and as JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nmflowgan_cli import __version__
from nmflowgan_cli.denoising.judge import Mean, Row
from nmflowgan_cli.denoising.quality import DEFINITIONS
from nmflowgan_cli.report.noise_tables import nulled

NARROWEST = 100
"""Columns that the table needs; a narrower terminal wraps the lines, which loses nothing."""


def as_json(rows: Sequence[Row], data: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, with what it means; unknown numbers are null."""
    whole = {"tool_version": __version__, "data": data, "definitions": DEFINITIONS}
    return nulled({**whole, "denoising": [_row(row) for row in rows]})


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "noise": row.noise,
        "steps": row.steps,
        **_means(row),
        "cameras": {camera: _means(row.of_camera(camera)) for camera in row.cameras},
        "pictures": [asdict(picture) for picture in row.pictures],
    }


def _means(row: Row) -> dict[str, Any]:
    means = {"psnr": row.psnr, "ssim": row.ssim, "pgap": row.pgap}
    values = {name: mean.value if mean else None for name, mean in means.items()}
    return values | {f"{name}_interval": mean.interval if mean else None for name, mean in means.items()}


def print_rows(rows: Sequence[Row]) -> None:
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


def _interval(mean: Mean | None) -> str:
    return "-" if mean is None or mean.interval is None else "{:.2f} {:.2f}".format(*mean.interval)
