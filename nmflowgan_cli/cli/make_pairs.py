"""`nmflowgan make-pairs`: paired data for the training of denoisers."""

import os
import time
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmflowgan_cli.cli import options
from nmflowgan_cli.cli.progress import Reporter, counted, reporter
from nmflowgan_cli.errors import NmflowganError, OutOfMemoryError
from nmflowgan_cli.interruption import deferred
from nmflowgan_cli.text import say

if TYPE_CHECKING:
    from nmflowgan_cli.pairs.make import LotOutcome
    from nmflowgan_cli.pairs.manifest import History
    from nmflowgan_cli.pairs.plan import Lot, Take
    from nmflowgan_cli.pairs.request import PreparedPairs

SOME_FAILED = 3

EXAMPLES = """\b
Examples:
  nmflowgan make-pairs clean/ -c GP,IP -i 100-3200 --patch 256 --layout restormer -o Datasets/
  nmflowgan make-pairs clean/ --like noisy.jpg --patch 256 -o pairs/
  nmflowgan make-pairs real-pairs/ --patch 512 --step 384 --container lmdb --layout nafnet -o datasets/SIDD/
"""


class LayoutName(StrEnum):
    flat = "flat"
    restormer = "restormer"
    nafnet = "nafnet"
    basicsr = "basicsr"
    sidd = "sidd"


class ContainerName(StrEnum):
    folder = "folder"
    hdf5 = "hdf5"
    lmdb = "lmdb"
    webdataset = "webdataset"
    parquet = "parquet"


