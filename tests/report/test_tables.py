"""Numbers and tables: rounding, and tables that fit into any terminal without a loss."""

import io
import math

import pytest
from rich.console import Console

from nmflowgan_cli.report.tables import UNKNOWN, Number, Row, Table, interval, plain_text, print_table

CELLS = (Number(12.345, 2), "[b]text[/b] :x:", (Number(0.5), " / ", UNKNOWN), Number(-0.0001, 2), Number(math.inf))
TABLE = Table(
    "numbers [1]",
    ("model", *(f"column {index}" for index in range(10))),
    {"": [Row("short", CELLS * 2)], "more": [Row("a name of thirty-four characters..", CELLS[::-1] * 2)]},
)


def printed(table, width):
    file = io.StringIO()
    print_table(Console(file=file, width=width, highlight=False, markup=False, emoji=False), table)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
def test_a_table_fits_and_loses_nothing(width):
    lines = printed(TABLE, width)
    assert max(map(len, lines)) <= width
    words = "".join("".join(lines).split())
    for told in (TABLE.caption, *TABLE.headings):
        assert "".join(told.split()) in words
    for cell in CELLS:
        assert words.count("".join(plain_text(cell).split())) >= 4


def test_a_table_is_divided_only_where_it_has_to_be():
    lines = printed(TABLE, 1000)
    assert len(lines) == 4
    full = len(lines[1])
    assert printed(TABLE, full) == lines
    narrow = printed(TABLE, full - 1)
    assert [line.split()[0] for line in narrow] == ["numbers", *("model", "short", "a") * 2]


def test_numbers_are_rounded_and_never_minus_nought():
    assert [plain_text(cell) for cell in CELLS] == ["12.35", "[b]text[/b] :x:", "0.5000 / -", "0.00", "inf"]
    assert plain_text(Number(3, 0)) == "3"


def test_an_interval_is_two_numbers_or_unknown():
    assert plain_text(interval((0.12345, 2))) == "0.1235 to 2.0000"
    assert interval(None) == interval((math.nan, math.nan)) == UNKNOWN
    assert Number(1, 2, (0.5, 1.5)).hint == "95 % interval 0.50 to 1.50"
    assert Number(1).hint == ""
