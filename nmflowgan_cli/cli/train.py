"""`nmflowgan train`: weights from paired data, from clean photographs and simulated cameras, or from both.

Besides flow and GAN, the reference models, and the denoiser that noise models are judged by.
"""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmflowgan_cli.cli.options import (
    AcceptSynthetic,
    CacheDir,
    Device,
    MaxPixels,
    Quiet,
    Seed,
    limit_pictures,
    refuse_typed,
)
from nmflowgan_cli.cli.progress import Reporter, counted
from nmflowgan_cli.cli.train_options import (
    FAMILY,
    MODELS,
    PRESETS,
    Balance,
    Part,
    Precision,
    Rendering,
    Strategy,
    architecture_name,
    foreign_options,
    metavar,
    seconds,
)
from nmflowgan_cli.cli.train_progress import training_progress
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.interruption import Interrupted
from nmflowgan_cli.models.registry import architecture, load_reference

if TYPE_CHECKING:
    from nmflowgan_cli.training.loop import TrainingOutcome
    from nmflowgan_cli.training.recipe import Recipe
    from nmflowgan_cli.training.run import TrainingRequest

EXAMPLES = """\b
Examples:
  nmflowgan train SIDD_Medium_Srgb/ --split nm-flowgan -o runs/sidd
  nmflowgan train --simulate photos/ --preset lite -o runs/first
  nmflowgan train --simulate photos/ -o runs/first --resume --time-limit 55m
  nmflowgan train my-pairs/ --camera X100 --init sidd-lite --rate 0.3 -o runs/x100
  nmflowgan train my-pairs/ --arch heteroscedastic -o runs/reference
  nmflowgan train my-pairs/ --arch dncnn --noise sidd-lite -o runs/denoiser
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
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder of the run; needed to train.")] = None,
    model: Annotated[
        str,
        typer.Option(
            "--arch",
            "--model",
            metavar=metavar(MODELS),
            help="nmflowgan (flow and GAN: lite or paper, by --preset), another published noise model by its name, "
            "awgn or heteroscedastic (Gaussian references, fitted in one pass), or dncnn (a denoiser, to judge noise "
            "by).",
            show_default=True,
        ),
    ] = FAMILY,
    noise: Annotated[
        str,
        typer.Option(
            help="Noise that a denoiser learns from: real, awgn or heteroscedastic (fitted on DATA), isp, or weights.",
            show_default=True,
        ),
    ] = "real",
    simulate: Annotated[Path | None, typer.Option(help="Folder of clean photographs, for simulated pairs.")] = None,
    profile: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Noise profile of a camera to simulate; may be repeated.  [default: the five phones]",
        ),
    ] = None,
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
        str,
        typer.Option(
            metavar=metavar(PRESETS),
            help="lite, or paper (nmflowgan: 31 M parameters; dncnn: 30 epochs).  [default: lite]",
        ),
    ] = "",
    flow_steps: Annotated[int | None, typer.Option(help="Steps of the flow (lite).  [default: the preset's]")] = None,
    spatial_steps: Annotated[
        int | None, typer.Option(help="Steps of the spatial network (lite).  [default: the preset's]")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps in all (of all but lite of nmflowgan).  [default: the preset's]")
    ] = None,
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
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's checkpoint; begin where there is none.")
    ] = False,
    time_limit: Annotated[str, typer.Option(help="Save and stop after so long: 90s, 55m, 3h.  [default: none]")] = "",
    validate_every: Annotated[int, typer.Option(help="Steps from one validation to the next.")] = 500,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="Of the spatial network in training; bfloat16 suits paper on hardware that has it.  [default: float32]"
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log for TensorBoard, into the run's folder.")
    ] = False,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the networks: slow to start; needs a C++ compiler on a CPU.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print recipe and number of patches, and stop.")] = False,
    max_pixels: MaxPixels = None,
    accept_synthetic: AcceptSynthetic = False,
    quiet: Quiet = False,
    cache_dir: CacheDir = None,
) -> None:
    """Train weights into a folder: in the end model.safetensors and its card.md, on the way the rest."""
    from nmflowgan_cli.synthesis.weights import find_init
    from nmflowgan_cli.training.distributed import leads
    from nmflowgan_cli.training.run import TrainingRequest
    from nmflowgan_cli.training.sources import DataOptions

    if output is None and not dry_run:
        raise UsageError("no folder for the run", "give --output, like -o runs/mine; or --dry-run")
    limit_pictures(max_pixels)
    run = output or Path()
    chosen = architecture_name(model, preset)
    refuse_typed(context, foreign_options(chosen), f"--arch {model}")
    data_options = DataOptions(
        pairs=data,
        simulate=simulate,
        profiles=tuple(profile or ()),
        split=split,
        balance=balance.value,
        simulate_share=simulate_share,
        camera=camera,
        iso=iso,
        accept_synthetic=accept_synthetic,
    )
    weights = find_init(init, cache_dir) if init else None
    changes = _given(
        flow_steps=flow_steps,
        spatial_steps=spatial_steps,
        steps=steps,
        batch=batch,
        strategy=strategy,
        rendered=rendered,
        precision=precision,
    )
    if ablate:
        changes["ablate"] = [part.value for part in ablate]
    request = TrainingRequest(
        architecture=chosen,
        data=data_options,
        run=run,
        name=name or run.resolve().name,
        recipe=_recipe(chosen, preset, changes, weights, rate),
        terms=terms,
        camera_name=camera_name,
        command=shlex.join(["nmflowgan", *sys.argv[1:]]),
        seed=seed,
        device=device,
        resume=resume,
        time_limit=seconds("--time-limit", time_limit),
        init=weights,
        validate_every=validate_every,
        tensorboard=tensorboard,
        compiled=compiled,
        noise=noise,
        cache_dir=cache_dir,
    )
    if dry_run:
        _print_plan(request)
        return
    with counted(lambda: f"the last checkpoint of {run} is kept", "--resume"):
        outcome = _run(request, quiet=quiet)
    if outcome.interrupted:
        raise Interrupted(f"{outcome.step} of {_steps(request)} steps are saved in {run}; go on with --resume")
    if leads():
        Reporter().result(str(outcome.weights or run))


def _recipe(name: str, preset: str, changes: dict[str, Any], init: Path | None, rate: float) -> "Recipe | None":
    """The recipe that the options mean; None for an architecture without one."""
    from nmflowgan_cli.training.extension import recipe_from
    from nmflowgan_cli.training.recipe import open_recipe

    if not architecture(name).recipes:
        return None
    recipe = open_recipe(name, preset, **changes)
    return (recipe_from(recipe, name, init) if init else recipe).scaled(rate)


def _print_plan(request: "TrainingRequest") -> None:
    """Recipe and number of patches, as TOML."""
    from nmflowgan_cli.training.sources import census_toml

    recipe = request.recipe
    assert recipe is not None
    typer.echo(recipe.to_toml() + census_toml(recipe.data(request.data), recipe.patch))


def _run(request: "TrainingRequest", *, quiet: bool) -> "TrainingOutcome":
    from nmflowgan_cli.training.distributed import leads

    with training_progress(_steps(request), quiet=quiet or not leads()) as progress:
        return load_reference(architecture(request.architecture).trainer)(request, progress=progress)


def _steps(request: "TrainingRequest") -> int:
    return request.recipe.steps if request.recipe else 0


def _given(**options: int | StrEnum | None) -> dict[str, Any]:
    """The options that the user gave."""
    return {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in options.items()
        if value is not None
    }
