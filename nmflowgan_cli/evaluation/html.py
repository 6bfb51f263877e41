"""The report of an evaluation: one HTML page that needs nothing else, no network and no scripts."""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from nmflowgan_cli import __version__
from nmflowgan_cli.conditions import CAMERA_NAMES, Condition
from nmflowgan_cli.errors import PictureError
from nmflowgan_cli.evaluation.gallery import Example
from nmflowgan_cli.evaluation.html_condition import condition_section, conditions_by_camera, identifier, legend
from nmflowgan_cli.evaluation.html_gallery import Section
from nmflowgan_cli.evaluation.html_tables import (
    glossary,
    grouped_table,
    interval,
    matrix_table,
    number,
    scores_table,
)
from nmflowgan_cli.evaluation.markup import Markup, element, joined
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.imaging import atomic_write

PACKAGES = ("torch", "numpy", "matplotlib")


@dataclass(frozen=True)
class Origin:
    """Where a report comes from."""

    command: str
    """The exact command line."""
    date: str
    """When it was made, in UTC."""
    measured: Mapping[str, Any]
    """The same evaluation as JSON (`report.as_json`), which the page carries along."""


def write_report(
    path: Path,
    evaluation: Evaluation,
    origin: Origin,
    *,
    examples: Sequence[Example] = (),
    sections: Sequence[Section] = (),
) -> int:
    """Write the page whole or not at all, and return its size in bytes; PictureError where it cannot be written."""
    content = page(evaluation, origin, examples=examples, sections=sections).encode()
    try:
        atomic_write(path, lambda file: file.write(content))
    except OSError as error:
        raise PictureError(f"cannot write {path}: {error.strerror}") from None
    return len(content)


def page(
    evaluation: Evaluation, origin: Origin, *, examples: Sequence[Example] = (), sections: Sequence[Section] = ()
) -> str:
    """The whole page; `sections` are put after those of the cameras."""
    groups = conditions_by_camera(evaluation)
    parts = [_summary(evaluation, groups), *_cameras(evaluation, groups, examples), *sections, _about(origin)]
    title = "How real is the noise?"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} {', '.join(result.name for result in evaluation.results)}"),
        element(
            "style",
            Markup(resources.files("nmflowgan_cli.evaluation").joinpath("report.css").read_text(encoding="utf-8")),
        ),
    )
    header = element("header", element("h1", title), verdict(evaluation), _told(groups, examples))
    bodies = (element("section", element("h2", part.title, id=part.key), part.body) for part in parts)
    body = element("body", header, _contents(parts, groups), element("main", *bodies), _data(origin))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def verdict(evaluation: Evaluation) -> Markup:
    """The model with the lowest KLD, how sure that is, and what the KLD does not see, in a paragraph."""
    ranked = sorted(evaluation.results, key=lambda result: _order(result.mean_of_cameras.kld))
    best, scores = ranked[0], ranked[0].mean_of_cameras
    cameras = f"{len(best.cameras)} cameras" if len(best.cameras) > 1 else "one camera"
    told = [
        element("strong", best.name),
        f" is closest to the real noise of {cameras}: " if len(ranked) > 1 else f" on {cameras}: ",
        joined("KLD ", element("strong", number(scores.kld)), _interval(best), "; "),
        joined("two halves of the real noise are ", number(scores.self_floor), " apart. "),
    ]
    if len(ranked) > 1:
        told.append(
            joined("Next is ", ranked[1].name, ", ", number(ranked[1].mean_of_cameras.kld), _interval(ranked[1]))
        )
        told.append("; the intervals overlap. " if _overlap(best, ranked[1]) else ". ")
    nearest = min(ranked, key=lambda result: _order(result.mean_of_cameras.lags_difference))
    difference = number(nearest.mean_of_cameras.lags_difference, 3)
    told.append(joined("The KLD does not see how neighbouring pixels go together: there, ", nearest.name))
    told.append(joined(" comes closest, with correlations " if len(ranked) > 1 else " has correlations ", difference))
    told.append(" off at 1 to 3 pixels on average.")
    if len({result.skipped for result in ranked}) > 1:
        told.append(" Some models skipped pairs, so compare them by camera and ISO.")
    return element("p", *told, class_="verdict")