def make_pairs(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Clean pictures: files, folders, patterns, or - for a list of paths on stdin; or manifests and "
            "folders of real pairs. A listed picture has other noise than in its folder, as its relative path is "
            "another, unless --relative-to names that folder.",
            metavar="INPUTS",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the pairs; must be empty or new.")],
    relative_to: options.RelativeTo = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(
            "--camera",
            "-c",
            help="Code (IP) or name (iPhone 7), several with commas, or random.  [default: real pairs]",
        ),
    ] = None,
    iso: Annotated[
        list[str] | None,
        typer.Option("--iso", "-i", help="ISO (800), several with commas, a range (100-3200), or random."),
    ] = None,
    profile: options.Profile = None,
    like: options.Like = None,
    rendered: options.Rendered = "",
    white_balance: options.WhiteBalance = "",
    patch: Annotated[
        int, typer.Option(min=0, help="Side of the patches in pixels; 0 for whole pictures.", show_default=True)
    ] = 256,
    step: Annotated[
        int | None, typer.Option(min=1, help="Pixels from one patch to the next.  [default: as --patch]")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Noisy pictures of each clean one.", show_default=True)] = 1,
    split: Annotated[
        str,
        typer.Option(
            help="Division of real pairs: nm-flowgan, denoiser (the paper's, of SIDD), all, or scenes for val: "
            "003,007.  [default: as the data say]"
        ),
    ] = "",
    val_share: Annotated[
        float | None,
        typer.Option(help="Share of the pictures for val, 0 to 1.  [default: 0; for real pairs, as the data say]"),
    ] = None,
    min_detail: Annotated[
        float,
        typer.Option(
            min=0, help="Leave out patches with less mean difference of neighbours, in counts.", show_default=True
        ),
    ] = 0.0,
    depth: options.Depth = options.DepthName.same,
    frames: options.Frames = False,
    layout: Annotated[
        LayoutName | None,
        typer.Option(help="Names of the files; for folder and lmdb.  [default: flat; for lmdb, basicsr]"),
    ] = None,
    container: Annotated[
        ContainerName, typer.Option(help="Kind of the files.", show_default=True)
    ] = ContainerName.folder,
    shard_size: Annotated[
        int, typer.Option(min=1, help="Smallest number of pairs in a shard (webdataset, parquet).", show_default=True)
    ] = 1000,
    seed: options.Seed = 0,
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
    resume: Annotated[
        bool, typer.Option("--resume", help="Skip pairs that the manifest lists as done the same way; make the rest.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write HDF5 with cameras and ISOs that the authors' code cannot know.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the counts, and stop.")] = False,
    shard: options.Shard = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    tile: options.Tile = None,
    batch: options.Batch = None,
    workers: options.Workers = 3,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    null: options.Null = False,
    quiet: options.QuietResults = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the files on stdout, and the weights on stderr.")
    ] = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Make pairs of clean and noisy patches, in the files that denoisers are trained from.

    Patches are cut from whole noisy pictures, the same that synthesize makes.
    """
    from nmflowgan_cli.data.containers import open_container
    from nmflowgan_cli.files import make_folder
    from nmflowgan_cli.pairs.manifest import History, PairManifest
    from nmflowgan_cli.pairs.plan import Cutting
    from nmflowgan_cli.pairs.request import (
        PairRequest,
        prepare_pairs,
        refuse_filled,
        refuse_unshareable,
        refuse_unsupported,
    )
    from nmflowgan_cli.synthesis.noise_choice import NoiseChoice
    from nmflowgan_cli.synthesis.plan import share
    from nmflowgan_cli.synthesis.request import shard_of

    shard = shard or shard_of(os.environ)
    with open_container(container, output, layout) as place:
        refuse_unshareable(place, shard)
        if not (resume or dry_run or shard):
            refuse_filled(output)
        options.limit_pictures(max_pixels)
        prepared = prepare_pairs(
            PairRequest(
                inputs=tuple(inputs),
                cameras=tuple(camera or ()),
                isos=tuple(iso or ()),
                output=output,
                listed=options.listed(inputs),
                null=null,
                relative_to=relative_to,
                noise=NoiseChoice(
                    weights=weights,
                    profile=profile,
                    like=tuple(like or ()),
                    rendered=rendered,
                    white_balance=white_balance,
                    cache_dir=cache_dir,
                ),
                resume=resume,
                seed=seed,
                repeats=repeats,
                depth=depth,
                frames=frames,
                cutting=Cutting(patch or None, step, min_detail),
                split=split,
                val_share=val_share,
            )
        )
        refuse_unsupported(place, prepared.plan, force=force)
        lots = prepared.plan.lots(shard_size if place.sharded else None)
        own = share(lots, shard)
        if not quiet:
            of_shard = (
                f", of which shard {shard}: {sum(len(c.boxes) for lot in own for c in lot.cuts)}" if shard else ""
            )
            say(_plan_line(prepared, lots, container) + of_shard)
        if dry_run:
            return
        found = prepared.weights
        sampler = found and found.sampler(seed=seed, device=device, precision=precision, tile=tile, batch=batch)
        if found and verbose and not quiet:
            say(f"{found.path or found.name}, sha256 {found.sha256}")
        history = History(PairManifest(output), place, sampler)
        make_folder(output)
        failed = share(prepared.plan.failed, shard)
        total = sum(len(lot.cuts) for lot in own)
        tally = _Tally(json=json)
        begin = time.monotonic()
        with (
            deferred(),
            history.held(lots, own, shard=shard, resume=resume),
            reporter(total, quiet=quiet, results=json or (verbose and not quiet), null=null) as report,
        ):
            if found:
                found.keep(output)
            _make(own, failed, history, report, tally, resume=resume, workers=workers)
        if not quiet:
            say(f"{tally.summary()}, seconds: {time.monotonic() - begin:.1f}")
        raise typer.Exit(tally.exit_code())


def _plan_line(prepared: "PreparedPairs", lots: "list[Lot]", container: str) -> str:
    """The numbers of pictures, pairs and files that a run makes, as one line."""
    plan, source = prepared.plan, prepared.weights.name if prepared.weights else _noise(prepared)
    counts = ", ".join(f"{split}: {count}" for split, count in plan.counts.items())
    written = {"folder": f"files: {2 * sum(plan.counts.values())}", "lmdb": "databases: "}.get(
        container, f"files: {len(lots)}"
    )
    if container == "lmdb":
        written += str(2 * sum(1 for count in plan.counts.values() if count))
    pictures = f"noisy pictures: {len(plan.cuts)}" + (f" (unusable: {len(plan.failed)})" if plan.failed else "")
    return f"{pictures}, pairs: {sum(plan.counts.values())} ({counts}), {written}, noise: {source}"


def _noise(prepared: "PreparedPairs") -> str:
    """The origins of the noise of pairs that are there already."""
    return ", ".join(dict.fromkeys(cut.take.origin.noise or "of unstated origin" for cut in prepared.plan.cuts))


def _make(
    lots: "list[Lot]",
    failed: "Sequence[tuple[Take, NmflowganError]]",
    history: "History",
    report: Reporter,
    tally: "_Tally",
    *,
    resume: bool,
    workers: int,
) -> None:
    """Make the pairs, record and print them and the takes that `failed` already; raises DiskError with their number."""
    from nmflowgan_cli.pairs.make import failure, make
    from nmflowgan_cli.pairs.manifest import list_pairs

    manifest, container = history.manifest, history.container
    pairs = sum(len(cut.boxes) for lot in lots for cut in lot.cuts)
    outcomes = make(
        lots,
        container,
        history.sampler,
        workers=workers,
        skip=lambda lot: resume and history.finished(lot),
        progress=report.advance,
    )
    with counted(lambda: f"{tally.made + tally.skipped} of {pairs} pairs are done", "--resume"):
        for take, error in failed:
            record = failure(take, error)
            manifest.add([record])
            tally.add(report, [record], [error], [])
        try:
            with closing(outcomes):
                for outcome in outcomes:
                    manifest.add(outcome.records)
                    tally.finish(report, outcome)
        finally:
            list_pairs(container, manifest)


class _Tally:
    """Prints the results of the lots, and counts them."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.made = self.skipped = 0
        self.errors: list[NmflowganError] = []
        self.paths: set[Path] = set()

    def finish(self, report: Reporter, outcome: "LotOutcome") -> None:
        """Print and count a lot that is finished."""
        self.add(report, outcome.records, outcome.errors, outcome.paths)
        if outcome.status == "skipped":
            self.skipped += sum(len(cut.boxes) for cut in outcome.lot.cuts)
        for cut in outcome.lot.cuts:
            report.finish(cut)

    def add(
        self, report: Reporter, records: list[dict[str, object]], errors: list[NmflowganError], paths: list[Path]
    ) -> None:
        """Print and count records as JSON lines, or the paths that were written; a database once only."""
        for error in errors:
            report.error(error)
        lines = [dumps(record) for record in records] if self.json else [str(p) for p in paths if p not in self.paths]
        for line in lines:
            report.result(line)
        self.made += sum(record["status"] == "done" for record in records)
        self.errors += errors
        self.paths.update(paths)

    def summary(self) -> str:
        counts = {"pairs": self.made, "pictures failed": len(self.errors), "pairs skipped": self.skipped}
        return ", ".join(f"{name}: {count}" for name, count in counts.items() if count) or "nothing to do"

    def exit_code(self) -> int:
        """The exit code: 0 if all went well, 5 if memory ran out, 3 if any picture failed."""
        if any(isinstance(error, OutOfMemoryError) for error in self.errors):
            return OutOfMemoryError.exit_code
        return SOME_FAILED if self.errors else 0
