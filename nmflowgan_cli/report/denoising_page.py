"""Page of an evaluation of denoisers: verdict, tables and crops of the residual noise."""

from collections.abc import Sequence
from typing import Any

from nmflowgan_cli.denoising.judge import PAIRS, REAL, Row
from nmflowgan_cli.report.crops import Example
from nmflowgan_cli.report.denoising_tables import denoising_tables, number, pictures
from nmflowgan_cli.report.page import Origin, full_name, render
from nmflowgan_cli.report.tables import Number


def denoising_page(rows: Sequence[Row], origin: Origin, *, examples: Sequence[Example] = ()) -> str:
    """HTML of the page, with galleries of `examples`; the first row is that of the noisy pictures.

    `origin.measured` is the `denoising_json` of the rows.
    """
    return render(
        "denoising_page.html",
        origin,
        names=[row.name for row in rows[1:]],
        pictured=len(examples),
        conditions=len({picture.condition for picture in rows[0].pictures}),
        judged=pictures(rows[0]),
        tables=denoising_tables(rows, full_name),
        galleries=[(example, _psnr(rows, example.pair)) for example in examples],
        **_verdict(rows),
    )


def _verdict(rows: Sequence[Row]) -> dict[str, Any]:
    """PSNR of the best denoiser and of the noisy pictures; PGap of the best that learned from made noise, if known."""
    noisy, *denoisers = rows
    best = max(denoisers, key=lambda row: row.psnr.value)
    made = [row for row in denoisers if row.noise not in (REAL, PAIRS) and row.pgap]
    nearest = max(made, key=lambda row: row.psnr.value, default=None)
    return {
        "best": {"name": best.name, "psnr": number(best.psnr, 2)},
        "noisy": number(noisy.psnr, 2),
        "worse": best.psnr.value < noisy.psnr.value,
        "nearest": nearest and {"name": nearest.name, "pgap": number(nearest.pgap, 2)},
    }


def _psnr(rows: Sequence[Row], name: str) -> dict[str, Number]:
    """PSNR in dB of one picture, by denoiser."""
    return {row.name: Number(picture.psnr, 2) for row in rows for picture in row.pictures if picture.name == name}
