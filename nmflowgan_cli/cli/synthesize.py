"""`nmflowgan synthesize`: camera noise for clean photographs."""

import os
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmflowgan_cli.cli import options
from nmflowgan_cli.cli.progress import Reporter, counted, reporter
from nmflowgan_cli.errors import OutOfMemoryError
from nmflowgan_cli.interruption import deferred
from nmflowgan_cli.text import say

if TYPE_CHECKING:
    from nmflowgan_cli.synthesis.pipeline import Item, Sampler
    from nmflowgan_cli.synthesis.request import Prepared

SOME_FAILED = 3

EXAMPLES = """\b
Examples:
  nmflowgan synthesize photos/ --camera IP --iso 800 -o noisy/
  nmflowgan synthesize photos/ --like noisy.jpg -o noisy/
  find photos -name '*.png' | nmflowgan synthesize - -c random -i 400-1600 -o out/ --json
  find photos -name '*.png' -print0 | nmflowgan synthesize - -0 --relative-to photos -c IP -i 800 -o noisy/
"""


class Format(StrEnum):
    png = "png"
    same = "same"
    jpg = "jpg"
    webp = "webp"
    tiff = "tiff"
    bmp = "bmp"


class OnExists(StrEnum):
    error = "error"
    skip = "skip"
    overwrite = "overwrite"


