"""`nmflowgan make-pairs`: paired data for the training of denoisers."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmflowgan_cli.cli import options
from nmflowgan_cli.cli.progress import Reporter, reporter
from nmflowgan_cli.errors import NmflowganError, OutOfMemoryError

if TYPE_CHECKING:
    from nmflowgan_cli.pairs.make import LotOutcome
    from nmflowgan_cli.pairs.manifest import History
    from nmflowgan_cli.pairs.plan import Lot, Take
    from nmflowgan_cli.pairs.request import PreparedPairs

SOME_FAILED = 3

EXAMPLES = """\b
Examples:
  nmflowgan make-pairs clean/ -c GP,IP -i 100-3200 --patch 256 --layout restormer -o Datasets/
  nmflowgan make-pairs pairs.csv --patch 512 --step 384 --container lmdb --layout nafnet -o datasets/SIDD/
"""


def make_pairs(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Clean pictures (files, folders, patterns, - for a list on stdin); or manifests of real pairs.",
            metavar="INPUTS...",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the pairs; must be empty or new.")],
    camera: Annotated[
        list[str] | None,
        typer.Option("--camera", "-c", help="Code or name, several with commas, or random.  [default: real pairs]"),
    ] = None,
    iso: Annotated[
        list[str] | None,
        typer.Option("--iso", "-i", help="ISO, several with commas, a range (100-3200), or random."),
    ] = None,
    patch: Annotated[
        int, typer.Option(min=0, help="Side of the patches in pixels; 0 for whole pictures.", show_default=True)
    ] = 256,
    step: Annotated[
        int | None, typer.Option(min=1, help="Pixels from one patch to the next.  [default: that of --patch]")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Noisy pictures of each clean one.", show_default=True)] = 1,
    val_share: Annotated[
        float | None, typer.Option(help="Share of the pictures for val.  [default: 0; real pairs as they say]")
    ] = None,
    min_detail: Annotated[
        float, typer.Option(min=0, help="Leave out patches with less: counts between neighbours.", show_default=True)
    ] = 0.0,
    layout: Annotated[
        str | None,
        typer.Option(help="Of folder and lmdb: flat, restormer, nafnet, basicsr or sidd.  [default: flat; basicsr]"),
    ] = None,
    container: Annotated[
        str, typer.Option(help="folder, hdf5, lmdb, webdataset or parquet.", show_default=True)
    ] = "folder",
    shard_size: Annotated[
        int, typer.Option(min=1, help="Pairs a shard (webdataset, parquet), at least.", show_default=True)
    ] = 1000,
    seed: options.Seed = 0,
    weights: Annotated[
        str | None,
        typer.Option(help="Name or path, or isp: the camera simulator.  [default: those that know the camera]"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what the manifest tells was made alike; make the rest.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be made, and stop.")] = False,
    shard: options.Shard = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    tile: options.Tile = None,
    batch: options.Batch = None,
    workers: options.Workers = 3,
    json: options.Json = False,
    quiet: options.Quiet = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Make pairs of clean and noisy patches, in the files that denoisers are trained from.

    The noise of a whole picture is made first, as synthesize makes it, and then cut.
    """
    from nmflowgan_cli.data.containers import open_container
    from nmflowgan_cli.files import make_folder
    from nmflowgan_cli.pairs.manifest import History, PairManifest
    from nmflowgan_cli.pairs.plan import Cutting
    from nmflowgan_cli.pairs.request import PairRequest, prepare_pairs, refuse_filled, refuse_unshareable
    from nmflowgan_cli.synthesis.plan import share
    from nmflowgan_cli.synthesis.request import shard_of

    shard = shard or shard_of(os.environ)
    with open_container(container, output, layout) as place:
        refuse_unshareable(place, shard)
        if not (resume or dry_run or shard):
            refuse_filled(output)
        prepared = prepare_pairs(
            PairRequest(
                inputs=tuple(inputs),
                cameras=tuple(camera or ()),
                isos=tuple(iso or ()),
                output=output,
                listed=sys.stdin.buffer.read() if "-" in inputs else b"",
                weights=weights,
                cache_dir=cache_dir,
                seed=seed,
                repeats=repeats,
                cutting=Cutting(patch or None, step, min_detail),
                val_share=val_share,
            )
        )
        lots = prepared.plan.lots(shard_size if place.sharded else None)
        own = share(lots, shard)
        if not quiet:
            of_shard = (
                f", of which shard {shard}: {sum(len(c.boxes) for lot in own for c in lot.cuts)}" if shard else ""
            )
            typer.echo(_told(prepared, lots, container) + of_shard, err=True)
        if dry_run:
            return
        found = prepared.weights
        sampler = found and found.sampler(seed=seed, device=device, precision=precision, tile=tile, batch=batch)
        history = History(PairManifest(output), place, sampler)
        if resume or shard:
            history.refuse_others(lots)
        if not resume:
            history.refuse_made(own)
        make_folder(output)
        failed = share(prepared.plan.failed, shard)
        raise typer.Exit(_work(own, failed, history, resume=resume, workers=workers, json=json, quiet=quiet))


def _told(prepared: "PreparedPairs", lots: "list[Lot]", container: str) -> str:
    """What will be written, in a line."""
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


def _work(
    lots: "list[Lot]",
    failed: "Sequence[tuple[Take, NmflowganError]]",
    history: "History",
    *,
    resume: bool,
    workers: int,
    json: bool,
    quiet: bool,
) -> int:
    """Make the pairs, telling what becomes of them and of the takes that `failed` already; the exit code."""
    from nmflowgan_cli.pairs.make import failure, make
    from nmflowgan_cli.pairs.manifest import list_pairs

    begin, manifest, container = time.monotonic(), history.manifest, history.container
    teller = _Teller(json=json)
    with reporter(sum(len(lot.cuts) for lot in lots), quiet=quiet) as report:
        for take, error in failed:
            record = failure(take, error)
            manifest.add([record])
            teller.tell(report, [record], [error], [])
        outcomes = make(
            lots,
            container,
            history.sampler,
            workers=workers,
            skip=lambda lot: resume and history.finished(lot),
            progress=report.advance,
        )
        try:
            with closing(outcomes):
                for outcome in outcomes:
                    manifest.add(outcome.records)
                    teller.take(report, outcome)
        finally:
            list_pairs(container, manifest)
    if not quiet:
        typer.echo(f"{teller.summary()}, seconds: {time.monotonic() - begin:.1f}", err=True)
    return teller.exit_code()


class _Teller:
    """Prints what becomes of the pairs, and counts it."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.made = self.skipped = 0
        self.errors: list[NmflowganError] = []
        self.paths: set[Path] = set()

    def take(self, report: Reporter, outcome: "LotOutcome") -> None:
        """A lot that is finished."""
        self.tell(report, outcome.records, outcome.errors, outcome.paths)
        if outcome.status == "skipped":
            self.skipped += sum(len(cut.boxes) for cut in outcome.lot.cuts)
        for cut in outcome.lot.cuts:
            report.finish(cut)

    def tell(
        self, report: Reporter, records: list[dict[str, object]], errors: list[NmflowganError], paths: list[Path]
    ) -> None:
        """Records as JSON lines, or the paths that were written; a database once only."""
        for error in errors:
            report.note(f"error: {error}")
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
        """0 if all went well, 5 if memory ran out, 3 if some pictures failed, 1 if all did."""
        if any(isinstance(error, OutOfMemoryError) for error in self.errors):
            return OutOfMemoryError.exit_code
        return (SOME_FAILED if self.made or self.skipped else 1) if self.errors else 0
