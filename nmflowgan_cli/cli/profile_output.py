"""What `nmflowgan profile show` prints for people."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from nmflowgan_cli.profiles.model import vocabulary_of
from nmflowgan_cli.profiles.profile import NoiseProfile

WAYS = {
    "pictures": "estimated from noisy pictures alone",
    "pairs": "estimated from clean and noisy pictures",
    "burst": "estimated from a burst of one still scene",
    "table": "by name, from a table of cameras",
    "raw": "the tags of a raw file",
    "hand": "numbers by hand",
}
NAME_WIDTH = 36
LOGARITHMIC = ("shot", "read", "white_balance")
"""Parameters whose uncertainty is that of their logarithm."""


def print_profile(profile: NoiseProfile) -> None:
    """Origin, noise by ISO, rendering, what was seen, and remarks."""
    console = Console(highlight=False, markup=False)
    console.print(profile.name, style="bold")
    console.print(f"  {WAYS[profile.way]}")
    if not profile.renderings:
        _block(console, "noise of raw values in [0, 1]: variance = shot * raw + read", _noise(profile))
    if profile.iso_known and not profile.renderings:
        low, high = vocabulary_of(profile).iso_range(profile.name)
        console.print(f"  by physics ISO {low} to {high}")
    _block(console, "rendering", _grid(_rendering(profile)))
    _block(console, "seen", _grid(_seen(profile)))
    _block(console, "references", _grid(_references(profile)))
    _block(console, "remarks", _grid([("-", remark) for remark in profile.remarks]))


def _noise(profile: NoiseProfile) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("ISO", "shot", "read", "e- at white", "dark (counts)"):
        table.add_column(heading, no_wrap=True)
    for iso, (shot, read) in sorted(profile.camera.noise.items()):
        electrons = f"{1 / shot:.0f}" if shot else "-"
        table.add_row(
            str(iso) if profile.iso_known else "unknown",
            f"{shot:.4g}{_uncertain(profile, 'shot')}",
            f"{read:.4g}{_uncertain(profile, 'read')}",
            electrons,
            f"{255 * read**0.5:.2f}",
        )
    return table


def _rendering(profile: NoiseProfile) -> Iterator[tuple[str, str]]:
    camera = profile.camera
    if not profile.mosaic:
        yield "mosaic", "none: a single channel"
        yield "blur", f"{profile.blur:.3g} pixels"
        return
    if profile.renderings:
        yield "rendered by", "the camera: noise by its statistics, as strength and correlation"
        yield "ISO", ", ".join(map(str, sorted(profile.camera.noise))) if profile.iso_known else "unknown"
        return
    for name, (low, high) in zip(("red gain", "blue gain"), camera.white_balance, strict=True):
        between = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        yield name, between + _uncertain(profile, "white_balance")
    for number, row in enumerate(camera.matrix):
        values = "  ".join(f"{value:7.3f}" for value in row)
        yield ("", values) if number else ("colour matrix", values + _uncertain(profile, "matrix"))
    gains = "  ".join(f"{value:.3g}" for value in camera.laplacian_gains)
    yield "demosaicing gains", gains + _uncertain(profile, "laplacian_gains")
    if camera.headroom:
        yield "headroom", f"{camera.headroom:.3g} of white"
    if profile.sampled:
        yield "sampled", "down without smoothing: neighbouring pixels are independent"
    yield "floor", f"{camera.floor:.3g}{_uncertain(profile, 'floor')}"
    yield "black shift", f"{camera.black_shift:.3g}{_uncertain(profile, 'black_shift')}"


def _seen(profile: NoiseProfile) -> Iterator[tuple[str, str]]:
    for name, (low, high) in zip(("red levels", "green levels", "blue levels"), profile.levels, strict=False):
        yield name, f"{low} to {high}"
    if profile.texture is not None:
        yield "texture", f"up to {profile.texture:.3g} counts (std of a block)"


def _references(profile: NoiseProfile) -> Iterator[tuple[str, str]]:
    for reference in profile.references:
        gains = reference.white_balance
        light = f"  red {gains[0]:.2f}, blue {gains[1]:.2f}" if gains else ""
        yield reference.name[-NAME_WIDTH:], f"{reference.sha256[:12]}{light}"


def _uncertain(profile: NoiseProfile, parameter: str) -> str:
    """The standard error of a parameter, in percent where it is that of a logarithm; "" where it is not known."""
    error = profile.uncertainty.get(parameter)
    if error is None:
        return ""
    return f" +- {100 * error:.2g} %" if parameter in LOGARITHMIC else f" +- {error:.2g}"


def _grid(rows: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table


def _block(console: Console, title: str, body: Table) -> None:
    if body.row_count:
        console.print()
        console.print(title, style="bold")
        console.print(Padding(body, (0, 0, 0, 2), expand=False))
