"""Page of an evaluation of noise models: verdict, tables, plots and crops."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.latency import Latency
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.metrics.noise import REACH
from nmflowgan_cli.report.condition_plots import condition_plots, noise_sources
from nmflowgan_cli.report.crops import Example
from nmflowgan_cli.report.noise_tables import kld_matrix, optional_tables, scores_table
from nmflowgan_cli.report.page import Origin, full_name, render
from nmflowgan_cli.report.plots import colour, dashes
from nmflowgan_cli.report.tables import Number, Table, interval


def noise_page(evaluation: Evaluation, origin: Origin, *, examples: Sequence[Example] = ()) -> str:
    """HTML of the page, with galleries of `examples`; `origin.measured` is the `noise_json` of the evaluation."""
    results = evaluation.results
    names = [result.name for result in results]
    shown, keys = {example.condition: example for example in examples}, heading_keys(evaluation)
    cameras: dict[str, list[dict[str, Any]]] = {}
    for condition, key in keys.items():
        section = _section(evaluation, condition, key) | {"example": shown.get(condition)}
        cameras.setdefault(full_name(condition.camera), []).append(section)
    return render(
        "noise_page.html",
        origin,
        names=names,
        pictured=len(examples),
        conditions=len(keys),
        sources=_lines({0: evaluation.reference} | dict(enumerate(names, 1))),
        means=scores_table("Mean of cameras", {"": [(result.name, result.mean_of_cameras) for result in results]}),
        notes=[*(f"{r.name}: {r.note}" for r in results if r.note), *origin.measured.get("remarks", ())],
        tables=_tables(evaluation, keys, origin.measured),
        cameras=cameras,
        reach=REACH,
        reference=evaluation.reference,
        **verdict(results),
    )


def heading_keys(evaluation: Evaluation) -> dict[Condition, str]:
    """Ids of the headings of all conditions with scores, sorted by camera and ISO."""
    known = {condition for result in evaluation.results for condition in result.cells}
    cameras = sorted({condition.camera for condition in known})
    ordered = sorted(known, key=lambda condition: (condition.camera, condition.iso))
    return {each: f"camera-{cameras.index(each.camera) + 1}-iso-{each.iso}" for each in ordered}


def verdict(results: Sequence[Result]) -> dict[str, Any]:
    """Models with the lowest KLD (`best`, `next`) and with the nearest spatial correlation, by mean of cameras.

    `overlap`: the intervals of the first two KLDs overlap; `uneven`: models left out different numbers of pairs.
    """
    best, *others = sorted(results, key=lambda result: _order(result.mean_of_cameras.kld))
    following = others[0] if others else None
    nearest = min([best, *others], key=lambda result: _order(result.mean_of_cameras.lags_difference))
    return {
        "best": _facts(best),
        "next": following and _facts(following),
        "overlap": following and following.mean_of_cameras.kld_interval[0] <= best.mean_of_cameras.kld_interval[1],
        "nearest": _facts(nearest),
        "uneven": len({(result.skipped, result.failed) for result in results}) > 1,
    }


def _facts(result: Result) -> dict[str, Any]:
    """Scores of a model for the verdict; `interval` is empty where it is unknown."""
    scores = result.mean_of_cameras
    return {
        "name": result.name,
        "cameras": len(result.cameras),
        "kld": Number(scores.kld),
        "interval": interval(scores.kld_interval) if math.isfinite(scores.kld_interval[0]) else "",
        "floor": Number(scores.self_floor),
        "lags": Number(scores.lags_difference, 3),
    }


def _order(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def _tables(evaluation: Evaluation, keys: Mapping[Condition, str], measured: Mapping[str, Any]) -> list[Table]:
    """Tables over cameras and ISOs, and those that were asked for."""
    results = evaluation.results
    by_camera = {
        full_name(camera): [(r.name, r.cameras[camera]) for r in results if camera in r.cameras]
        for camera in dict.fromkeys(condition.camera for condition in keys)
    }
    return [
        kld_matrix(results, keys),
        scores_table("By camera: mean of its ISOs", by_camera),
        *optional_tables(evaluation, [Latency(**each) for each in measured.get("latency", ())]),
    ]


def _section(evaluation: Evaluation, condition: Condition, key: str) -> dict[str, Any]:
    """Scores and plots of a condition; `key` is the id of its heading."""
    sources = noise_sources(evaluation, condition)
    scores = [(r.name, r.cells[condition]) for r in evaluation.results if condition in r.cells]
    return {
        "condition": condition,
        "key": key,
        "scores": scores_table(str(condition), {"": scores}),
        "sources": _lines({source: name for source, (name, _) in sources.items()}),
        **condition_plots(sources, condition),
    }


def _lines(names: Mapping[int, str]) -> list[tuple[str, str, str]]:
    """Name, colour and dash pattern of each source of noise."""
    return [(name, colour(source), dashes(source)) for source, name in names.items()]
