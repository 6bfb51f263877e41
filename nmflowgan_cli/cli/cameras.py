"""`nmflowgan cameras`: list and search the table of cameras."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmflowgan_cli.cli import options

if TYPE_CHECKING:
    from nmflowgan_cli.profiles.cameras import Camera

EXAMPLES = """\b
Examples:
  nmflowgan cameras
  nmflowgan cameras nikon
  nmflowgan cameras "A7 II" --json
"""


def cameras(
    query: Annotated[
        list[str] | None, typer.Argument(help="Words of maker and model; part of a word will do.", metavar="[QUERY]")
    ] = None,
    *,
    as_json: options.Json = False,
) -> None:
    """List the cameras whose noise is known by name, for --rendered plain.

    Maker and model; range of ISOs; electrons that a pixel holds at ISO 100; read noise in electrons at the highest ISO;
    how well the measurements agree: good, fair or poor.
    """
    found = _found(" ".join(query or ()))
    if as_json:
        typer.echo(json.dumps([_facts(camera) for camera in found], ensure_ascii=False))
        return
    from nmflowgan_cli.cli.weights_output import print_rows

    print_rows(("camera", "ISO", "electrons", "read", "quality"), [_row(camera) for camera in found])


def _found(query: str) -> "list[Camera]":
    """The cameras of a query, all without one; raises ConditionError with the nearest names where there is none."""
    from nmflowgan_cli.profiles import cameras as table

    return (
        list(table.cameras())
        if not query
        else table.containing(query) or table.search(query) or [table.camera_of(query)]
    )


def _facts(camera: "Camera") -> dict[str, Any]:
    from dataclasses import asdict

    return {"name": camera.name, **asdict(camera)}


def _row(camera: "Camera") -> tuple[str, ...]:
    low, high = camera.isos
    before, _ = camera.read
    return camera.name, f"{low}-{high}", str(camera.saturation), f"{before:.1f}", camera.quality
