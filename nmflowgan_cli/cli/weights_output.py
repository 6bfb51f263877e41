"""What `nmflowgan weights` prints for people: the list of weights, and all about one of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid

from nmflowgan_cli.report.tables import Row, Table, print_table
from nmflowgan_cli.text import console as new_console

Scores = Mapping[str, Any]
COLUMNS = ("pairs", "patches", "KLD", "95 %", "AKLD", "std ratio", "curves", "lag 1", "lag 2", "lag 3", "red-green")
FILE_FACTS = ("path", "url", "state", "size", "sha256", "architecture", "parameters", "tool_version")


def print_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """Entries of the registry: what a file is, and a line a camera."""
    console = new_console()
    for number, row in enumerate(rows):
        if number:
            console.print()
        console.print(row["name"], style="bold")
        console.print(f"  {_size(row['size'])}; in the cache: {row['state']}; terms: {row['terms'] or 'not known'}")
        table = _table("code", "camera", "ISO")
        for camera, isos in row["cameras"].items():
            table.add_row(camera, row["camera_names"].get(camera, ""), _range(isos))
        console.print(Padding(table, (0, 0, 0, 2), expand=False))


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table, a line a row."""
    table = _table(*headings)
    for row in rows:
        table.add_row(*row)
    new_console().print(table)


def print_info(facts: Mapping[str, Any]) -> None:
    """A header, an entry, a card: whatever is known of weights."""
    console = new_console()
    console.print(facts["name"], style="bold")
    if facts.get("summary"):
        console.print(facts["summary"])
    _print_list(console, "terms", [facts["terms"] or "not told"])
    _print_list(console, "data", facts.get("origin") or facts.get("data", ()))
    _print_block(console, "cameras", _cameras(facts))
    for name, scores in _groups("measured", facts.get("metrics", {})):
        _print_scores(console, name, scores)
    _print_list(console, "limits", facts.get("limits", ()))
    if facts.get("training_command"):
        _print_title(console, "training")
        _print_line(console, facts["training_command"])
    _print_block(console, "file", _pairs((key, facts[key]) for key in FILE_FACTS if facts.get(key)))


def _cameras(facts: Mapping[str, Any]) -> Grid:
    """Cameras with their ISOs, and the training patches of each where the header is known."""
    table = _table("code", "camera", "ISO", "patches of each ISO" if "trained" in facts else "trained at ISO")
    names, counted = facts["camera_names"], facts.get("training", {}).get("patches_known", True)
    for camera, isos in (facts["trained"] if "trained" in facts else facts["cameras"]).items():
        patches = isos.items() if isinstance(isos, Mapping) else ((iso, "") for iso in isos)
        told = [f"{iso}:{count}" if count and counted else str(iso) for iso, count in patches if count != 0]
        trained = sorted(int(text.partition(":")[0]) for text in told)
        table.add_row(camera, names.get(camera, ""), _range(trained), "  ".join(told))
    return table


def _groups(name: str, metrics: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The parts of a header's metrics that hold numbers, with their names; parts may hold parts."""
    own = {key: value for key, value in metrics.items() if not isinstance(value, Mapping) or "kld" in value}
    if own:
        yield name, own
    for key, value in metrics.items():
        if key not in own:
            yield from _groups(f"{name}, {key.replace('_', ' ')}", value)


def _print_scores(console: Console, name: str, group: Mapping[str, Any]) -> None:
    """The scores of cameras and means as a table, anything else beside them as text."""
    scores = {key: value for key, value in group.items() if isinstance(value, Mapping)}
    others = {key: value for key, value in group.items() if key not in scores}
    if scores:
        console.print()
        rows = [Row(key.replace("_", " "), _cells(value)) for key, value in scores.items()]
        print_table(console, Table(name, ("", *COLUMNS), {"": rows}))
    else:
        _print_block(console, name, _pairs(others.items()))
    for key, value in others.items() if scores else ():
        _print_line(console, f"{key.replace('_', ' ')}: {value}")


def _cells(scores: Scores) -> list[str]:
    """What stands below COLUMNS; curves of std and of mean, correlations as made/real."""

    def number(name: str, digits: int) -> str:
        return "-" if scores.get(name) is None else f"{scores[name]:.{digits}f}"

    made_real = zip(
        [*scores["lags_fake"], scores["channels_fake"][0]],
        [*scores["lags_real"], scores["channels_real"][0]],
        strict=True,
    )
    interval = scores.get("kld_interval")
    between = f"{interval[0]:.4f}-{interval[1]:.4f}" if interval and None not in interval else "-"
    return [
        str(scores["pictures"]),
        str(scores["patches"]),
        number("kld", 4),
        between,
        number("akld", 3),
        number("std_ratio", 3),
        f"{number('std_curve', 2)} {number('mean_curve', 2)}",
        *(f"{made:.2f}/{real:.2f}" for made, real in made_real),
    ]


def _table(*headings: str) -> Grid:
    table = Grid(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in ("terms", "patches of each ISO", "trained at ISO"))
    return table


def _pairs(facts: Iterable[tuple[str, Any]]) -> Grid:
    table = Grid.grid(padding=(0, 2, 0, 0))
    for key, value in facts:
        table.add_row(key.replace("_", " "), _size(value) if key == "size" else str(value))
    return table


def _print_title(console: Console, title: str) -> None:
    console.print()
    console.print(title, style="bold")


def _print_line(console: Console, text: str) -> None:
    """A line that is not broken: it may be copied into a shell."""
    console.print(f"  {text}", soft_wrap=True)


def _print_block(console: Console, title: str, body: Grid) -> None:
    _print_title(console, title)
    console.print(Padding(body, (0, 0, 0, 2), expand=False))


def _print_list(console: Console, title: str, items: Sequence[str]) -> None:
    """Items below their title, wrapped at words; nothing where there are none."""
    if not items:
        return
    _print_title(console, title)
    table = Grid.grid(padding=(0, 1, 0, 0))
    for item in items:
        table.add_row("-", item)
    console.print(Padding(table, (0, 0, 0, 2), expand=False))


def _range(isos: Sequence[int]) -> str:
    """The ISOs that can be asked for; "-" where there are none."""
    if not isos:
        return "-"
    return str(isos[0]) if len(isos) == 1 else f"{isos[0]}-{isos[-1]}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
