"""Tables and JSON of an evaluation of noise models."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from nmflowgan_cli import __version__
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.origin import stated
from nmflowgan_cli.evaluation.latency import Latency
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.evaluation.scores import Scores
from nmflowgan_cli.evaluation.table1 import Averages, table1
from nmflowgan_cli.metrics.noise import DEFINITIONS
from nmflowgan_cli.report.remarks import remarks
from nmflowgan_cli.report.tables import UNKNOWN, Cell, Number, Row, Table, interval, print_tables
from nmflowgan_cli.text import shown

PAGE_ONLY = ("std curve", "mean curve", "lag 2", "lag 3")
TERMINAL_ONLY = ("curves", "|lags|")
"""Headings of COLUMNS, left out on terminals and on pages."""
LEGEND = (
    "KLD: of patches, rounded to 8 bits, in nats; std ratio: made / real; curves: mean |difference| of std and mean by "
    "level, in counts; lag 1: correlation at 1 pixel, made / real; |lags|, |rgb|: mean |difference| of correlations."
)


def noise_json(evaluation: Evaluation, data: dict[str, Any], latencies: Sequence[Latency] = ()) -> dict[str, Any]:
    """Scores, protocol, remarks and definitions as JSON values; unknown numbers are None.

    `data` describes the pairs.
    """
    whole = {
        "tool_version": __version__,
        "data": {**data, "noise": stated(evaluation.origins)},
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


class Column(NamedTuple):
    """A column of a table of scores."""

    cell: Callable[[Scores], Cell]
    meaning: str = ""
    """Its key in `DEFINITIONS`."""
    optional: bool = False
    """Left out of a table where the field `meaning` is unknown in all rows."""

    def known(self, scores: Scores) -> bool:
        return not self.optional or not math.isnan(getattr(scores, self.meaning))


def _judged(field: str, digits: int = 4) -> Column:
    def cell(scores: Scores) -> Number:
        return Number(getattr(scores, field), digits, scores.intervals.get(field))

    return Column(cell, field, optional=True)


def _lag(index: int) -> Column:
    return Column(lambda s: (Number(s.lags_fake[index], 2), " / ", Number(s.lags_real[index], 2)), "lags")


COLUMNS = {
    "KLD": _judged("kld"),
    "95 % interval": Column(lambda scores: interval(scores.kld_interval)),
    "official": _judged("kld_official"),
    "AKLD": _judged("akld"),
    "AKLD, draws": _judged("akld_draws"),
    "NLL": _judged("nll", 3),
    "std ratio": _judged("std_ratio", 3),
    "std curve": _judged("std_curve", 2),
    "mean curve": _judged("mean_curve", 2),
    "curves": Column(lambda scores: (Number(scores.std_curve, 2), " ", Number(scores.mean_curve, 2))),
    "lag 1": _lag(0),
    "lag 2": _lag(1),
    "lag 3": _lag(2),
    "|lags|": Column(lambda scores: Number(scores.lags_difference, 3)),
    "|rgb|": Column(lambda scores: Number(scores.channels_difference, 3), "channels"),
    "pairs": Column(lambda scores: Number(scores.pictures, 0)),
    "patches": Column(lambda scores: Number(scores.patches, 0)),
}
"""Columns of tables of scores by their headings, in order."""


def scores_table(
    caption: str,
    groups: Mapping[str, Sequence[tuple[str, Scores]]],
    *,
    heading: str = "model",
    without: Sequence[str] = TERMINAL_ONLY,
) -> Table:
    """Named scores in groups; `heading` is that of the names, `without` are headings of COLUMNS to leave out."""
    known = [scores for rows in groups.values() for _, scores in rows]
    columns = {name: each for name, each in COLUMNS.items() if name not in without and any(map(each.known, known))}
    rows = {
        group: [Row(name, [column.cell(scores) for column in columns.values()]) for name, scores in named]
        for group, named in groups.items()
    }
    hints = {name: DEFINITIONS.get(column.meaning, "") for name, column in columns.items()}
    return Table(caption, (heading, *columns), rows, hints)


def kld_matrix(results: Sequence[Result], keys: Mapping[Condition, str]) -> Table:
    """KLD of each model and between halves of the real noise, by condition; `keys` are the ids of their headings."""
    headings = ("camera, ISO", *(result.name for result in results), "self floor")
    rows = [_matrix_row(condition, key, results) for condition, key in keys.items()]
    return Table("KLD by camera and ISO; the lowest in bold", headings, {"": rows})


def _matrix_row(condition: Condition, key: str, results: Sequence[Result]) -> Row:
    scores = [result.cells.get(condition) for result in results]
    known = [each for each in scores if each]
    least = min(each.kld for each in known)
    cells = [Number(each.kld, best=each.kld == least) if each else UNKNOWN for each in scores]
    return Row(str(condition), [*cells, Number(known[0].self_floor)], key)


def table1_table(results: Sequence[Result]) -> Table:
    """Columns and averages of the paper's Table I."""
    found = {result.name: table1(result.pictures) for result in results}
    patches = {camera: count for each in found.values() for camera, count in each.patches.items()}
    cameras = sorted(patches)
    rows = [
        Row(name, _averages(averages, cameras))
        for model, each in found.items()
        for name, averages in ((model, each.kld), (f"{model}, un-rounded", each.kld_official))
    ]
    counts = ", ".join(f"{camera} {patches[camera]}" for camera in cameras)
    caption = f"Table I: KLD, mean of all patches of a camera; own weights, patches: {counts}"
    headings = ("model", *cameras, "plain mean", "paper's weights", "own weights")
    return Table(caption, headings, {"": rows})


