"""`nmflowgan train`: weights from paired data, from clean photographs and simulated cameras, or from both.

Besides flow and GAN, the reference models, and the denoiser that noise models are judged by.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmflowgan_cli.cli.options import Device, Quiet, Seed, refuse_typed
from nmflowgan_cli.cli.train_options import (
    FOREIGN,
    Balance,
    Model,
    Part,
    Precision,
    Preset,
    Rendering,
    Strategy,
    seconds,
)
from nmflowgan_cli.cli.train_progress import training_progress
from nmflowgan_cli.errors import UsageError

if TYPE_CHECKING:
    from nmflowgan_cli.training.loop import TrainingOutcome
    from nmflowgan_cli.training.nmflowgan.recipe import Recipe
    from nmflowgan_cli.training.requests import DenoiserRequest, FitRequest, TrainingRequest

EXAMPLES = """\b
Examples:
  nmflowgan train SIDD_Medium_Srgb/ --split nm-flowgan -o runs/sidd
  nmflowgan train --simulate photos/ --preset lite -o runs/first
  nmflowgan train --simulate photos/ -o runs/first --resume --time-limit 55m
  nmflowgan train my-pairs/ --camera X100 --init sidd-lite --rate 0.3 -o runs/x100
  nmflowgan train my-pairs/ --model heteroscedastic -o runs/reference
  nmflowgan train my-pairs/ --model dncnn --noise sidd-lite -o runs/denoiser
"""


def train(
    context: typer.Context,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            show_default=False,
            help="Paired data: SIDD's folders, a manifest (CSV or JSON lines), clean/ and noisy/, or HDF5 files.",
        ),
    ] = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")],
    model: Annotated[
        Model,
        typer.Option(
            help="nmflowgan (flow and GAN), awgn or heteroscedastic (Gaussian references, fitted in one pass), or "
            "dncnn (a denoiser, to judge noise by)."
        ),
    ] = Model.nmflowgan,
    noise: Annotated[
        str,
        typer.Option(
            help="Noise that dncnn learns from: real, awgn or heteroscedastic (fitted on DATA), isp, or weights.",
            show_default=True,
        ),
    ] = "real",
    simulate: Annotated[Path | None, typer.Option(help="Folder of clean photographs, for simulated pairs.")] = None,
    simulate_share: Annotated[
        float, typer.Option(help="Share of simulated patches among real ones, 0 to 1.", show_default=True)
    ] = 0.5,
    split: Annotated[
        str,
        typer.Option(
            help="nm-flowgan, denoiser (the paper's, of SIDD), all, or scenes to hold out: 003,007.  "
            "[default: what the data say; nm-flowgan for SIDD's folders]"
        ),
    ] = "",
    balance: Annotated[
        Balance, typer.Option(help="What is drawn equally often: every camera and ISO, picture, or patch (none).")
    ] = Balance.code,
    camera: Annotated[
        str, typer.Option(help="The only camera to learn; also names that of clean/ and noisy/.  [default: all]")
    ] = "",
    camera_name: Annotated[
        str, typer.Option(help="Full name of the one camera of the data, like Fujifilm X100.  [default: its code]")
    ] = "",
    iso: Annotated[int | None, typer.Option(min=1, help="ISO of clean/ and noisy/, where paths do not say it.")] = None,
    preset: Annotated[
        Preset, typer.Option(help="lite (default of new training) or paper (31 M parameters; dncnn: 30 epochs).")
    ] = Preset.lite,
    flow_steps: Annotated[int | None, typer.Option(help="Steps of the flow (lite).  [default: the preset's]")] = None,
    spatial_steps: Annotated[
        int | None, typer.Option(help="Steps of the spatial network (lite).  [default: the preset's]")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps in all (paper, dncnn).  [default: the preset's]")] = None,
    batch: Annotated[int | None, typer.Option(help="Patches a step.  [default: the preset's]")] = None,
    rendered: Annotated[
        Rendering | None,
        typer.Option(
            help="How the pictures were made: plain (from raw, only demosaiced), or camera (its own JPEG; lite).  "
            "[default: plain]"
        ),
    ] = None,
    init: Annotated[
        str,
        typer.Option(
            help="Weights to go on from: name or path; cameras and ISOs of the data are added to theirs.  "
            "[default: a fresh model]"
        ),
    ] = "",
    rate: Annotated[
        float, typer.Option(help="Factor on the learning rates; below 1 to go on from good weights.")
    ] = 1.0,
    strategy: Annotated[
        Strategy | None, typer.Option(help="How flow and spatial network learn.  [default: the preset's]")
    ] = None,
    ablate: Annotated[
        list[Part] | None, typer.Option(help="A part to leave out of the model; may be repeated.  [default: none]")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the weights.  [default: that of the run's folder]")] = "",
    terms: Annotated[str, typer.Option(help="Terms of the training data, for the weights' header.")] = "",
    seed: Seed = 0,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")] = False,
    time_limit: Annotated[str, typer.Option(help="Save and stop after so long: 90s, 55m, 3h.  [default: none]")] = "",
    validate_every: Annotated[int, typer.Option(help="Steps from one validation to the next.")] = 500,
    precision: Annotated[
        Precision,
        typer.Option(help="Of the spatial network in training; bfloat16 suits paper on hardware that has it."),
    ] = Precision.float32,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log for TensorBoard, into the run's folder.")
    ] = False,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the networks: slow to start; needs a C++ compiler on a CPU.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print recipe and number of patches, and stop.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train weights into a folder: in the end model.safetensors and its card.md, on the way the rest."""
    from nmflowgan_cli.checkpoints.hub import resolve
    from nmflowgan_cli.denoising.recipe import denoiser_preset
    from nmflowgan_cli.training import distributed
    from nmflowgan_cli.training.requests import DenoiserRequest, FitRequest, TrainingRequest
    from nmflowgan_cli.training.sources import DataOptions

    refuse_typed(context, FOREIGN[model], f"--model {model}")
    options = DataOptions(
        pairs=data,
        simulate=simulate,
        split=split,
        balance=balance.value,
        simulate_share=simulate_share,
        camera=camera,
        iso=iso,
    )
    told: dict[str, Any] = {
        "data": options,
        "run": output,
        "name": name or output.resolve().name,
        "terms": terms,
        "camera_name": camera_name,
        "command": shlex.join(["nmflowgan", *sys.argv[1:]]),
    }
    if model in (Model.awgn, Model.heteroscedastic):
        typer.echo(_fit(FitRequest(**told, model=model.value)))
        return
    if model is Model.dncnn and distributed.launched() > 1:
        raise UsageError("--model dncnn learns in one process", "start it without torchrun")
    told |= {"seed": seed, "device": device, "resume": resume, "time_limit": seconds("--time-limit", time_limit)}
    if model is Model.dncnn:
        chosen = denoiser_preset(preset.value, steps=steps, batch=batch, rate_factor=rate)
        request = DenoiserRequest(**told, recipe=chosen, noise=noise)
    else:
        changes = _given(
            flow_steps=flow_steps,
            spatial_steps=spatial_steps,
            steps=steps,
            batch=batch,
            strategy=strategy,
            rendered=rendered,
        )
        weights = resolve(init) if init else None
        recipe = _recipe(preset, changes, [part.value for part in ablate or ()], weights, rate, precision)
        request = TrainingRequest(
            **{**told, "data": replace(options, rendered=recipe.rendered)},
            recipe=recipe,
            init=weights,
            validate_every=validate_every,
            tensorboard=tensorboard,
            compiled=compiled,
        )
    if dry_run:
        _print_plan(request)
        return
    outcome = _run(request, quiet=quiet)
    if outcome.interrupted:
        raise KeyboardInterrupt
    if distributed.leads():
        typer.echo(outcome.weights or output)


