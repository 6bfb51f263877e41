"""Tables of texts and numbers, for the templates of pages and for terminals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid

from nmflowgan_cli.text import console as new_console


@dataclass(frozen=True)
class Number:
    """A number, shown rounded; pages carry the full value too."""

    value: float
    digits: int = 4
    """After the point."""
    interval: tuple[float, float] | None = None
    """The 95 % interval; pages show it where the number is pointed at."""
    best: bool = False
    """Bold on pages."""

    @property
    def finite(self) -> bool:
        return math.isfinite(self.value)

    @property
    def text(self) -> str:
        """The rounded number, never -0.00; "-" where it is unknown."""
        value = round(self.value, self.digits) + 0.0
        return "-" if math.isnan(value) else f"{value:.{self.digits}f}"

    @property
    def hint(self) -> str:
        """The interval in words; empty where it is unknown."""
        return f"95 % interval {plain_text(interval(self.interval, self.digits))}" if self.interval else ""


Cell = str | Number | Sequence[str | Number]
UNKNOWN = Number(math.nan)


class Row(NamedTuple):
    """A named row of a table."""

    name: str
    cells: Sequence[Cell]
    key: str = ""
    """Id of the heading that the name links to, on pages."""


class Table(NamedTuple):
    """A table of named rows, in groups."""

    caption: str
    headings: Sequence[str]
    """That of the names first."""
    groups: Mapping[str, Sequence[Row]]
    """By their names; "" for a group without one."""
    hints: Mapping[str, str] = {}
    """Definitions by heading, for pages."""


def interval(ends: tuple[float, float] | None, digits: int = 4) -> Cell:
    """The two ends of an interval; unknown for None and NaN."""
    if ends is None or math.isnan(ends[0]):
        return UNKNOWN
    return Number(ends[0], digits), " to ", Number(ends[1], digits)


def plain_text(cell: Cell) -> str:
    """The text of a cell."""
    if isinstance(cell, Number):
        return cell.text
    return cell if isinstance(cell, str) else "".join(map(plain_text, cell))


def print_tables(tables: Sequence[Table], legend: str) -> None:
    """Print tables and their legend on stdout, within the width of the terminal (80 columns where it is none)."""
    console = new_console()
    for table in tables:
        print_table(console, table)
        console.print()
    console.print(legend)


def print_table(console: Console, table: Table) -> None:
    """Print a table; where the console is too narrow for all columns, as several tables of the same rows."""
    rows = [[row.name, *map(plain_text, row.cells)] for group in table.groups.values() for row in group]
    (heading, *names), *columns = zip(table.headings, *rows, strict=True)
    widest = min(max(map(cell_len, [heading, *names])), console.width // 2)
    console.print(table.caption, style="bold")
    for part in divided(columns, console.width - widest - 2):
        grid = Grid(box=None, padding=(0, 1))
        grid.add_column(heading, overflow="fold", max_width=widest)
        for column in part:
            grid.add_column(column[0], justify="right", overflow="fold")
        for cells in zip(names, *(column[1:] for column in part), strict=True):
            grid.add_row(*cells)
        console.print(grid)


def divided(columns: Sequence[Sequence[str]], width: int) -> list[list[Sequence[str]]]:
    """Columns in as few runs as fit into `width` characters, of much the same width; at least one column in a run."""
    fewest = len(_runs(columns, width))
    return next(runs for limit in range(max(width, 0) + 1) if len(runs := _runs(columns, limit)) == fewest)


def _runs(columns: Sequence[Sequence[str]], width: int) -> list[list[Sequence[str]]]:
    """Columns in runs that are filled one after the other; a column has a space on either side."""
    runs: list[list[Sequence[str]]] = []
    left = 0
    for column in columns:
        needed = max(map(cell_len, column)) + 2
        if not runs or needed > left:
            runs.append([])
            left = width
        runs[-1].append(column)
        left -= needed
    return runs
