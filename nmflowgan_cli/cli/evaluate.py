"""`nmflowgan evaluate`: how far the noise of models is from the noise of real cameras."""

import json as json_module
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmflowgan_cli.cli import evaluate_denoisers, evaluate_output, options
from nmflowgan_cli.errors import UsageError

if TYPE_CHECKING:
    from nmflowgan_cli.evaluation.protocol import Protocol
    from nmflowgan_cli.synthesis.weights import Weights

EXAMPLES = """\b
Examples:
  nmflowgan evaluate real-pairs/ -w sidd-lite -w awgn -w oracle
  nmflowgan evaluate SIDD_Medium_Srgb/ --protocol table1 -w sidd-lite --csv table1.csv
  nmflowgan evaluate real-pairs/ --like noisy.jpg -w awgn
  nmflowgan evaluate real-pairs/ -w isp --split val --json > isp.json
"""

SOME_FAILED = 3


class ProtocolName(StrEnum):
    patches = "patches"
    table1 = "table1"


def evaluate(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Argument(
            help="Paired data: SIDD's folders, a manifest (CSV or JSON lines), clean/ and noisy/, or HDF5 files.",
            metavar="DATA",
        ),
    ],
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            "-w",
            "--model",
            "-m",
            help="Weights (name or path), isp, awgn, heteroscedastic or oracle; may be repeated.",
        ),
    ] = None,
    profile: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Noise profile, in place of every camera's noise; may be repeated."),
    ] = None,
    like: options.Like = None,
    rendered: options.Rendered = "",
    protocol: Annotated[
        ProtocolName,
        typer.Option(
            help="patches: of --patch pixels; table1: the paper's Table I, on the val pairs.", show_default=True
        ),
    ] = ProtocolName.patches,
    split: Annotated[
        str,
        typer.Option(help="Pairs to evaluate on: all, train, val, nm-flowgan, or scenes: 003,007.  [default: all]"),
    ] = "",
    fit_split: Annotated[
        str,
        typer.Option(
            help="Pairs to fit awgn, heteroscedastic and oracle on.  [default: as --split; train with table1]"
        ),
    ] = "",
    camera: Annotated[
        str, typer.Option(help="The only camera to evaluate; also names that of clean/ and noisy/.  [default: all]")
    ] = "",
    iso: Annotated[int | None, typer.Option(min=1, help="ISO of clean/ and noisy/, where paths do not say it.")] = None,
    patch: Annotated[int | None, typer.Option(min=1, help="Side of the patches in pixels.  [default: 96]")] = None,
    step: Annotated[int | None, typer.Option(min=1, help="Pixels from patch to patch.  [default: as --patch]")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many pairs of a camera and ISO.")] = None,
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out pairs of cameras and ISOs that a model does not know.")
    ] = False,
    official: Annotated[
        bool, typer.Option("--official", help="Also show the KLD of the un-rounded noise, as the paper has it.")
    ] = False,
    nll: Annotated[
        bool, typer.Option("--nll", help="Also the likelihood of models with a density, in bits per value.")
    ] = False,
    akld_draws: Annotated[
        int,
        typer.Option(min=1, help="Draws a picture for the AKLD; the paper of the metric has 50.", show_default=True),
    ] = 1,
    latency: Annotated[
        bool, typer.Option("--latency", help="Also the time of 16 pictures of 256x256, in ms (Table VIII).")
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option(help="Also write all numbers, a row for each camera and ISO (or picture).", metavar="FILE"),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Also write a page (HTML) with tables, plots and pictures.", metavar="FILE")
    ] = None,
    gallery: Annotated[
        int, typer.Option(min=0, help="Cameras and ISOs that the page shows pictures of.", show_default=True)
    ] = 10,
    denoiser: evaluate_denoisers.Denoisers = None,
    denoising_table: evaluate_denoisers.Table = False,
    budget: evaluate_denoisers.Budget = "5m",
    runs: evaluate_denoisers.Runs = None,
    pictures: evaluate_denoisers.Pictures = None,
    cells: Annotated[bool, typer.Option("--cells", help="Also a row for each camera and ISO.")] = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    accept_synthetic: options.AcceptSynthetic = False,
    quiet: options.Quiet = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Measure how far the noise of models is from real noise, on pairs of clean and noisy pictures.

    All ISOs of a camera weigh the same, and so do all cameras in the mean of cameras. awgn, heteroscedastic and
    oracle are fitted on the data itself unless --fit-split says otherwise.
    """
    options.limit_pictures(max_pixels)
    model = [*(model or ()), *map(str, profile or ())]
    if denoiser or denoising_table:
        options.refuse_typed(context, evaluate_denoisers.FOREIGN, "an evaluation of denoisers")
        evaluate_denoisers.evaluate_denoisers(
            evaluate_denoisers.DenoisingOptions(
                data=data,
                denoisers=denoiser or (),
                models=model,
                table=denoising_table,
                budget=budget,
                runs=runs,
                pictures=pictures,
                csv=csv,
                report=report,
                gallery=gallery,
                split=split,
                camera=camera,
                iso=iso,
                seed=seed,
                device=device,
                as_json=json,
                quiet=quiet,
                accept_synthetic=accept_synthetic,
                cache_dir=cache_dir,
            )
        )
        return
    options.refuse_typed(context, evaluate_denoisers.OWN, "an evaluation without --denoiser and --denoising-table")
    if not model and not like:
        raise UsageError("no model to evaluate", "name one: -w sidd-lite, -w awgn")
    evaluate_output.require_writable(report, csv)
    if report:
        from nmflowgan_cli.report.page import require_packages

        require_packages("jinja2", "matplotlib")
    measure = _protocol(protocol, patch, step, seed=seed, akld_draws=akld_draws, nll=nll)
    split, fit_split = _splits(protocol, split, fit_split)

    from nmflowgan_cli.evaluation.candidates import FITTED, candidates, open_weights
    from nmflowgan_cli.evaluation.selection import select
    from nmflowgan_cli.report.noise_tables import noise_json, print_scores
    from nmflowgan_cli.runtime import resolve_device

    target = resolve_device(device)
    pairs, available = select(data, split, limit=limit, camera=camera, iso=iso)
    fit_pairs = pairs
    if fit_split != split and not set(model).isdisjoint(FITTED):
        fit_pairs = select(data, fit_split, limit=limit, camera=camera, iso=iso).pairs
    alike = _alike(like, rendered)
    entries = candidates(
        [*model, *alike],
        fit_pairs,
        fit_note=f"fitted on {'the very pairs' if fit_pairs == pairs else f'the {fit_split} pairs'} of {data}",
        load=open_weights(cache_dir, alike),
        device=target,
        precision=precision,
    )
    found, failed = evaluate_output.measured(pairs, entries, measure, skip_unknown=skip_unknown, quiet=quiet)
    times = evaluate_output.latencies(found, entries, target, precision) if latency else []
    left_out = available - len(pairs)
    told = {"manifest": str(data), "split": split, "pairs": len(pairs), "left_out": left_out, "failed_pairs": failed}
    facts = noise_json(found, told, times)
    if csv:
        from nmflowgan_cli.report.csv_tables import noise_rows

        evaluate_output.write_table(csv, noise_rows(found))
    if report:
        text = evaluate_output.noise_report(found, pairs, entries, facts, gallery=gallery)
        evaluate_output.write_page(report, text, quiet=quiet)
    if json:
        typer.echo(json_module.dumps(facts))
    else:
        print_scores(found, times, cells=cells, official=official, left_out=left_out)
    raise typer.Exit(SOME_FAILED if failed else 0)


def _alike(like: list[str] | None, rendered: str) -> "dict[str, Weights]":
    """The noise of the pictures of --like, by its name."""
    from nmflowgan_cli.synthesis.noise_choice import NoiseChoice

    if not like:
        if rendered:
            raise UsageError("--rendered is for --like", "a profile or weights say it themselves")
        return {}
    found = NoiseChoice(like=tuple(like), rendered=rendered).find()
    return {found.name: found}


def _protocol(
    name: ProtocolName, patch: int | None, step: int | None, *, seed: int, akld_draws: int, nll: bool
) -> "Protocol":
    from nmflowgan_cli.evaluation.protocol import Protocol
    from nmflowgan_cli.evaluation.table1 import PATCH, STEP

    if name == ProtocolName.patches:
        patch = patch or PATCH
        return Protocol(patch, step or patch, seed, akld_draws=akld_draws, nll=nll)
    if patch or step:
        raise UsageError(
            f"--protocol table1 has patches of {PATCH} pixels every {STEP}", "leave out --patch and --step"
        )
    return Protocol(PATCH, STEP, seed, border=True, akld_draws=akld_draws, nll=nll, name=name.value)


def _splits(name: ProtocolName, split: str, fit_split: str) -> tuple[str, str]:
    """What to evaluate and what to fit on, where the user does not say it."""
    if name == ProtocolName.table1:
        return split or "val", fit_split or "train"
    return split or "all", fit_split or split or "all"
