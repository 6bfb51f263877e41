"""Rendering and writing of pages."""

import pytest
from html_reader import ODD, Reader
from jinja2 import UndefinedError

from nmflowgan_cli.errors import NmflowganError
from nmflowgan_cli.report.page import Origin, full_name, render, write_report

ORIGIN = Origin("x --name '</script>'", "2024-02-29 12:00 UTC", {"definitions": {ODD: "</script> & more"}})
EMPTY = {"names": ["<b>"], "pictured": 0, "conditions": 0}


def test_text_is_escaped_wherever_it_stands():
    text = render("base.html", ORIGIN, **EMPTY)
    assert text.count("</script>") == 1
    read = Reader(text)
    for told in (ODD, "</script> & more", ORIGIN.command, ORIGIN.date, "<b>"):
        assert told in read.words


def test_a_template_without_a_value_is_an_error():
    with pytest.raises(UndefinedError, match="pictured"):
        render("base.html", ORIGIN, names=[], conditions=0)


def test_the_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "r & <p>.html"
    assert write_report(path, "\u00e9") == path.stat().st_size == 2
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    (tmp_path / "file").write_text("")
    with pytest.raises(NmflowganError, match="cannot write"):
        write_report(tmp_path / "file" / "r.html", "text")


def test_cameras_have_their_names_where_they_are_known():
    assert full_name("IP") == "Apple iPhone 7 (IP)"
    assert full_name("Zenit") == "Zenit"
