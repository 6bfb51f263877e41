"""The report of an evaluation: one HTML page that needs nothing else, no network and no scripts."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nmflowgan_cli import __version__
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.evaluation.protocol import Evaluation
from nmflowgan_cli.imaging import atomic_write
from nmflowgan_cli.report.condition_section import Cameras, condition_section, conditions_by_camera, identifiers
from nmflowgan_cli.report.crops import Example
from nmflowgan_cli.report.markup import Markup, Section, element, joined
from nmflowgan_cli.report.score_tables import glossary
from nmflowgan_cli.report.summary_section import full_name, summary_section, verdict

TITLE = "How real is the noise?"
PACKAGES = ("torch", "numpy", "matplotlib")
CROPS = (
    "The synthetic pictures are the very ones that were measured. Crops are taken where a picture has both flat and "
    "textured parts, neither black nor blown out; their noise is amplified about grey."
)
NO_LINKS: Mapping[str, Mapping[str, str]] = {}


@dataclass(frozen=True)
class Origin:
    """Where a report comes from."""

    command: str
    """The exact command line."""
    date: str
    """When it was made, in UTC."""
    measured: Mapping[str, Any]
    """The same evaluation as JSON (`report.as_json`), which the page carries along."""


def write_report(path: Path, text: str) -> int:
    """Write a page whole or not at all, and return its size in bytes; PictureError where it cannot be written."""
    content = text.encode()
    try:
        atomic_write(path, lambda file: file.write(content))
    except OSError as error:
        raise PictureError(f"cannot write {path}: {error.strerror}") from None
    return len(content)


def page(evaluation: Evaluation, origin: Origin, *, examples: Sequence[Example] = ()) -> str:
    """The whole page of an evaluation of noise models."""
    cameras = conditions_by_camera(evaluation)
    keys = identifiers(cameras)
    parts = [
        summary_section(evaluation, cameras, origin.measured),
        *_camera_sections(evaluation, cameras, examples),
        about(origin, crops=CROPS),
    ]
    isos = {
        f"camera-{index}": {str(each.iso): keys[each] for each in conditions}
        for index, conditions in enumerate(cameras.values(), 1)
    }
    heading = f"{TITLE} {', '.join(result.name for result in evaluation.results)}"
    opening = (element("h1", TITLE), verdict(evaluation), shown_of(len(examples), len(keys)))
    return document(heading, opening, parts, origin, links=isos)


def document(
    heading: str,
    opening: Sequence[Markup],
    parts: Sequence[Section],
    origin: Origin,
    *,
    links: Mapping[str, Mapping[str, str]] = NO_LINKS,
) -> str:
    """A page of its opening, its contents and its parts, which carries what was measured along.

    `heading` is the title of the window; `links` are keys of headings by what the contents call them, for each part
    that has such, by its key.
    """
    bodies = (element("section", element("h2", part.title, id=part.key), part.body) for part in parts)
    header, main = element("header", *opening), element("main", *bodies)
    body = element("body", header, _contents(parts, links), main, _data(origin))
    return f"<!DOCTYPE html>\n{element('html', _head(heading), body, lang='en')}\n"


def _head(heading: str) -> Markup:
    style = resources.files("nmflowgan_cli.report").joinpath("report.css").read_text(encoding="utf-8")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", heading),
        element("style", Markup(style)),
    )


def shown_of(examples: int, conditions: int) -> Markup:
    """How many conditions have pictures, where it is not all."""
    if examples == conditions:
        return Markup()
    shown = f"Pictures are shown of {examples} of {conditions} cameras and ISOs ("
    return element("p", shown, element("code", "--gallery"), ").")


def _camera_sections(evaluation: Evaluation, cameras: Cameras, examples: Sequence[Example]) -> list[Section]:
    shown, keys = {example.condition: example for example in examples}, identifiers(cameras)
    return [
        Section(
            f"camera-{index}",
            full_name(camera),
            joined(*(condition_section(evaluation, each, shown.get(each), keys[each]) for each in conditions)),
        )
        for index, (camera, conditions) in enumerate(cameras.items(), 1)
    ]


def _contents(parts: Sequence[Section], links: Mapping[str, Mapping[str, str]]) -> Markup:
    """Links to all parts, and to what stands below them."""
    items = (
        element(
            "li",
            element("a", part.title, href=f"#{part.key}"),
            *(joined(" ", element("a", name, href=f"#{key}")) for name, key in links.get(part.key, {}).items()),
        )
        for part in parts
    )
    return element("nav", element("ul", *items), aria_label="Contents")


def versions() -> dict[str, str]:
    """What the numbers were computed with; a page without plots needs no matplotlib."""
    found = {name: metadata.version(name) for name in PACKAGES if find_spec(name)}
    return {"nmflowgan": __version__, "Python": platform.python_version(), **found}


def about(origin: Origin, *, crops: str) -> Section:
    """How it was made, what the numbers mean, and where crops come from."""
    measured = origin.measured
    entries: dict[str, str] = {
        "command": element("code", origin.command),
        **{name: _listed(measured[name]) for name in ("data", "protocol") if name in measured},
        "versions": _listed(versions()),
        "date": origin.date,
    }
    facts = (part for key, text in entries.items() for part in (element("dt", key), element("dd", text)))
    meaning = (element("h3", "Definitions", id="definitions"), glossary(measured["definitions"]))
    return Section("about", "How this was measured", joined(element("dl", *facts), element("p", crops), *meaning))


def _listed(facts: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)

    return "; ".join(f"{key.replace('_', ' ')} {text(value)}" for key, value in facts.items())


def _data(origin: Origin) -> Markup:
    """All numbers as JSON for programs; not executed by any browser."""
    text = json.dumps(dict(origin.measured)).replace("<", "\\u003c")
    return element("script", Markup(text), type="application/json", id="measured")