def synthesize(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, patterns, or - for a list of paths on stdin. A listed picture has other noise than "
            "in its folder, as its relative path is another, unless --relative-to names that folder.",
            metavar="INPUTS",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder, or file for a single picture.")],
    camera: Annotated[
        list[str] | None,
        typer.Option("--camera", "-c", help="Code (IP) or name (iPhone 7), several with commas, or random."),
    ] = None,
    iso: Annotated[
        list[str] | None,
        typer.Option("--iso", "-i", help="ISO (800), several with commas, a range (100-3200), or random."),
    ] = None,
    profile: options.Profile = None,
    like: options.Like = None,
    rendered: options.Rendered = "",
    white_balance: options.WhiteBalance = "",
    relative_to: options.RelativeTo = None,
    seed: options.Seed = 0,
    repeats: Annotated[int, typer.Option(min=1, help="Noisy pictures of each clean one.", show_default=True)] = 1,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            "-w",
            "--model",
            "-m",
            help="Name, path, or isp (the camera simulator).  [default: those that know the camera]",
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the option
        Format | None,
        typer.Option(help="Format of the outputs; same: of each input.  [default: png, or by the suffix of -o]"),
    ] = None,
    depth: options.Depth = options.DepthName.same,
    frames: options.Frames = False,
    on_exists: Annotated[
        OnExists, typer.Option(help="What to do where an output exists already.", show_default=True)
    ] = OnExists.error,
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip outputs that the manifest lists as done the same way; make the rest.")
    ] = False,
    shard: options.Shard = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    tile: options.Tile = None,
    batch: options.Batch = None,
    workers: options.Workers = 3,
    max_pixels: options.MaxPixels = None,
    manifest: Annotated[
        bool | None,
        typer.Option("--manifest/--no-manifest", help="Write manifest.jsonl.  [default: where -o is a folder]"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the inputs and outputs, and stop.")] = False,
    json: options.Json = False,
    null: options.Null = False,
    quiet: options.QuietResults = False,
    verbose: options.Verbose = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Put the noise of a camera at an ISO on clean photographs.

    The noise of a picture depends only on the seed, its relative path, the repeat, camera, ISO and weights.
    """
    from nmflowgan_cli.files import make_folder
    from nmflowgan_cli.synthesis.noise_choice import NoiseChoice
    from nmflowgan_cli.synthesis.request import SynthesisRequest, prepare, shard_of

    options.limit_pictures(max_pixels)
    request = SynthesisRequest(
        inputs=tuple(inputs),
        cameras=tuple(camera or ()),
        isos=tuple(iso or ()),
        output=output,
        listed=options.listed(inputs),
        null=null,
        relative_to=relative_to,
        seed=seed,
        repeats=repeats,
        format=format,
        depth=depth,
        frames=frames,
        on_exists=on_exists,
        resume=resume,
        shard=shard or shard_of(os.environ),
        manifest=manifest,
    )
    choice = NoiseChoice(
        weights=weights,
        profile=profile,
        like=tuple(like or ()),
        rendered=rendered,
        white_balance=white_balance,
        cache_dir=cache_dir,
    )
    found = choice.find(camera or (), resumed=output if resume else None)
    prepared = prepare(request, found.vocabulary)
    results = json or not quiet
    if dry_run:
        _show(prepared, Reporter(results=results, null=null), json=json)
        return
    make_folder(prepared.folder)
    sampler = found.sampler(seed=seed, device=device, precision=precision, tile=tile, batch=batch)
    begin, done = time.monotonic(), []
    with (
        deferred(),
        prepared.held(found.sha256),
        reporter(len(prepared.jobs), quiet=quiet, results=results, null=null) as report,
    ):
        if prepared.manifest:
            found.keep(prepared.folder)
        elif like and not quiet:
            typer.echo(f"the profile is not kept (nmflowgan profile fit {like[0]} -o profile.json keeps it)", err=True)
        if verbose and not quiet:
            say(f"{found.path or found.name}, sha256 {found.sha256}")
        if not quiet:
            planned = f"pictures: {len(prepared.jobs)}, weights: {sampler.weights}, device: {sampler.device}"
            say(planned)
        _make(prepared, sampler, report, done, workers=workers, json=json, quiet=quiet)
    if not quiet:
        say(f"{_summary(done)}, seconds: {time.monotonic() - begin:.1f}")
    raise typer.Exit(_exit_code(done))


def _show(prepared: "Prepared", report: Reporter, *, json: bool) -> None:
    """Print the plan, a line for each picture."""
    for job in prepared.jobs:
        fields = {"input": str(job.input), "output": str(job.output), "repeat": job.repeat, **asdict(job.condition)}
        report.result(dumps(fields) if json else f"{job.input} -> {job.output}  {job.condition}")


def _make(
    prepared: "Prepared",
    sampler: "Sampler",
    report: Reporter,
    done: "list[Item]",
    *,
    workers: int,
    json: bool,
    quiet: bool,
) -> None:
    """Make the pictures, record and print each, and add it to `done`; raises DiskError with their number."""
    from nmflowgan_cli.files import names_together
    from nmflowgan_cli.synthesis.pipeline import run_in_batches

    def count() -> str:
        return f"{sum(item.error is None for item in done)} of {len(prepared.jobs)} pictures are done"

    batches = run_in_batches(
        prepared.jobs,
        sampler,
        workers=workers,
        skip=lambda job: prepared.skip(job, sampler.weights_sha256),
        progress=report.advance,
    )
    with (
        counted(count, "--resume" if prepared.manifest else "--on-exists skip"),
        names_together() as sync_names,
        closing(batches),
    ):
        for items in batches:
            made = [item.record for item in items if item.record.status != "skipped"]
            if made:
                sync_names()
            if made and prepared.manifest:
                prepared.manifest.append(*made)
            for item in items:
                _report(item, report, json=json, quiet=quiet)
                done.append(item)
                report.finish(item.job)


def _report(item: "Item", report: Reporter, *, json: bool, quiet: bool) -> None:
    """Print the result or the error of the item."""
    if item.error is not None:
        report.error(item.error)
    for note in () if quiet else item.notes:
        report.note(f"{item.job.input}: {note}")
    if json:
        report.result(item.record.line())
    elif item.record.status == "done":
        report.result(item.record.output)


def _summary(items: "list[Item]") -> str:
    counts = Counter(item.record.status for item in items)
    return ", ".join(f"{status}: {counts[status]}" for status in ("done", "failed", "skipped") if counts[status]) or (
        "nothing to do"
    )


def _exit_code(items: "list[Item]") -> int:
    """The exit code: 0 if all went well, 5 if memory ran out, 3 if any failed."""
    failed = [item for item in items if item.error is not None]
    if any(isinstance(item.error, OutOfMemoryError) for item in failed):
        return OutOfMemoryError.exit_code
    return SOME_FAILED if failed else 0
