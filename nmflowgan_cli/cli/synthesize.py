"""`nmflowgan synthesize`: camera noise for clean photographs."""

import os
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmflowgan_cli.cli import options
from nmflowgan_cli.cli.progress import Reporter, reporter
from nmflowgan_cli.errors import OutOfMemoryError

if TYPE_CHECKING:
    from nmflowgan_cli.synthesis.pipeline import Item, Sampler
    from nmflowgan_cli.synthesis.request import Prepared

SOME_FAILED = 3

EXAMPLES = """\b
Examples:
  nmflowgan synthesize photos/ --camera IP --iso 800 -o noisy/
  find photos -name '*.png' | nmflowgan synthesize - -c random -i 400-1600 -o out/ --json
"""


def synthesize(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders, patterns, or - for a list of paths on stdin.", metavar="INPUTS..."),
    ],
    camera: Annotated[
        list[str], typer.Option("--camera", "-c", help="Code (IP) or name (iPhone 7), several with commas, or random.")
    ],
    iso: Annotated[
        list[str], typer.Option("--iso", "-i", help="ISO (800), several with commas, a range (100-3200), or random.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder, or a file for a single picture.")],
    seed: options.Seed = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Noisy pictures of each clean one.", show_default=True)] = 1,
    weights: Annotated[
        str | None,
        typer.Option(help="Name or path, or isp: the camera simulator.  [default: those that know the camera]"),
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the option
        str | None, typer.Option(help="png, same, jpg, webp, tiff or bmp.  [default: png, or by the suffix of -o]")
    ] = None,
    on_exists: Annotated[
        str, typer.Option(help="Outputs that exist already: error, skip or overwrite.", show_default=True)
    ] = "error",
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what the manifest tells was done alike; make the rest again.")
    ] = False,
    shard: options.Shard = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    tile: options.Tile = None,
    batch: options.Batch = None,
    workers: options.Workers = 3,
    manifest: Annotated[
        bool | None,
        typer.Option("--manifest/--no-manifest", help="Write manifest.jsonl.  [default: where -o is a folder]"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be made, and stop.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Make clean photographs look as if a camera had taken them at an ISO.

    The noise of a picture depends only on the seed, its relative path, the repeat, camera, ISO and weights.
    """
    from nmflowgan_cli.synthesis.request import SynthesisRequest, make_folder, prepare, shard_of
    from nmflowgan_cli.synthesis.weights import find_weights

    request = SynthesisRequest(
        inputs=tuple(inputs),
        cameras=tuple(camera),
        isos=tuple(iso),
        output=output,
        listed=sys.stdin.buffer.read() if "-" in inputs else b"",
        seed=seed,
        repeats=repeats,
        format=format,
        on_exists=on_exists,
        resume=resume,
        shard=shard or shard_of(os.environ),
        manifest=manifest,
    )
    found = find_weights(weights, camera, cache_dir=cache_dir)
    prepared = prepare(request, found.vocabulary)
    if dry_run:
        _show(prepared, json=json)
        return
    make_folder(prepared.folder)
    sampler = found.sampler(seed=seed, device=device, precision=precision, tile=tile, batch=batch)
    if verbose:
        typer.echo(f"{found.path or found.name}, sha256 {found.sha256}", err=True)
    raise typer.Exit(_work(prepared, sampler, workers=workers, json=json, quiet=quiet))


def _show(prepared: "Prepared", *, json: bool) -> None:
    """The plan, a line a picture."""
    for job in prepared.jobs:
        fields = {"input": str(job.input), "output": str(job.output), "repeat": job.repeat, **asdict(job.condition)}
        typer.echo(dumps(fields) if json else os.fsencode(f"{job.input} -> {job.output}  {job.condition}"))


def _work(prepared: "Prepared", sampler: "Sampler", *, workers: int, json: bool, quiet: bool) -> int:
    """Make the pictures, telling what becomes of each; the exit code."""
    from nmflowgan_cli.synthesis.pipeline import run

    begin, done = time.monotonic(), []
    if not quiet:
        typer.echo(f"pictures: {len(prepared.jobs)}, weights: {sampler.weights}, device: {sampler.device}", err=True)
    with reporter(len(prepared.jobs), quiet=quiet) as report:
        items = run(
            prepared.jobs,
            sampler,
            workers=workers,
            skip=lambda job: prepared.skip(job, sampler.weights_sha256),
            progress=report.advance,
        )
        with closing(items):
            for item in items:
                _tell(item, prepared, report, json=json, quiet=quiet)
                done.append(item)
                report.finish(item.job)
    if not quiet:
        counts = Counter(item.record.status for item in done)
        told = ", ".join(f"{status}: {counts[status]}" for status in ("done", "failed", "skipped") if counts[status])
        typer.echo(f"{told or 'nothing to do'}, seconds: {time.monotonic() - begin:.1f}", err=True)
    return _exit_code(done)


def _tell(item: "Item", prepared: "Prepared", report: Reporter, *, json: bool, quiet: bool) -> None:
    """Record the item, and print its result or its error."""
    if prepared.manifest and item.record.status != "skipped":
        prepared.manifest.append(item.record)
    if item.error is not None:
        report.note(f"error: {item.error}")
    for note in () if quiet else item.notes:
        report.note(f"note: {item.job.input}: {note}")
    if json:
        report.result(item.record.line())
    elif item.record.status == "done":
        report.result(item.record.output)


def _exit_code(items: "list[Item]") -> int:
    """0 if all went well, 5 if memory ran out, 3 if some failed, 1 if all did."""
    failed = [item for item in items if item.error is not None]
    if any(isinstance(item.error, OutOfMemoryError) for item in failed):
        return OutOfMemoryError.exit_code
    return (1 if len(failed) == len(items) else SOME_FAILED) if failed else 0
