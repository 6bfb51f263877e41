"""`nmflowgan profile`: noise profiles from pictures, pairs, bursts, names, raw files and numbers; and what one says."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmflowgan_cli.cli import options
from nmflowgan_cli.cli.train_options import Rendering
from nmflowgan_cli.errors import UsageError

if TYPE_CHECKING:
    from nmflowgan_cli.profiles.profile import NoiseProfile


def _examples(*commands: str) -> str:
    """The end of a command's help: lines that can be run as they stand."""
    return "\n".join(["\b", "Examples:", *(f"  nmflowgan profile {command}" for command in commands)])


app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make and look at noise profiles: small files that say how the noise of a camera behaves.",
    epilog=_examples("fit noisy.jpg -o mine.json", "show mine.json"),
)

Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write; ends in .json.", metavar="FILE")]
Iso = Annotated[int | None, typer.Option("--iso", "-i", min=1, max=999999, help="ISO.  [default: by EXIF]")]


@app.command(
    epilog=_examples(
        "fit noisy.jpg -o mine.json",
        "fit still/*.png --burst --camera X100 --iso 3200 -o x100.json",
        "fit --pairs my-pairs/ --camera X100 --iso 3200 -o x100.json",
    )
)
def fit(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(help="Noisy pictures of one camera and ISO: files, folders, patterns.", metavar="PICTURES"),
    ] = None,
    *,
    output: Output,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Pairs of clean and noisy pictures, as evaluate takes them.", metavar="DATA"),
    ] = None,
    burst: Annotated[
        bool, typer.Option("--burst", help="PICTURES are shots of one still scene, from a tripod; 3 or more.")
    ] = False,
    camera: Annotated[
        str, typer.Option("--camera", "-c", help="Name of the camera; of --pairs, the one to take.  [default: by EXIF]")
    ] = "",
    iso: Iso = None,
    rendered: Annotated[
        Rendering | None,
        typer.Option(help="plain: from raw, without denoising; camera: its own JPEGs.  [default: camera for JPEGs]"),
    ] = None,
    split: Annotated[str, typer.Option(help="Pairs to take: all, train, val, or scenes: 003,007.")] = "all",
    seed: options.Seed = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Estimate a profile from noisy pictures alone, from a burst of shots, or from pairs.

    Prints the path of the profile; what its estimator is not sure of goes to stderr, and into the file.
    """
    from nmflowgan_cli.profiles.likeness import from_shots, like, of_pairs

    _refuse_output(output, force=force)
    if bool(pictures) == bool(pairs):
        raise UsageError("noisy pictures or --pairs, one of them", "nmflowgan profile fit noisy.jpg -o mine.json")
    begin, how = time.monotonic(), rendered.value if rendered else ""
    if pairs:
        if burst:
            raise UsageError("--burst is for pictures, not for --pairs", "leave one of them out")
        profile = of_pairs(pairs, split=split, camera=camera, iso=iso, rendered=how, seed=seed)
    else:
        from nmflowgan_cli.synthesis.inputs import find_pictures

        paths = [source.path for source in find_pictures(pictures or [])]
        if burst:
            if rendered == Rendering.camera:
                raise UsageError("--rendered camera is for pictures and pairs", "leave out --burst")
            profile = from_shots(paths, camera=camera, iso=iso, seed=seed)
        else:
            profile = like(paths, camera=camera, iso=iso, rendered=how, seed=seed)
    _write(output, profile, quiet=quiet, seconds=time.monotonic() - begin)


@app.command(
    epilog=_examples(
        'make --camera "Nikon D800" --iso 6400 -o d800.json',
        'make --camera "Nikon D800" --rendered camera -o d800-jpeg.json',
        "make --shot 0.006 --read 0.0001 --iso 3200 --camera X100 -o x100.json",
        "make --raw IMG_0001.dng -o phone.json",
    )
)
def make(
    *,
    output: Output,
    camera: Annotated[
        str,
        typer.Option("--camera", "-c", help="A camera of nmflowgan cameras; beside --shot or --raw, any name."),
    ] = "",
    iso: Annotated[
        list[int] | None,
        typer.Option(
            "--iso", "-i", min=1, max=999999, help="ISO; may be repeated with --camera.  [default: all that are known]"
        ),
    ] = None,
    raw: Annotated[
        Path | None, typer.Option(help="A DNG that states its noise, colours and white balance.", metavar="FILE")
    ] = None,
    rendered: Annotated[
        Rendering,
        typer.Option(
            help="plain: from raw, without denoising; camera: its own JPEGs, of some cameras.", show_default=True
        ),
    ] = Rendering.plain,
    shot: Annotated[
        float | None, typer.Option(min=0, max=1, help="Variance per signal, of raw values from 0 to 1.")
    ] = None,
    read: Annotated[float | None, typer.Option(min=0, max=1, help="Variance in the dark, likewise.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a profile without pictures: by the camera's name, from the tags of a raw file, or of two numbers.

    By name and by numbers, colours and white balance are those of a typical camera, and rendering is plain.
    """
    _refuse_output(output, force=force)
    numbers = shot is not None or read is not None
    if numbers and (shot is None or read is None):
        raise UsageError("--shot and --read belong together", "--shot 0.006 --read 0.0001")
    if numbers and raw:
        raise UsageError("--raw and --shot both say the noise", "leave one of them out")
    if (numbers or raw) and len(iso or ()) > 1:
        raise UsageError("several ISOs are for a camera by name", "give one --iso")
    if rendered == Rendering.camera and (numbers or raw or iso):
        raise UsageError("--rendered camera is for --camera alone", "the profile holds all ISOs that are known")
    one = iso[0] if iso else None
    if raw:
        from nmflowgan_cli.profiles.raw import read_raw

        profile = _stated(read_raw(raw), camera, one)
    elif shot is not None and read is not None:
        from nmflowgan_cli.profiles.by_hand import by_hand

        profile = by_hand(shot, read, one, name=camera or "by hand")
    elif camera and rendered == Rendering.camera:
        from nmflowgan_cli.profiles.packaged import packaged

        profile = packaged(camera)
    elif camera:
        from nmflowgan_cli.profiles.cameras import profile_of

        profile = profile_of(camera, tuple(iso or ()))
    else:
        raise UsageError("no camera, raw file or numbers", "--camera NAME, --raw FILE, or --shot and --read")
    _write(output, profile, quiet=quiet)