def _recipe(
    preset: Preset,
    changes: Mapping[str, Any],
    ablated: Sequence[str],
    init: Path | None,
    rate: float,
    precision: Precision,
) -> "Recipe":
    """The recipe of flow and GAN that the options mean."""
    from nmflowgan_cli.training.extension import recipe_from
    from nmflowgan_cli.training.nmflowgan import recipe as recipes

    recipe = recipes.without(recipes.preset(preset.value, **changes), tuple(dict.fromkeys(ablated)))
    recipe = recipes.scaled(recipe_from(recipe, init) if init else recipe, rate)
    return replace(recipe, precision=precision.value)


def _fit(request: "FitRequest") -> Path:
    from nmflowgan_cli.training.fitting import run_fit

    return run_fit(request)


def _print_plan(request: "TrainingRequest | DenoiserRequest") -> None:
    """Recipe and number of patches, as TOML."""
    from nmflowgan_cli.training.nmflowgan.recipe import Recipe, to_toml
    from nmflowgan_cli.training.sources import census_toml

    recipe = request.recipe
    text = to_toml(recipe) if isinstance(recipe, Recipe) else recipe.to_toml()
    typer.echo(text + census_toml(request.data, recipe.patch))


def _run(request: "TrainingRequest | DenoiserRequest", *, quiet: bool) -> "TrainingOutcome":
    from nmflowgan_cli.denoising.train import run_denoiser
    from nmflowgan_cli.training import distributed
    from nmflowgan_cli.training.requests import DenoiserRequest
    from nmflowgan_cli.training.run import run_training

    with training_progress(request.recipe.steps, quiet=quiet or not distributed.leads()) as progress:
        if isinstance(request, DenoiserRequest):
            return run_denoiser(request, progress=progress)
        return run_training(request, progress=progress)


def _given(**options: int | StrEnum | None) -> dict[str, int | str]:
    """The options that the user gave."""
    return {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in options.items()
        if value is not None
    }
