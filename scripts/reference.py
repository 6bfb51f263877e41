"""Write docs/reference.md: every command, argument and option, from the Typer application itself.

python scripts/reference.py            # writes the page
python scripts/reference.py --check    # writes nothing; exit code 1 where the page is stale
"""

import argparse
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from typer.core import TyperGroup
from typer.main import get_command
from typer.models import OptionInfo

from nmflowgan_cli.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
HEAD = """# Command reference

<!-- Written by `make reference` from the application itself; edits are lost. -->

Every command with its arguments, options and defaults, as `nmflowgan COMMAND --help` prints them. The
[guide](guide.md) describes how the commands work together. `nmflowgan --version` prints the version.
"""
TYPES = {int: "integer", float: "number", Path: "path", str: "text"}
DEFAULT = re.compile(r"\s*\[default: ([^\]]*)\]")
"""A default that the help text states, where it is no plain value."""
OPTION_COLUMNS = ("option", "value", "default", "description")


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below `command` that can be run, with its full name, in the order of the help."""
    if isinstance(command, TyperGroup):
        for word, inner in command.commands.items():
            yield from commands(inner, f"{name} {word}")
    else:
        yield name, command


def annotations(command: Any) -> dict[str, Any]:
    """The annotations of the command's parameters, by name."""
    return {name: each.annotation for name, each in inspect.signature(command.callback).parameters.items()}


def plain(annotation: Any) -> Any:
    """The type of a single value: `annotation` without Typer's description, None and list."""
    wrapped = [inner for inner in get_args(annotation) if inner is not type(None)]
    return plain(wrapped[0]) if wrapped else annotation


def least(annotation: Any) -> str:
    """The smallest value that Typer's description allows, as it is shown; nothing without one."""
    bounds = [info.min for info in getattr(annotation, "__metadata__", ()) if isinstance(info, OptionInfo)]
    return f" ≥ {bounds[0]:g}" if bounds and bounds[0] is not None else ""


def choices(parameter: Any, kind: Any) -> list[str]:
    """What can be chosen, for an option that takes one of several words."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [member.value for member in kind]
    listed = re.fullmatch(r"\[(.+\|.+)\]", parameter.metavar or "")
    return listed[1].split("|") if listed else []


def value(parameter: Any, annotation: Any) -> str:
    """What an option takes: its type with the smallest value, or its choices; nothing for a switch."""
    kind = plain(annotation)
    if kind is bool:
        return ""
    text = ", ".join(f"`{word}`" for word in choices(parameter, kind)) or TYPES[kind] + least(annotation)
    return f"{text}; repeatable" if parameter.multiple else text


def default(parameter: Any) -> str:
    """What holds without the option: as the help states it, else the value; nothing for a switch that is off."""
    stated = DEFAULT.search(parameter.help or "")
    if parameter.required:
        return "required"
    if stated:
        return stated[1]
    shown = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    return "" if shown is None or shown is False or shown == "" else f"`{shown}`"


def description(parameter: Any) -> str:
    """The help text without the default."""
    return DEFAULT.sub("", parameter.help or "").strip()


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *escaped))


def arguments(command: Any) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            needed = "" if parameter.required else " Optional."
            yield f"`{metavar(parameter)}`", f"{parameter.help}{needed}"


def options(command: Any) -> Iterator[tuple[str, str, str, str]]:
    known = annotations(command)
    for parameter in command.params:
        if parameter.param_type_name == "option":
            names = ", ".join(f"`{name}`" for name in sorted(parameter.opts, key=len) + parameter.secondary_opts)
            yield names, value(parameter, known[parameter.name]), default(parameter), description(parameter)


def metavar(parameter: Any) -> str:
    return parameter.metavar or parameter.name.upper()


def usage(name: str, command: Any) -> str:
    named = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    words = [metavar(each) if each.required else f"[{metavar(each)}]" for each in named]
    return f"Usage: `{' '.join([name, '[OPTIONS]', *words])}`"


def examples(command: Any) -> str:
    """The commands at the end of the help, as a block."""
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    shown = [line for line in lines if line not in ("", "\b", "Examples:")]
    return "\n".join(["```", *shown, "```"]) if shown else ""


def section(name: str, command: Any) -> str:
    """One command: usage, help, arguments, options, examples."""
    named, optional = list(arguments(command)), list(options(command))
    parts = [
        f"## {name}",
        inspect.cleandoc(command.help or ""),
        usage(name, command),
        table(("argument", "description"), named) if named else "",
        table(OPTION_COLUMNS, optional) if optional else "",
        examples(command),
    ]
    return "\n\n".join(part for part in parts if part)


def page() -> str:
    """The whole reference in Markdown."""
    root = get_command(app)
    found = list(commands(root, "nmflowgan"))
    contents = "\n".join(f"- [{name}](#{name.replace(' ', '-')})" for name, _ in found)
    return "\n\n".join([HEAD.rstrip(), contents, *(section(*each) for each in found)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the page is stale")
    check = parser.parse_args().check
    text = page()
    if not check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE} is stale (make reference writes it anew)")


if __name__ == "__main__":
    main()