@app.command(epilog=_examples("show mine.json", "show mine.json --plots plots/", "show mine.json --json"))
def show(
    file: Annotated[Path, typer.Argument(help="A profile.", metavar="FILE")],
    *,
    plots: Annotated[
        Path | None,
        typer.Option(
            help="Also draw its noise, as PNG: strength by level, correlation, spectrum, and on a photograph.",
            metavar="FOLDER",
        ),
    ] = None,
    iso: Annotated[
        int | None, typer.Option("--iso", "-i", min=1, help="ISO to draw.  [default: the middle one]")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Print what a profile says: numbers with their uncertainty, levels and textures seen, remarks."""
    from nmflowgan_cli.profiles.files import parse_profile, read_bytes

    content = read_bytes(file)
    profile = parse_profile(content, str(file))
    if as_json:
        from nmflowgan_cli.profiles.files import profile_bytes

        typer.echo(json.dumps(json.loads(profile_bytes(profile)), ensure_ascii=False))
    else:
        from nmflowgan_cli.cli.profile_output import print_profile

        print_profile(profile)
    if plots:
        from nmflowgan_cli.report.profile_plots import draw

        for path in draw(profile, plots, iso=iso):
            typer.echo(str(path), err=as_json)


def _stated(profile: "NoiseProfile", name: str, iso: int | None) -> "NoiseProfile":
    """The profile with the name and the ISO that the user states, in place of its own."""
    noise = next(iter(profile.camera.noise.values()))
    if iso is not None:
        profile = replace(profile, camera=replace(profile.camera, noise={iso: noise}), iso_known=True)
    return replace(profile, name=name) if name else profile


def _refuse_output(path: Path, *, force: bool) -> None:
    """Raise UsageError, before the work, where the profile cannot be written."""
    if path.suffix.lower() != ".json":
        raise UsageError(f"a profile is a .json file, and {path} is not", f"-o {path.with_suffix('.json')}")
    if path.exists() and not force:
        raise UsageError(f"{path} already exists", "--force replaces it")


def _write(path: Path, profile: "NoiseProfile", *, quiet: bool, seconds: float | None = None) -> None:
    """Write the profile, print its remarks on stderr and its path on stdout."""
    from nmflowgan_cli.profiles.files import write_profile

    write_profile(path, profile)
    if not quiet:
        for remark in profile.remarks:
            typer.echo(f"note: {remark}", err=True)
        if seconds is not None:
            typer.echo(f"references: {len(profile.references)}, seconds: {seconds:.1f}", err=True)
    typer.echo(str(path))
