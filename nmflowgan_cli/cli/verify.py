"""`nmflowgan verify`: a folder of pictures or pairs against its manifest."""

from collections import Counter
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmflowgan_cli.cli import options
from nmflowgan_cli.cli.progress import Reporter, counted
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.interruption import deferred
from nmflowgan_cli.text import say

if TYPE_CHECKING:
    from nmflowgan_cli.pairs.verification import Finding, Verified

NOT_AS_RECORDED = 3

EXAMPLES = """\b
Examples:
  nmflowgan verify noisy/
  nmflowgan verify noisy/ --repair
"""


def verify(
    *,
    folder: Annotated[Path, typer.Argument(help="Folder that synthesize or make-pairs has written.", metavar="FOLDER")],
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Make what is missing or altered again from its record, and remove temporary files."
        ),
    ] = False,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.QuietResults = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Compare every byte of a folder of pictures or pairs with its manifest.

    Each output that is missing or altered, each foreign file, and each leftover of a run that was cut off is a line;
    the exit code is then 3.
    """
    from nmflowgan_cli.pairs.verification import verify as compare

    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "name a folder that synthesize or make-pairs has written")
    found = compare(folder)
    if repair and found.findings:
        from nmflowgan_cli.pairs.repair import repair as make_again

        with deferred(), counted(lambda: "what was made again stays", "the same command"):
            for error in make_again(folder, found, device=device, cache_dir=cache_dir):
                Reporter().error(error)
        found = compare(folder)
    for finding in found.findings:
        Reporter(results=json or not quiet).result(_line(finding, json=json))
    if not quiet:
        say(_summary(found))
    raise typer.Exit(NOT_AS_RECORDED if found.findings else 0)


def _line(finding: "Finding", *, json: bool) -> str:
    return dumps({"state": finding.state, "path": finding.path}) if json else f"{finding.state}: {finding.path}"


def _summary(found: "Verified") -> str:
    counts = Counter(finding.state for finding in found.findings)
    states = "".join(f", {state}: {count}" for state, count in sorted(counts.items()))
    return f"outputs: {found.outputs}{states or ', all as recorded'}"