def _order(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def _interval(result: Result) -> Markup:
    scores = result.mean_of_cameras
    known = math.isfinite(scores.kld_interval[0])
    return joined(" (95 % interval ", interval(scores), ")") if known else Markup()


def _overlap(best: Result, other: Result) -> bool:
    return other.mean_of_cameras.kld_interval[0] <= best.mean_of_cameras.kld_interval[1]


def _told(groups: Mapping[str, Sequence[Condition]], examples: Sequence[Example]) -> Markup:
    """How many conditions have pictures, where it is not all."""
    conditions = sum(map(len, groups.values()))
    if len(examples) == conditions:
        return Markup()
    shown = f"Pictures are shown of {len(examples)} of {conditions} cameras and ISOs; "
    return element("p", shown, element("code", f"--gallery {conditions}"), " shows all.")


def _summary(evaluation: Evaluation, groups: Mapping[str, Sequence[Condition]]) -> Section:
    results = evaluation.results
    means = [(result.name, result.mean_of_cameras) for result in results]
    cameras = {
        _full_name(camera): [(result.name, result.cameras[camera]) for result in results if camera in result.cameras]
        for camera in groups
    }
    links = {condition: identifier(condition) for group in groups.values() for condition in group}
    explained = (
        "Lags are correlations at 1, 2 and 3 pixels, of the synthetic / of the real noise. |rgb| is the mean "
        "difference of the correlations between colours. Everything else is 0 at best, but the std ratio, which is 1. "
    )
    more = element("a", "All definitions", href="#definitions")
    body = joined(
        element("p", explained, more),
        legend([(0, "real"), *((index, result.name) for index, result in enumerate(results, 1))]),
        scores_table(means, caption="Mean of cameras"),
        _notes(results),
        matrix_table(evaluation, links, caption="KLD by camera and ISO; the lowest in bold"),
        grouped_table(cameras, caption="By camera: mean of its ISOs"),
    )
    return Section("summary", "Summary", body)


def _notes(results: Sequence[Result]) -> Markup:
    """What a reader must know of the models."""
    notes = [(r.name, [note for note in (r.note, r.skipped and f"{r.skipped} pairs skipped") if note]) for r in results]
    items = [element("li", f"{name}: {'; '.join(texts)}") for name, texts in notes if texts]
    return element("ul", *items, class_="notes") if items else Markup()


def _full_name(camera: str) -> str:
    return f"{CAMERA_NAMES[camera]} ({camera})" if camera in CAMERA_NAMES else camera


def _cameras(
    evaluation: Evaluation, groups: Mapping[str, Sequence[Condition]], examples: Sequence[Example]
) -> list[Section]:
    shown = {example.condition: example for example in examples}
    return [
        Section(
            f"camera-{index}",
            _full_name(camera),
            joined(*(condition_section(evaluation, c, shown.get(c), identifier(c)) for c in conditions)),
        )
        for index, (camera, conditions) in enumerate(groups.items(), 1)
    ]


def _contents(parts: Sequence[Section], groups: Mapping[str, Sequence[Condition]]) -> Markup:
    """Links to all sections, and to the ISOs of each camera."""
    isos = {f"camera-{index}": group for index, group in enumerate(groups.values(), 1)}
    items = (
        element(
            "li",
            element("a", part.title, href=f"#{part.key}"),
            *(joined(" ", element("a", str(c.iso), href=f"#{identifier(c)}")) for c in isos.get(part.key, ())),
        )
        for part in parts
    )
    return element("nav", element("ul", *items), aria_label="Contents")


def versions() -> dict[str, str]:
    """What the numbers were computed with."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"nmflowgan": __version__, "Python": platform.python_version(), **found}


def _about(origin: Origin) -> Section:
    """How it was made, and what the numbers mean."""
    measured = origin.measured
    entries: dict[str, str] = {
        "command": element("code", origin.command),
        "data": _listed(measured["data"]),
        "protocol": _listed(measured["protocol"]),
        "versions": _listed(versions()),
        "date": origin.date,
    }
    facts = (part for key, text in entries.items() for part in (element("dt", key), element("dd", text)))
    crops = (
        "The synthetic pictures are the very ones that were measured. Crops are taken where a picture has both flat "
        "and textured parts, neither black nor blown out; their noise is amplified about grey."
    )
    body = joined(
        element("dl", *facts), element("p", crops), element("h3", "Definitions", id="definitions"), glossary()
    )
    return Section("about", "How this was measured", body)


def _listed(facts: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        return (", ".join(map(str, value)) or "none") if isinstance(value, list | tuple) else str(value)

    return "; ".join(f"{key.replace('_', ' ')} {text(value)}" for key, value in facts.items())


def _data(origin: Origin) -> Markup:
    """All numbers as JSON for programs; not executed by any browser."""
    text = json.dumps(dict(origin.measured)).replace("<", "\\u003c")
    return element("script", Markup(text), type="application/json", id="measured")
