"""Text for people: nothing that a stranger has written moves a terminal."""

import io
import json
import sys

import pytest
from rich.table import Table

from nmflowgan_cli.text import console, one_line, say, shown

HOSTILE = "a\x1b[31mb\x07\x7f\x9b2J\u202ec\u2066\udcff\r\t"


def test_all_that_a_terminal_obeys_is_escaped() -> None:
    assert shown(HOSTILE) == "a\\u001b[31mb\\u0007\\u007f\\u009b2J\\u202ec\\u2066\\udcff\\u000d\\u0009"
    assert shown("é 写真 👩‍🔧 a b") == "é 写真 👩‍🔧 a b"


def test_json_keeps_its_value() -> None:
    line = json.dumps({"name": HOSTILE})
    assert "\x7f" not in shown(line)
    assert json.loads(shown(line)) == {"name": HOSTILE}


def test_an_error_has_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert one_line("a\nb\x1b") == "a b\\u001b"
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    say(HOSTILE + "\nend")
    assert sys.stderr.getvalue().count("\n") == 1  # type: ignore[attr-defined]


def test_tables_are_shown_and_keep_their_own_style(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    table = Table("name")
    table.add_row(HOSTILE, style="bold red")
    printer = console()
    printer.print(table)
    printer.print("\x1b]0;title\x07")
    text = sys.stdout.getvalue()  # type: ignore[attr-defined]
    assert "\\u001b[31m" in text
    assert "\x1b[31m" + "b" not in text
    assert "\x1b]0" not in text
    assert "\x07" not in text
    assert "\x1b[1" in text
