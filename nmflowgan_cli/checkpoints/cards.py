"""Model cards (Markdown): their sections, and the parts of them that scripts write."""

import re
from collections.abc import Mapping

from nmflowgan_cli.errors import WeightsError

SUMMARY = ""
"""The title of the text between the heading of the card and its first section."""


def sections(text: str) -> Mapping[str, str]:
    """The text below each heading of the second level, by its title; SUMMARY is what stands above them all."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    first, *others = re.split(r"^## ", re.sub(r"\A\s*# .*\n", "", body), flags=re.MULTILINE)
    return {
        SUMMARY: first.strip(),
        **{title.strip(): rest.strip() for title, _, rest in (o.partition("\n") for o in others)},
    }


def paragraph(section: str) -> str:
    """The first paragraph of a section on one line, without Markdown's marks of emphasis and of comments."""
    text = re.sub(r"<!--.*?-->", "", section, flags=re.DOTALL).strip()
    found = _plain(text.partition("\n\n")[0])
    return f"{found[:-1]}." if found.endswith(":") else found


def points(section: str) -> list[str]:
    """The items of the list in a section, each on one line."""
    items = re.findall(r"^- (.*?)(?=^- |^\s*$|\Z)", section + "\n", flags=re.MULTILINE | re.DOTALL)
    return [_plain(item) for item in items]


def command(section: str) -> str:
    """The first code of a section, a block or else within a line; empty where there is none."""
    block = re.search(r"^```\w*\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    found = block or re.search(r"`([^`]+)`", section)
    return found[1].strip() if found else ""


def _plain(text: str) -> str:
    return " ".join(re.sub(r"\*\*|`", "", text).split())


def with_part(text: str, name: str, content: str) -> str:
    """The card with `content` between the comments `<!-- NAME -->` and `<!-- end of NAME -->`; WeightsError without."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise WeightsError(f"the card has no place for {name}", f"two lines in it: {begin} and {end}")
    return f"{before}{begin}\n{content.strip()}\n{end}{after}"
