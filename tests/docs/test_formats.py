"""The table of formats against the script that prints it."""

import pytest
from pages import ROOT, page

from scripts.format_table import KINDS, table


def test_the_table_lists_what_the_script_tries() -> None:
    assert [row[0] for row in page("docs/formats.md").table("input")] == list(KINDS)


@pytest.mark.slow
def test_the_table_is_what_comes_out() -> None:
    pytest.importorskip("rawpy")
    assert table() in (ROOT / "docs" / "formats.md").read_text()