def _averages(averages: Averages, cameras: Sequence[str]) -> list[Cell]:
    means = (averages.plain, averages.paper_weighted, averages.patch_weighted)
    return [Number(value) for value in (*(averages.cameras.get(camera, math.nan) for camera in cameras), *means)]


def latency_table(latencies: Sequence[Latency]) -> Table:
    """Milliseconds and megapixels per second of each model."""
    first = latencies[0]
    work = f"{first.pictures} pictures of {first.side}x{first.side}, median of {first.rounds} rounds"
    rows = [Row(each.name, _times(each)) for each in latencies]
    headings = ("model", "ms", "fastest", "slowest", "Mpixel/s")
    return Table(f"{work}; {first.device}, {first.precision}", headings, {"": rows})


def _times(latency: Latency) -> list[Cell]:
    times = (latency.seconds, latency.fastest, latency.slowest)
    return [*(Number(1000 * seconds, 1) for seconds in times), Number(latency.pixels_per_second / 1e6, 2)]


def optional_tables(evaluation: Evaluation, latencies: Sequence[Latency]) -> list[Table]:
    """Table I under its protocol, and latencies if there are any."""
    averages = [table1_table(evaluation.results)] if evaluation.protocol.name == "table1" else []
    return [*averages, latency_table(latencies)] if latencies else averages


def print_scores(
    evaluation: Evaluation,
    latencies: Sequence[Latency] = (),
    *,
    cells: bool = False,
    official: bool = False,
    left_out: int = 0,
) -> None:
    """Print the scores of each model, the comparison of several, Table I and latencies.

    `cells`: a row for each camera and ISO; `official`: a column of the un-rounded KLD; `left_out`: pairs of the data
    that were not evaluated.
    """
    results = evaluation.results
    others = f"; {left_out} other pairs of the data are left out" if left_out else ""
    print(shown(f"compared with {stated(evaluation.origins)}{others}") + "\n")  # noqa: T201 - first of all
    without = PAGE_ONLY if official else (*PAGE_ONLY, "official")
    tables = [_model_table(result, without, cells=cells) for result in results]
    if len(results) > 1:
        tables.append(_comparison(evaluation, without))
    print_tables([*tables, *optional_tables(evaluation, latencies)], LEGEND)


def _comparison(evaluation: Evaluation, without: Sequence[str]) -> Table:
    floor, caption = Number(evaluation.results[0].mean_of_cameras.self_floor), "mean of cameras"
    if floor.finite:
        caption += f"; {evaluation.reference} noise against itself: KLD {floor.text}"
    rows = [(result.name, result.mean_of_cameras) for result in evaluation.results]
    return scores_table(caption, {"": rows}, without=without)


def _model_table(result: Result, without: Sequence[str], *, cells: bool) -> Table:
    out = {"skipped": result.skipped, "failed": result.failed}
    notes = "; ".join(filter(None, [result.note, *(f"{pairs} pairs {what}" for what, pairs in out.items() if pairs)]))
    rows = []
    for camera, scores in result.cameras.items():
        rows.append((camera, scores))
        rows += [(f"  ISO {c.iso}", cell) for c, cell in result.cells.items() if cells and c.camera == camera]
    rows += [("mean of cameras", result.mean_of_cameras), ("mean of cells", result.mean_of_cells)]
    caption = f"{result.name} ({notes})" if notes else result.name
    return scores_table(caption, {"": rows}, heading="camera", without=without)
