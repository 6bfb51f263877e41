"""The pages of the documentation, taken apart: blocks, commands, code spans, links, headings and tables."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from places import ROOT

OPERATORS = frozenset({"|", ">", ">>", "&&", ";"})
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A line of a block, as a shell reads it."""

    page: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def parts(self) -> list[list[str]]:
        """The words between pipes and redirections."""
        parts: list[list[str]] = [[]]
        for word in self.words:
            if word in OPERATORS:
                parts.append([])
            else:
                parts[-1].append(word)
        return parts

    @property
    def arguments(self) -> list[str] | None:
        """What follows `nmflowgan`; None for a line that does not call it."""
        for part in self.parts:
            for name in ("nmflowgan", "nmflowgan_cli"):
                if name in part:
                    return part[part.index(name) + 1 :]
        return None


@dataclass(frozen=True)
class Page:
    """A page in Markdown."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """The text without blocks and comments."""
        return COMMENT.sub("", BLOCK.sub("", self.text))

    def blocks(self, language: str = "") -> Iterator[tuple[int, str]]:
        """The blocks of a language, each with the number of its first line."""
        for found in BLOCK.finditer(self.text):
            if found[1] == language:
                yield self.text.count("\n", 0, found.start(2)) + 1, found[2]

    def lines(self) -> list[Command]:
        """The lines of all blocks that name no language: those for the shell, and tables of numbers."""
        return [
            Command(self.name, first + number, tuple(words(line)))
            for first, block in self.blocks()
            for number, line in whole_lines(block)
        ]

    def commands(self) -> list[Command]:
        """The lines that call the tool."""
        return [line for line in self.lines() if line.arguments is not None]

    def spans(self) -> list[str]:
        """The code within the prose."""
        return [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", self.prose)]

    def links(self) -> list[str]:
        """The targets of links and pictures."""
        return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", self.prose))

    def anchors(self) -> set[str]:
        """The anchors of the headings, as GitHub makes them."""
        titles = re.findall(r"^#+ (.+)$", BLOCK.sub("", self.text), re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}

    def table(self, heading: str) -> list[list[str]]:
        """The rows of the first table whose first column is headed so, without code marks."""
        lines = self.text.splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
        return [cells(row) for row in takewhile(lambda line: line.startswith("|"), lines[first + 2 :])]


def cells(row: str) -> list[str]:
    """The cells of a row, without marks of code and of emphasis."""
    return [cell.strip().strip("*").replace("`", "").strip() for cell in row.strip().strip("|").split("|")]


def whole_lines(block: str) -> Iterator[tuple[int, str]]:
    """Lines of the shell with their numbers; one that ends in a backslash goes on in the next."""
    begun = ""
    for number, line in enumerate(block.splitlines()):
        begun += line.removesuffix("\\")
        if not line.endswith("\\"):
            yield number, begun
            begun = ""


def words(line: str) -> list[str]:
    """The words of a line, operators among them, without its comment."""
    reader = shlex.shlex(line, posix=True, punctuation_chars="|>&;")
    reader.whitespace_split = True
    return list(reader)


PAGES = [
    Page(path)
    for path in [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
        *sorted((ROOT / "docs").glob("*.md")),
        *(ROOT / name for name in ("weights/README.md", "photos/README.md")),
        *sorted((ROOT / "weights" / "cards").glob("*.md")),
    ]
]


def page(name: str) -> Page:
    return Page(ROOT / name)
