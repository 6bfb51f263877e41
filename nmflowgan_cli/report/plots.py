"""SVG plots of noise, in the colours of the page that they stand in.

Sources of noise are numbered: 0 is the real noise, 1, 2 .. are the models. The page defines their colours as the CSS
variables `--series-1` .. `--series-8` (`COLOURS` of them), for light and dark.
"""

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.metrics.noise import FINE, LEVEL_BIN, REACH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = 8
DASHES = ("", "7 2", "3 2", "8 2 2 2")
"""SVG dash patterns of the models, in turn, for readers who do not see the colours."""

LEAST_SHARE = 1e-5
"""Least share of pixels in a histogram, which ends where no source reaches it."""

_MARGINS = (0.14, 0.98, 0.19, 0.9)
"""Left, right, bottom and top of the axes as shares of a plot; the same for all, to align them."""

_INK, _RULE = "#010203", "#010204"
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and in the page's own font
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": _RULE,
    "grid.linewidth": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def colour(source: int) -> str:
    """CSS colour of a source of noise."""
    return f"var(--series-{(source - 1) % COLOURS + 1})" if source else "currentColor"


def dashes(source: int) -> str:
    """SVG dash pattern of a source of noise; empty for a solid line."""
    return DASHES[(source - 1) % len(DASHES)] if source else ""


def level_plot(
    curves: Mapping[int, FloatArray], *, title: str, label: str, limits: tuple[float, float] | None = None
) -> str:
    """SVG of curves over the clean level, by source: (32,) counts each, NaN where unknown.

    `title` stands above the plot, `label` is its ARIA label, `limits` are those of the vertical axis.
    """
    levels = (np.arange(256 // LEVEL_BIN, dtype=np.float64) + 0.5) * LEVEL_BIN - 0.5
    figure, axes = _figure()
    for source, values in curves.items():
        _line(axes, source, levels, values)
    axes.set(title=title, xlabel="clean level (counts)", xlim=(0, 255), xticks=range(0, 256, 64), ylim=limits)
    return _svg(figure, label)


def shared_limits(curves: Sequence[FloatArray]) -> tuple[float, float] | None:
    """Limits of a vertical axis for all curves and zero; None if all values are NaN."""
    values = np.concatenate([[0.0], *(curve[~np.isnan(curve)] for curve in curves)])
    margin = 0.06 * np.ptp(values)
    return (float(values.min() - margin * (values.min() < 0)), float(values.max() + margin)) if margin else None


def histogram_plot(counts: Mapping[int, FloatArray], *, title: str, label: str) -> str:
    """SVG of the share of pixels over their noise, logarithmic; `counts` are (521,) pixels by source, in bins FINE."""
    from matplotlib.ticker import NullLocator

    noise = FINE.first + FINE.width * (np.arange(FINE.number, dtype=np.float64) + 0.5)
    shares = {source: values / values.sum() for source, values in counts.items()}
    reach = 1 + max(float(np.abs(noise[share >= LEAST_SHARE]).max()) for share in shares.values())
    shown = np.abs(noise) <= reach
    figure, axes = _figure()
    for source, share in shares.items():
        _line(axes, source, noise[shown], np.maximum(share, LEAST_SHARE / 100)[shown])
    axes.set(title=title, xlabel="noise (counts)", yscale="log", xlim=(-reach, reach), ylim=(LEAST_SHARE, None))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    return _svg(figure, label)


def correlation_plot(correlation: FloatArray, limit: float, *, title: str, label: str) -> str:
    """SVG of a map of correlations (17, 17) by vertical and horizontal shift, in colours from -limit to limit."""
    figure, axes = _figure(1.9, 2.0, (0.19, 0.97, 0.13, 0.87))
    side = REACH + 0.5
    axes.imshow(correlation, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=(-side, side, side, -side))
    axes.set(title=title, xticks=(-REACH, 0, REACH), yticks=(-REACH, 0, REACH))
    axes.grid(visible=False)
    return _svg(figure, label)


def correlation_scale(limit: float, *, label: str) -> str:
    """SVG of the colour scale of `correlation_plot`."""
    figure, axes = _figure(3.6, 0.5, (0.05, 0.95, 0.5, 0.98))
    axes.imshow(np.linspace(-limit, limit, 101)[None], cmap="RdBu_r", aspect="auto", extent=(-limit, limit, 0, 1))
    axes.set(yticks=(), xticks=np.round(np.linspace(-limit, limit, 5), 3))
    axes.grid(visible=False)
    return _svg(figure, label)


def _figure(
    width: float = 4.2, height: float = 2.7, margins: tuple[float, float, float, float] = _MARGINS
) -> "tuple[Figure, Axes]":
    """Empty transparent plot, width and height in inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height))
        left, right, bottom, top = margins
        figure.subplots_adjust(left, bottom, right, top)
        axes = figure.add_subplot()
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
    return figure, axes


def _line(axes: "Axes", source: int, x: FloatArray, y: FloatArray) -> None:
    """Draw the line of a source; values without neighbours as dots."""
    known = np.isfinite(y)
    alone = known & ~np.concatenate([[False], known[:-1]]) & ~np.concatenate([known[1:], [False]])
    style = (0, [float(length) for length in dashes(source).split()]) if dashes(source) else "-"
    ink = _placeholder(source)
    [line] = axes.plot(x, y, color=ink, linewidth=1.3 if source else 2.2, linestyle=style, zorder=3)
    line.set_dash_capstyle("butt")
    if alone.any():
        axes.plot(x[alone], y[alone], ".", color=ink, markersize=4, zorder=3)


def _placeholder(source: int) -> str:
    """Colour that stands for the CSS colour of a source until `_slim`."""
    return f"#0103{(source - 1) % COLOURS + 1:02x}" if source else _INK


def _svg(figure: "Figure", label: str) -> str:
    """Inline `<svg>` of a figure, with the colours and fonts of the page and ids that are unique by `label`."""
    from matplotlib import rc_context

    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    for axes in figure.axes:
        axes.title.set_fontsize(_SETTINGS["font.size"])
    with rc_context({**_SETTINGS, "svg.hashsalt": label}):
        figure.savefig(file, format="svg", metadata=nothing)
    text = file.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    width, height = figure.get_size_inches() * 72
    opening = f'<svg viewBox="0 0 {width:g} {height:g}" width="100%" role="img" aria-label="{escape(label)}">'
    return f"{opening}{_slim(body)}</svg>"


def _slim(svg: str) -> str:
    """SVG without superfluous ids, fonts and digits, in the colours of the page."""
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    wanted = set(re.findall(r"#(\w+)[\")]", svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in wanted else "", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg).replace("xlink:href", "href")
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", svg)
    svg = re.sub(r"(?<=[ \"(-])\d+\.\d{2,}(?=[ \")\n])", lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), svg)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")
    for source in range(COLOURS + 1):
        svg = svg.replace(_placeholder(source), colour(source))
    return svg.replace(_RULE, "var(--rule)")
