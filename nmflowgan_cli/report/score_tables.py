"""Tables of scores in HTML; each number carries its full value beside the rounded one that is shown."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.evaluation.scores import Interval, Scores
from nmflowgan_cli.metrics.noise import DEFINITIONS
from nmflowgan_cli.report.markup import Markup, element, joined


@dataclass(frozen=True)
class Column:
    """A column of a table of scores."""

    heading: str
    meaning: str
    """The key of `metrics.DEFINITIONS` that it shows; empty where the heading says all."""
    cell: Callable[[Scores], str]
    shown: Callable[[Scores], bool] = lambda _scores: True
    """Whether the scores have what it shows; a column that none has is left out."""


def number(value: float, digits: int = 4, *, within: Interval | None = None) -> Markup:
    """A number of so many digits after the point, with its full value for programs; a dash where unknown.

    `within`: its 95 % interval, told to who points at it.
    """
    if not math.isfinite(value):
        return Markup("&ndash;" if math.isnan(value) else "&infin;")
    title = f"95 % interval {within[0]:.{digits}f} to {within[1]:.{digits}f}" if within else None
    return element("data", f"{round(value, digits) + 0.0:.{digits}f}", value=repr(value), title=title)  # never -0.00


def interval(scores: Scores) -> Markup:
    """The 95 % interval of the KLD; a dash where unknown."""
    low, high = scores.kld_interval
    return joined(number(low), " to ", number(high)) if math.isfinite(low) else number(low)


def _against(fake: float, real: float) -> Markup:
    return joined(number(fake, 2), " / ", number(real, 2))


def _lag(index: int) -> Callable[[Scores], Markup]:
    return lambda scores: _against(scores.lags_fake[index], scores.lags_real[index])


def _judged(heading: str, field: str, digits: int = 4) -> Column:
    """A column of one number, where any is known."""

    def cell(scores: Scores) -> Markup:
        return number(getattr(scores, field), digits, within=scores.intervals.get(field))

    return Column(heading, field, cell, lambda scores: not math.isnan(getattr(scores, field)))


COLUMNS = (
    _judged("KLD", "kld"),
    Column("95 % interval", "", interval),
    _judged("official", "kld_official"),
    _judged("AKLD", "akld"),
    _judged("AKLD, draws", "akld_draws"),
    _judged("NLL", "nll", 3),
    _judged("std ratio", "std_ratio", 3),
    _judged("std curve", "std_curve", 2),
    _judged("mean curve", "mean_curve", 2),
    *(Column(f"lag {lag}", "lags", _lag(lag - 1)) for lag in (1, 2, 3)),
    Column("|rgb|", "channels", lambda scores: number(scores.channels_difference, 3)),
    Column("pairs", "", lambda scores: element("data", str(scores.pictures), value=scores.pictures)),
    Column("patches", "", lambda scores: element("data", str(scores.patches), value=scores.patches)),
)
"""What a row of scores may show."""


def scores_table(groups: Mapping[str, Sequence[tuple[str, Scores]]], *, caption: str) -> Markup:
    """A row of scores for each model, by name; in groups, each under its name (none, where that is empty)."""
    columns = _known_columns([scores for rows in groups.values() for _, scores in rows])
    head = element("tr", element("th", "model", scope="col"), *map(_heading, columns))
    bodies = (
        element("tbody", _group(name, 1 + len(columns)), *(_row(heading, scores, columns) for heading, scores in rows))
        for name, rows in groups.items()
    )
    return scrolling(caption, element("thead", head), *bodies)


def _known_columns(scores: Sequence[Scores]) -> list[Column]:
    return [column for column in COLUMNS if any(map(column.shown, scores))]


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


def plain_table(rows: Mapping[str, Sequence[str]], headings: Sequence[str], *, caption: str) -> Markup:
    """A row of cells (text or markup) for each name; the first heading is that of the names."""
    head = element("tr", *(element("th", heading, scope="col") for heading in headings))
    body = (
        element("tr", element("th", name, scope="row"), *(element("td", cell) for cell in cells))
        for name, cells in rows.items()
    )
    return scrolling(caption, element("thead", head), element("tbody", *body))


def scrolling(caption: str, *parts: Markup) -> Markup:
    """A table that scrolls sideways in itself where the page is too narrow for it; its caption stays."""
    table = element("table", element("caption", element("span", caption)), *parts)
    return element("div", table, class_="scroll", tabindex=0)


def _row(heading: str, scores: Scores, columns: Sequence[Column]) -> Markup:
    cells = (element("td", column.cell(scores)) for column in columns)
    return element("tr", element("th", heading, scope="row"), *cells)


def _group(name: str, width: int) -> Markup:
    title = element("th", name, scope="rowgroup", colspan=width)
    return element("tr", title, class_="group") if name else Markup()


def _heading(column: Column) -> Markup:
    return element("th", column.heading, scope="col", title=DEFINITIONS.get(column.meaning))


def glossary(definitions: Mapping[str, str]) -> Markup:
    """What the numbers mean, by their names."""
    entries = (part for key, text in definitions.items() for part in (element("dt", key), element("dd", text)))
    return element("dl", *entries, class_="glossary")
