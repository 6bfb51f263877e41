"""Tables of scores in HTML; each number carries its full value beside the rounded one that is shown."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.markup import Markup, element, joined
from nmflowgan_cli.evaluation.metrics import DEFINITIONS
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.evaluation.scores import Scores


@dataclass(frozen=True)
class Column:
    """A column of a table of scores."""

    heading: str
    meaning: str
    """The key of `metrics.DEFINITIONS` that it shows; empty where the heading says all."""
    cell: Callable[[Scores], str]


def number(value: float, digits: int = 4) -> Markup:
    """A number of so many digits after the point, with its full value for programs; a dash where unknown."""
    if not math.isfinite(value):
        return Markup("&ndash;")
    return element("data", f"{round(value, digits) + 0.0:.{digits}f}", value=repr(value))  # never -0.00


def interval(scores: Scores) -> Markup:
    """The 95 % interval of the KLD; a dash where unknown."""
    low, high = scores.kld_interval
    return joined(number(low), " to ", number(high)) if math.isfinite(low) else number(low)


def _against(fake: float, real: float) -> Markup:
    return joined(number(fake, 2), " / ", number(real, 2))


def _lag(index: int) -> Callable[[Scores], Markup]:
    return lambda scores: _against(scores.lags_fake[index], scores.lags_real[index])


COLUMNS = (
    Column("KLD", "kld", lambda scores: number(scores.kld)),
    Column("95 % interval", "kld", interval),
    Column("AKLD", "akld", lambda scores: number(scores.akld)),
    Column("std ratio", "std_ratio", lambda scores: number(scores.std_ratio, 3)),
    Column("std curve", "std_curve", lambda scores: number(scores.std_curve, 2)),
    Column("mean curve", "mean_curve", lambda scores: number(scores.mean_curve, 2)),
    Column("lag 1", "lags", _lag(0)),
    Column("lag 2", "lags", _lag(1)),
    Column("lag 3", "lags", _lag(2)),
    Column("|rgb|", "channels", lambda scores: number(scores.channels_difference, 3)),
    Column("pairs", "", lambda scores: element("data", str(scores.pictures), value=scores.pictures)),
    Column("patches", "", lambda scores: element("data", str(scores.patches), value=scores.patches)),
)
"""What a row of scores shows."""


def scores_table(rows: Iterable[tuple[str, Scores]], *, caption: str, first: str = "model") -> Markup:
    """A row of scores for each heading (text or markup) of `rows`."""
    body = [_row(heading, scores) for heading, scores in rows]
    head = element("tr", element("th", first, scope="col"), *(_heading(column) for column in COLUMNS))
    return scrolling(caption, element("thead", head), element("tbody", *body))


def grouped_table(groups: Mapping[str, Sequence[tuple[str, Scores]]], *, caption: str, first: str = "model") -> Markup:
    """The same with rows in groups, each under its name."""
    head = element("tr", element("th", first, scope="col"), *(_heading(column) for column in COLUMNS))
    bodies = [
        element("tbody", _group(name), *(_row(heading, scores) for heading, scores in rows))
        for name, rows in groups.items()
    ]
    return scrolling(caption, element("thead", head), *bodies)


def matrix_table(evaluation: Evaluation, links: Mapping[Condition, str], *, caption: str) -> Markup:
    """The KLD of each model at each camera and ISO, the lowest of a row marked, beside what real noise costs."""
    results = evaluation.results
    names = [element("th", text, scope="col") for text in ("camera, ISO", *(r.name for r in results), "self floor")]
    rows = [_matrix_row(condition, link, results) for condition, link in links.items()]
    return scrolling(caption, element("thead", element("tr", *names)), element("tbody", *rows))


def _matrix_row(condition: Condition, link: str, results: Sequence[Result]) -> Markup:
    scores = [result.cells.get(condition) for result in results]
    known = [score for score in scores if score is not None]
    least = min((score.kld for score in known), default=math.nan)
    cells = [
        element("td", Markup("&ndash;") if score is None else _marked(number(score.kld), best=score.kld == least))
        for score in scores
    ]
    floor = element("td", number(known[0].self_floor if known else math.nan))
    return element("tr", element("th", element("a", str(condition), href=f"#{link}"), scope="row"), *cells, floor)


def _marked(text: Markup, *, best: bool) -> Markup:
    return element("strong", text) if best else text


def scrolling(caption: str, *parts: Markup) -> Markup:
    """A table that scrolls sideways in itself where the page is too narrow for it; its caption stays."""
    table = element("table", element("caption", element("span", caption)), *parts)
    return element("div", table, class_="scroll", tabindex=0)


def _row(heading: str, scores: Scores) -> Markup:
    cells = (element("td", column.cell(scores)) for column in COLUMNS)
    return element("tr", element("th", heading, scope="row"), *cells)


def _group(name: str) -> Markup:
    return element("tr", element("th", name, scope="rowgroup", colspan=len(COLUMNS) + 1), class_="group")


def _heading(column: Column) -> Markup:
    return element("th", column.heading, scope="col", title=DEFINITIONS.get(column.meaning))


def glossary() -> Markup:
    """Every definition of `metrics.DEFINITIONS`."""
    entries = (part for key, text in DEFINITIONS.items() for part in (element("dt", key), element("dd", text)))
    return element("dl", *entries, class_="glossary")
