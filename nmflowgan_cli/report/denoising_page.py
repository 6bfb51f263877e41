"""The page of denoisers: how well each does on real pairs, by what noise it learned from, and what it leaves."""

from collections.abc import Sequence

from nmflowgan_cli.denoising.judge import NOISY, REAL, Mean, Row
from nmflowgan_cli.report.crops import Example
from nmflowgan_cli.report.gallery_section import example_figure
from nmflowgan_cli.report.markup import Markup, Section, element, joined
from nmflowgan_cli.report.page import Origin, about, document, shown_of
from nmflowgan_cli.report.score_tables import number, plain_table
from nmflowgan_cli.report.summary_section import full_name

TITLE = "What does a denoiser learn from this noise?"
EXPLAINED = (
    "All denoisers are judged on the same real pairs, which none of them should have learned from. PGap is the PSNR of "
    "the denoiser that learned from real noise minus that of this one: at 0 dB it teaches as much as real noise. "
    "Pointing at a number shows its 95 % interval, by the bootstrap over pictures. "
)
CROPS = (
    "Crops are taken where a picture has both flat and textured parts, neither black nor blown out; what a denoiser "
    "leaves is its picture minus the clean one, amplified about grey. This page judges denoisers alone; the noise of "
    "models itself is measured by nmflowgan evaluate with -m and without --denoiser and --denoising-table."
)


def denoising_page(rows: Sequence[Row], origin: Origin, *, examples: Sequence[Example] = ()) -> str:
    """The whole page; `origin.measured` is `denoising_report.as_json` of the rows, the first of them the noisy ones."""
    conditions = {picture.condition for picture in rows[0].pictures}
    parts = [Section("scores", "Scores", _tables(rows))]
    if examples:
        parts.append(Section("pictures", "Pictures", joined(*(_figure(rows, *each) for each in enumerate(examples)))))
    parts.append(about(origin, crops=CROPS))
    heading = f"{TITLE} {', '.join(row.name for row in rows[1:])}"
    opening = (element("h1", TITLE), _verdict(rows), shown_of(len(examples), len(conditions)))
    return document(heading, opening, parts, origin)


def _verdict(rows: Sequence[Row]) -> Markup:
    """The best denoiser, and how near the best of those that learned from made noise comes to the bound."""
    best = max(rows[1:], key=lambda row: row.psnr.value)
    told = [
        f"Best on {_pictures(rows[0])} is ",
        element("strong", best.name),
        ": ",
        element("strong", _mean(best.psnr, 2), " dB"),
        joined(" against ", _mean(rows[0].psnr, 2), " dB of the noisy pictures themselves."),
    ]
    made = [row for row in rows[1:] if row.noise != REAL and row.pgap]
    if best.psnr.value < rows[0].psnr.value:
        told.append(" That is worse than no denoiser: it has learned for too short a time, or from the wrong noise.")
    if made:
        nearest = max(made, key=lambda row: row.psnr.value)
        gap = _mean(nearest.pgap, 2)
        told.append(joined(" Of what made noise taught, ", nearest.name, " comes nearest to real noise: PGap ", gap))
        told.append(" dB.")
    return element("p", *told, class_="verdict")


def _pictures(row: Row) -> str:
    return f"{len(row.pictures)} real pictures" if len(row.pictures) > 1 else "one real picture"


def _tables(rows: Sequence[Row]) -> Markup:
    overall = {
        row.name: [
            _mean(row.psnr, 2),
            _mean(row.ssim, 4),
            _mean(row.pgap, 2),
            row.noise or "\u2013",
            str(row.steps or "\u2013"),
        ]
        for row in rows
    }
    headings = ("denoiser", "PSNR (dB)", "SSIM", "PGap (dB)", "learned from", "steps")
    cameras = rows[0].cameras
    each = {row.name: [_of_camera(row, camera) for camera in cameras] for row in rows}
    return joined(
        element("p", EXPLAINED, element("a", "All definitions", href="#definitions")),
        plain_table(overall, headings, caption=f"Mean of {_pictures(rows[0])}"),
        plain_table(each, ("denoiser", *map(full_name, cameras)), caption="PSNR (dB) / SSIM by camera"),
    )


def _of_camera(row: Row, camera: str) -> Markup:
    own = row.of_camera(camera)
    return joined(_mean(own.psnr, 2), " / ", _mean(own.ssim, 4))


def _mean(mean: Mean | None, digits: int) -> Markup:
    return number(mean.value, digits, within=mean.interval) if mean else Markup("&ndash;")


def _figure(rows: Sequence[Row], index: int, example: Example) -> Markup:
    scores = {row.name: picture.psnr for row in rows for picture in row.pictures if picture.name == example.pair}
    told = (joined(", " if place else " ", name, " ", number(scores[name], 2)) for place, name in enumerate(scores))
    note = joined(" PSNR of the whole picture in dB:", *told, ".")
    figure = example_figure(example, f"denoised-{index}", real=NOISY, noise="Left over", note=note)
    return joined(element("h3", str(example.condition)), figure)
