"""Commands in the pages: each parses by the command line's own parser, and every option that is named exists."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from pages import PAGES, ROOT, Command, Page, words
from typer.main import get_command

from nmflowgan_cli.cli import app

TOOL: Any = get_command(app)
COMMANDS = [command for page in PAGES for command in page.commands()]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
INSTALLERS = {"--index-url", "--extra-index-url", "--torch-backend", "--pip-args"}
OTHER_TOOLS = {"--help", "--version", "--nproc-per-node", *INSTALLERS}
"""Options of every command, and of programs that are not ours."""


def found(arguments: Sequence[str]) -> tuple[Any, list[str]]:
    """The command that the first arguments name, and the other arguments; AssertionError for an unknown one."""
    command, rest = TOOL, list(arguments)
    while hasattr(command, "commands"):
        assert rest, "no command"
        assert rest[0] in command.commands, f"there is no command {rest[0]}"
        command = command.commands[rest.pop(0)]
    return command, rest


def parse(arguments: Sequence[str]) -> None:
    """Parse without running; raises what the command line would report, and AssertionError for an unknown choice."""
    command, rest = found(arguments)
    context = command.make_context(command.name, rest)
    for parameter in command.params:
        choices = re.fullmatch(r"\[(.+\|.+)\]", parameter.metavar or "")
        chosen = context.params.get(parameter.name)
        assert not (choices and chosen) or chosen in choices[1].split("|"), f"{parameter.name} has no {chosen}"


def options(command: Any) -> set[str]:
    """The long options of a command, or of all commands below it."""
    inner = getattr(command, "commands", {}).values()
    own = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return own.union(*map(options, inner))


def scripts_options() -> set[str]:
    files = [path for folder in ("scripts", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    return {name for path in files for name in re.findall(r'"(--[a-z-]+)"', path.read_text())}


KNOWN = options(TOOL) | scripts_options() | OTHER_TOOLS


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_parses(command: Command) -> None:
    assert command.arguments is not None
    parse(command.arguments)


@pytest.mark.parametrize(
    "line",
    [
        "synthesise clean/ -c IP -i 800 -o noisy/",
        "synthesize clean/ -c IP -i 800",
        "train clean/ --strategy two-step -o runs/mine",
        "train clean/ --model diffusion -o runs/mine",
        "train clean/ --flow 3 -o runs/mine",
        "weights fetch",
    ],
)
def test_a_wrong_command_does_not(line: str) -> None:
    with pytest.raises(Exception, match=r"[Nn]o |[Mm]issing|not one of"):
        parse(words(line))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_in_the_text_exists(page: Page) -> None:
    for span in page.spans():
        named = words(span.replace("'", "").replace('"', ""))
        known = options(found(named[1:])[0]) | OTHER_TOOLS if called(named) else KNOWN
        unknown = [name for name in OPTION.findall(span) if name not in known]
        assert not unknown, f"`{span}` names {unknown[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_in_the_blocks_exists(page: Page) -> None:
    for line in page.lines():
        unknown = [name for word in line.words for name in OPTION.findall(word) if name not in KNOWN]
        assert not unknown, f"{line} names {unknown[0]}"


def called(named: Sequence[str]) -> bool:
    """Whether the words call a command by its name, like `nmflowgan weights info NAME`."""
    return named[:1] == ["nmflowgan"] and len(named) > 1 and named[1] in TOOL.commands and named[1:] != ["weights"]
