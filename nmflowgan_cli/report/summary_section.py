"""The head of the page: a verdict in words, and the tables over all cameras."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nmflowgan_cli.conditions import CAMERA_NAMES
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.report.condition_section import Cameras, identifiers, legend
from nmflowgan_cli.report.markup import Markup, Section, element, joined
from nmflowgan_cli.report.score_tables import interval, matrix_table, number, plain_table, scores_table

EXPLAINED = (
    "Lags are correlations at 1, 2 and 3 pixels, of the synthetic / of the real noise; |rgb| is the mean difference of "
    "the correlations between colours. All other numbers are 0 at best, but the std ratio, which is 1, and the NLL. "
    "Intervals hold 95 % of the bootstrap over pairs. "
)


def verdict(evaluation: Evaluation) -> Markup:
    """The model with the lowest KLD, how sure that is, and what the KLD does not see, in a paragraph."""
    ranked = sorted(evaluation.results, key=lambda result: _order(result.mean_of_cameras.kld))
    best, several = ranked[0], len(ranked) > 1
    cameras = f"{len(best.cameras)} cameras" if len(best.cameras) > 1 else "one camera"
    told = [
        element("strong", best.name),
        f" is closest to the real noise of {cameras}: KLD "
        if several
        else f", against the real noise of {cameras}: KLD ",
        element("strong", number(best.mean_of_cameras.kld)),
        _interval(best),
        _floor(best.mean_of_cameras.self_floor),
        _runner_up(best, ranked[1]) if several else Markup(),
        _correlations(ranked),
    ]
    if len({(result.skipped, result.failed) for result in ranked}) > 1:
        told.append(" Some models left out pairs, so compare them by camera and ISO.")
    return element("p", *told, class_="verdict")


def _floor(value: float) -> Markup:
    """What the real noise costs against itself, where it is known."""
    known = math.isfinite(value)
    return joined("; two halves of the real noise are ", number(value), " apart. ") if known else joined(". ")


def _runner_up(best: Result, other: Result) -> Markup:
    overlap = other.mean_of_cameras.kld_interval[0] <= best.mean_of_cameras.kld_interval[1]
    kld = number(other.mean_of_cameras.kld)
    return joined("Next is ", other.name, ", ", kld, _interval(other), "; the intervals overlap. " if overlap else ". ")


def _correlations(results: Sequence[Result]) -> Markup:
    """The model whose neighbouring pixels go together as the real ones do."""
    nearest = min(results, key=lambda result: _order(result.mean_of_cameras.lags_difference))
    if not math.isfinite(nearest.mean_of_cameras.lags_difference):
        return Markup()
    return joined(
        "The KLD does not see how neighbouring pixels go together: there, ",
        nearest.name,
        " comes closest, its" if len(results) > 1 else "'s",
        " correlations at 1 to 3 pixels are off by ",
        number(nearest.mean_of_cameras.lags_difference, 3),
        " on average.",
    )


def _order(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def _interval(result: Result) -> Markup:
    scores = result.mean_of_cameras
    known = math.isfinite(scores.kld_interval[0])
    return joined(" (95 % interval ", interval(scores), ")") if known else Markup()


def summary_section(evaluation: Evaluation, cameras: Cameras, measured: Mapping[str, Any]) -> Section:
    """All tables over cameras and ISOs; `measured` is the evaluation as JSON, with what else was measured."""
    results = evaluation.results
    by_camera = {
        full_name(camera): [(result.name, result.cameras[camera]) for result in results if camera in result.cameras]
        for camera in cameras
    }
    body = joined(
        element("p", EXPLAINED, element("a", "All definitions", href="#definitions")),
        legend([(0, "real"), *((index, result.name) for index, result in enumerate(results, 1))]),
        scores_table({"": [(result.name, result.mean_of_cameras) for result in results]}, caption="Mean of cameras"),
        _notes(results, measured.get("remarks", ())),
        matrix_table(evaluation, identifiers(cameras), caption="KLD by camera and ISO; the lowest in bold"),
        scores_table(by_camera, caption="By camera: mean of its ISOs"),
        *(_table1(measured["models"]) if "table1" in measured["models"][0] else ()),
        *(_latency(measured["latency"]) if measured.get("latency") else ()),
    )
    return Section("summary", "Summary", body)


def full_name(camera: str) -> str:
    """What a heading says of a camera: its name and its code, where it has both."""
    return f"{CAMERA_NAMES[camera]} ({camera})" if camera in CAMERA_NAMES else camera


def _notes(results: Sequence[Result], remarks: Sequence[str]) -> Markup:
    """What a reader must know of the models and of the numbers."""
    notes = [*(f"{result.name}: {result.note}" for result in results if result.note), *remarks]
    return element("ul", *(element("li", note) for note in notes), class_="notes") if notes else Markup()


def _table1(models: Sequence[Mapping[str, Any]]) -> list[Markup]:
    """The columns and averages of the paper's Table I."""
    cameras = sorted({camera for model in models for camera in model["table1"]["patches"]})
    rows = {
        f"{model['name']}{suffix}": [
            *(_maybe(model["table1"][kind]["cameras"].get(camera)) for camera in cameras),
            *(_maybe(model["table1"][kind][mean]) for mean in ("plain", "paper_weighted", "patch_weighted")),
        ]
        for model in models
        for kind, suffix in (("kld", ""), ("kld_official", ", un-rounded"))
    }
    headings = ("model", *cameras, "plain mean", "paper's weights", "own weights")
    return [plain_table(rows, headings, caption="Table I: KLD, mean of all patches of a camera")]


def _latency(latencies: Sequence[Mapping[str, Any]]) -> list[Markup]:
    first = latencies[0]
    rows = {
        each["name"]: [
            *(number(1000 * each[kind], 1) for kind in ("seconds", "fastest", "slowest")),
            number(each["pixels_per_second"] / 1e6, 2),
        ]
        for each in latencies
    }
    work = f"{first['pictures']} pictures of {first['side']}x{first['side']}, median of {first['rounds']} rounds"
    headings = ("model", "ms", "fastest", "slowest", "Mpixel/s")
    return [plain_table(rows, headings, caption=f"{work}; {first['device']}, {first['precision']}")]


def _maybe(value: float | None) -> Markup:
    return number(math.nan if value is None else value)
