"""What `nmflowgan evaluate` shows while it works, and what it writes beside its tables."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmflowgan_cli.cli.progress import error_line
from nmflowgan_cli.errors import NmflowganError, PictureError, UsageError
from nmflowgan_cli.text import console, one_line, say

if TYPE_CHECKING:
    import torch

    from nmflowgan_cli.data.reading import Paired
    from nmflowgan_cli.evaluation.latency import Latency
    from nmflowgan_cli.evaluation.protocol import Candidate, Evaluation, Protocol
    from nmflowgan_cli.report.page import Origin


def measured(
    pairs: "Sequence[Paired]",
    entries: "Sequence[Candidate]",
    protocol: "Protocol",
    *,
    skip_unknown: bool,
    quiet: bool,
) -> "tuple[Evaluation, list[str]]":
    """What was measured, and the names of the pairs that failed, each told on stderr."""
    from rich.progress import track

    from nmflowgan_cli.evaluation.protocol import evaluate, require_known
    from nmflowgan_cli.report.remarks import remarks

    if not skip_unknown:
        require_known(entries, (pair.condition for pair in pairs))
    failed: list[str] = []
    place = console(stderr=True)

    def tell(pair: "Paired", error: NmflowganError) -> None:
        failed.append(pair.name)
        place.print(error_line(error), soft_wrap=True)

    shown = track(pairs, "pairs", console=place, disable=quiet or not place.is_terminal, transient=True)
    found = evaluate(shown, entries, protocol, skip_unknown=skip_unknown, on_failure=tell)
    if not found.real:
        raise PictureError(f"all {len(pairs)} pairs failed")
    if not found.results:
        raise UsageError("no model has scores", "none knows a camera and ISO of these pairs, or each failed on all")
    for remark in [] if quiet else remarks(found):
        place.print(one_line(f"note: {remark}"), soft_wrap=True)
    return found, list(dict.fromkeys(failed))


def latencies(
    found: "Evaluation", entries: "Sequence[Candidate]", device: "torch.device", precision: str
) -> "list[Latency]":
    """How long each model takes that has scores, with the first camera and ISO that it knows."""
    from nmflowgan_cli.evaluation.latency import latency

    by_name = {entry.name: entry for entry in entries}
    return [
        latency(by_name[result.name], next(iter(result.cells)), device=device, precision=precision)
        for result in found.results
    ]


def require_writable(page: Path | None, table: Path | None) -> None:
    """Raise UsageError where the page or the CSV table could not be written after all the work."""
    for path, flag, example in ((page, "--report", "report.html"), (table, "--csv", "scores.csv")):
        if path and path.is_dir():
            raise UsageError(f"{path} is a folder", f"{flag} takes the name of a file, like {example}")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as CSV; whatever the file system refuses becomes an error of one line."""
    from nmflowgan_cli.report.csv_tables import write_csv

    try:
        write_csv(path, rows)
    except OSError as error:
        raise NmflowganError(f"cannot write {path}: {error.strerror or error}") from None


def origin(facts: Mapping[str, Any]) -> "Origin":
    """What was measured, by the command that was typed, now."""
    from datetime import UTC, datetime

    from nmflowgan_cli.report.page import Origin

    return Origin(shlex.join(["nmflowgan", *sys.argv[1:]]), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", facts)


def noise_report(
    found: "Evaluation",
    pairs: "Sequence[Paired]",
    entries: "Sequence[Candidate]",
    facts: Mapping[str, Any],
    *,
    gallery: int,
) -> str:
    """The page of noise models; its pictures are of the pairs that are whole pictures."""
    from nmflowgan_cli.data.manifest import Pair
    from nmflowgan_cli.report.crops import examples
    from nmflowgan_cli.report.noise_page import noise_page

    whole = [pair for pair in pairs if isinstance(pair, Pair)]
    shown = examples(whole, entries, found.protocol, gallery, conditions=found.real)
    return noise_page(found, origin(facts), examples=shown)


def write_page(path: Path, text: str, *, quiet: bool) -> None:
    """A page, with its size told on stderr."""
    from nmflowgan_cli.report.page import write_report

    size = write_report(path, text)
    if not quiet:
        say(f"{path}: {size / 1e6:.1f} MB")
