"""`nmflowgan train`: weights from paired data, from clean photographs and simulated cameras, or from both."""

import shlex
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nmflowgan_cli.cli.options import Device, Quiet, Seed
from nmflowgan_cli.cli.training_progress import training_progress
from nmflowgan_cli.errors import UsageError

EXAMPLES = """\b
Examples:
  nmflowgan train SIDD_Medium_Srgb/ --split nm-flowgan -o runs/sidd
  nmflowgan train --simulate photos/ --preset lite -o runs/first
  nmflowgan train --simulate photos/ -o runs/first --resume --time-limit 55m
  nmflowgan train my-pairs/ --camera X100 --init sidd-lite --rate 0.3 -o runs/x100
"""


class Balance(StrEnum):
    code = "code"
    picture = "picture"
    none = "none"


class Strategy(StrEnum):
    simultaneous = "simultaneous"
    joint = "joint"
    two_stage = "two-stage"


class Precision(StrEnum):
    float32 = "float32"
    bfloat16 = "bfloat16"


class Part(StrEnum):
    sal = "sal"
    sdl = "sdl"
    gan = "gan"


class Preset(StrEnum):
    lite = "lite"
    paper = "paper"


def train(
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
        Preset, typer.Option(help="lite (default of new training) or paper (31 M parameters).")
    ] = Preset.lite,
    flow_steps: Annotated[int | None, typer.Option(help="Steps of the flow (lite).  [default: the preset's]")] = None,
    spatial_steps: Annotated[
        int | None, typer.Option(help="Steps of the spatial network (lite).  [default: the preset's]")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps in all (paper).  [default: the preset's]")] = None,
    batch: Annotated[int | None, typer.Option(help="Patches a step.  [default: the preset's]")] = None,
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
    from nmflowgan_cli.training import distributed
    from nmflowgan_cli.training import recipe as recipes
    from nmflowgan_cli.training.run import run_training
    from nmflowgan_cli.training.sources import DataOptions, census_toml
    from nmflowgan_cli.training.start import find, recipe_from

    changes = _given(flow_steps=flow_steps, spatial_steps=spatial_steps, steps=steps, batch=batch, strategy=strategy)
    ablated = tuple(dict.fromkeys(part.value for part in ablate or ()))
    recipe = recipes.without(recipes.preset(preset.value, **changes), ablated)
    weights = find(init) if init else None
    recipe = recipes.scaled(recipe_from(recipe, weights) if weights else recipe, rate)
    recipe = replace(recipe, precision=precision.value)
    options = DataOptions(
        pairs=data,
        simulate=simulate,
        split=split,
        balance=balance.value,
        simulate_share=simulate_share,
        camera=camera,
        iso=iso,
    )
    if dry_run:
        typer.echo(recipes.to_toml(recipe) + census_toml(options, recipe.patch))
        return
    with training_progress(recipe.steps, quiet=quiet or not distributed.leads()) as progress:
        outcome = run_training(
            recipe,
            options,
            output,
            name=name or output.resolve().name,
            terms=terms,
            init=weights,
            camera_name=camera_name,
            seed=seed,
            device=device,
            resume=resume,
            time_limit=_seconds(time_limit),
            validate_every=validate_every,
            tensorboard=tensorboard,
            compiled=compiled,
            command=shlex.join(["nmflowgan", *sys.argv[1:]]),
            progress=progress,
        )
    if outcome.interrupted:
        raise KeyboardInterrupt
    if distributed.leads():
        typer.echo(outcome.weights or output)


def _given(**options: int | StrEnum | None) -> dict[str, int | str]:
    """The options that the user gave."""
    return {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in options.items()
        if value is not None
    }


def _seconds(text: str) -> float:
    """The duration that "90s", "55m" or "3h" means; infinite for nothing."""
    if not text:
        return float("inf")
    units = {"s": 1, "m": 60, "h": 3600}
    if text[-1] not in units or not text[:-1].isdecimal():
        raise UsageError(f"time limit {text!r} is not a duration", "for example 90s, 55m or 3h")
    return int(text[:-1]) * units[text[-1]]
