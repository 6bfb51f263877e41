"""`nmflowgan weights`: list, look at, fetch, verify and import weights."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmflowgan_cli.cli import options
from nmflowgan_cli.cli.progress import Reporter
from nmflowgan_cli.conditions import CAMERA_NAMES
from nmflowgan_cli.errors import UsageError, WeightsError
from nmflowgan_cli.text import say

if TYPE_CHECKING:
    from nmflowgan_cli.checkpoints.hub import Entry


def _examples(*commands: str) -> str:
    """The end of a command's help: lines that can be run as they stand."""
    return "\n".join(["\b", "Examples:", *(f"  nmflowgan weights {command}" for command in commands)])


app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, look at, fetch, verify and import weights.",
    epilog=_examples("list", "fetch sidd-lite"),
)

Name = Annotated[str, typer.Argument(help="A name of `weights list`.")]


def _entries(name: str | None) -> "list[Entry]":
    """The registry's entry of that name, or all of them."""
    from nmflowgan_cli.checkpoints.hub import registry

    return [registry().entry(name)] if name else list(registry().entries)


def _with_state(entry: "Entry", cache_dir: Path | None) -> dict[str, Any]:
    """An entry as JSON values, with the state of its file in the cache."""
    from nmflowgan_cli.checkpoints.hub import state

    return {**asdict(entry), "state": state(entry, cache_dir)}


@app.command("list", epilog=_examples("list", "list --json"))
def list_weights(*, as_json: options.Json = False, cache_dir: options.CacheDir = None) -> None:
    """List the weights known by name.

    Name, cameras with the ISOs that they were trained on, size, terms, and whether the file is in the cache: ok,
    absent, or differs (damaged, or of another version).
    """
    rows = [_with_state(entry, cache_dir) for entry in _entries(None)]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    if rows:
        from nmflowgan_cli.cli.weights_output import print_list

        print_list(rows)
    else:
        say("no weights are registered")


@app.command(epilog=_examples("info sidd-lite", "info runs/mine/model.safetensors --json"))
def info(
    name: Annotated[str, typer.Argument(help="A name of `weights list`, or a .safetensors file.")],
    *,
    as_json: options.Json = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Print what weights are, by their header and their card.

    Data and terms; cameras, ISOs and numbers of training patches; measured numbers; limits; how they were trained.
    """
    facts = _facts(name, cache_dir)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    from nmflowgan_cli.cli.weights_output import print_info

    print_info(facts)


def _facts(name: str, cache_dir: Path | None) -> dict[str, Any]:
    """The header of a file or name and its card; of weights that are not fetched yet, what the registry knows."""
    from nmflowgan_cli.checkpoints.hub import is_path, local_file, read_card, registry, resolve

    entry = None if is_path(name) else registry().entry(name)
    path = resolve(name) if entry is None else local_file(entry, cache_dir)
    facts = {} if entry is None else {**_with_state(entry, cache_dir), **_card_facts(read_card(entry))}
    return facts if path is None else {**facts, **_header_facts(path)}


def _card_facts(text: str) -> dict[str, Any]:
    """The facts of a card that no header has; none where there is no card."""
    from nmflowgan_cli.checkpoints import cards

    if not text:
        return {}
    found = cards.sections(text)
    return {
        "summary": cards.paragraph(found[cards.SUMMARY]),
        "origin": cards.points(found.get("Data and terms", "")),
        "training_command": cards.command(found.get("Training", "")),
        "limits": cards.points(found.get("Limits", "")),
        "card": text,
    }


def _header_facts(path: Path) -> dict[str, Any]:
    from nmflowgan_cli.checkpoints.format import read_header

    header = read_header(path)
    from nmflowgan_cli.checkpoints.build import parameter_count, refuse_misfit  # imports torch: not for a bad header

    refuse_misfit(path)

    names = {code: name for code, name in CAMERA_NAMES.items() if code in header.vocabulary.cameras}
    told = header.to_json()
    named = {"name": header.name or path.stem, "camera_names": {**names, **told["camera_names"]}}
    return {"path": str(path), **told, **named, "parameters": parameter_count(header)}


@app.command(epilog=_examples("fetch sidd-lite", "fetch sidd-lite --cache-dir weights-cache"))
def fetch(name: Name, *, cache_dir: options.CacheDir = None) -> None:
    """Install weights into the cache, verified.

    Prints the path of the file.
    """
    from nmflowgan_cli.checkpoints.hub import install, registry

    Reporter().result(str(install(registry().entry(name), registry(), cache_dir)))


@app.command(epilog=_examples("verify", "verify sidd-lite --json"))
def verify(
    name: Annotated[str | None, typer.Argument(help="A name of `weights list` (default: all in the cache).")] = None,
    *,
    as_json: options.Json = False,
    cache_dir: options.CacheDir = None,
) -> None:
    """Check fetched weights against SHA-256.

    Exit code 4 if any differs from the registry, or the named one absent.
    """
    states = {entry.name: _with_state(entry, cache_dir)["state"] for entry in _entries(name)}
    if as_json:
        typer.echo(json.dumps(states))
    else:
        for entry, found in states.items():
            typer.echo(f"{entry}: {found}")
    bad = [entry for entry, found in states.items() if found == "differs" or (name and found == "absent")]
    if bad:
        raise WeightsError(
            f"damaged, of another version, or absent: {', '.join(bad)}", f"nmflowgan weights fetch {bad[0]}"
        )


@app.command("import", epilog=_examples("import NMFlowGAN.pth -o official.safetensors", "info official.safetensors"))
def import_weights(
    file: Annotated[
        Path, typer.Argument(help="A checkpoint of the authors' code: of NM-FlowGAN, or another published noise model.")
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write; ends in .safetensors.")],
    name: Annotated[str, typer.Option(help="Name of the weights.  [default: that of FILE]")] = "",
    data: Annotated[str, typer.Option(help="What it was trained on, as its maker says.  [default: not known]")] = "",
    terms: Annotated[
        str, typer.Option(help="Terms of use, as its maker says.  [default: what is known of such files]")
    ] = "",
    cameras: Annotated[
        str, typer.Option(help="Codes of the cameras that it was trained on, with commas.  [default: by its tables]")
    ] = "",
) -> None:
    """Convert a checkpoint of the authors' code.

    Nothing in it is executed; the critic and the optimisers are left out. What the file does not say of itself is
    recorded as not known, or as its maker says. Prints the path of the new file.
    """
    from nmflowgan_cli.checkpoints.hub import SUFFIX

    if output.suffix != SUFFIX:
        raise UsageError(f"output {output} does not end in {SUFFIX}")
    if output.exists():
        raise UsageError(f"{output} exists", "remove it, or choose another name")
    from nmflowgan_cli.checkpoints.build import described, import_checkpoint
    from nmflowgan_cli.checkpoints.format import save_weights

    state, header = import_checkpoint(file)
    header = described(header, name=name, data=data, terms=terms, cameras=cameras)
    save_weights(output, state, header)
    Reporter().result(str(output))


@app.command(epilog=_examples("path", "path sidd-lite"))
def path(
    name: Annotated[str | None, typer.Argument(help="A name of `weights list` (default: the folder).")] = None,
    *,
    cache_dir: options.CacheDir = None,
) -> None:
    """Print the cache folder, or a file's place.

    Fetches nothing: the file may be absent.
    """
    from nmflowgan_cli.checkpoints import hub

    folder = hub.cache_dir(cache_dir)
    Reporter().result(str(folder / hub.registry().entry(name).file if name else folder))
