"""Figures for the card of weights that hold no photograph: noise against the clean level, and its correlation.

For each camera the ISO with the most pixels is shown, real noise beside that of the weights, drawn as in the report of
`nmflowgan evaluate`. Writes NAME-std.svg, NAME-mean.svg and NAME-correlation.svg.

python scripts/card_figures.py NAME DATA --split val -o weights/cards/figures
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.evaluation.candidates import candidates, open_weights
from nmflowgan_cli.evaluation.pair_scores import Protocol
from nmflowgan_cli.evaluation.protocol import Evaluation, evaluate
from nmflowgan_cli.evaluation.selection import select
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.metrics.noise import level_curves
from nmflowgan_cli.report.condition_plots import correlation_limit, level_plots, noise_sources
from nmflowgan_cli.report.plots import colour, correlation_plot, correlation_scale, dashes

FIGURES = Path(__file__).parents[1] / "weights" / "cards" / "figures"
STYLE = (
    "svg { --series-1: #d55e00; --rule: #dcdcdc; color: #1c1c1c; fill: #1c1c1c; font: 10px sans-serif } "
    "text.heading { font-size: 13px; font-weight: bold }"
)
HEADING, LEGEND, GAP, MARGIN = 24, 24, 6, 10
"""Heights above a row and above all rows, between plots, and left of them, in pixels."""
LEVEL_SIZE, MAP_SIZE, SCALE_SIZE = (280, 180), (137, 144), (259, 36)
"""Of the plots, in pixels."""

Row = tuple[str, Sequence[str]]
"""A heading and the plots below it."""


def largest(pairs: Sequence[Paired]) -> list[Condition]:
    """Of each camera the condition with the most pixels, the lowest ISO of equals."""
    pixels: Counter[Condition] = Counter()
    for pair in pairs:
        number, height, width = pair.size()
        pixels[pair.condition] += number * height * width
    ranked = sorted(pixels, key=lambda condition: (condition.camera, -pixels[condition], condition.iso))
    return list({condition.camera: condition for condition in reversed(ranked)}.values())[::-1]


def level_rows(evaluation: Evaluation) -> tuple[list[Row], list[Row]]:
    """Of each condition the curves of std, and those of mean: red, green and blue."""
    deviations, means = [], []
    for condition in evaluation.real:
        curves = {
            source: level_curves(noise.levels) for source, (_, noise) in noise_sources(evaluation, condition).items()
        }
        plots = list(level_plots(curves, str(condition)))
        deviations.append((str(condition), plots[:3]))
        means.append((str(condition), plots[3:]))
    return deviations, means


def correlation_rows(evaluation: Evaluation) -> list[Row]:
    """The maps of all conditions, mean of the channels: of the real noise, then of the made one; and their scale."""
    sources = {condition: noise_sources(evaluation, condition).values() for condition in evaluation.real}
    maps: dict[str, dict[Condition, FloatArray]] = {}
    for condition, named in sources.items():
        for name, noise in named:
            maps.setdefault(name, {})[condition] = noise.spatial.map().mean(0)
    limit = correlation_limit([each for by_condition in maps.values() for each in by_condition.values()])
    scale = correlation_scale(limit, label=f"colours of correlations from {-limit:g} to {limit:g}")
    rows: list[Row] = [
        (name, [correlation_plot(each, limit, title=str(c), label=f"{name}: {c}") for c, each in by_condition.items()])
        for name, by_condition in maps.items()
    ]
    return [*rows, ("", [scale])]


def placed(plot: str, x: float, y: float, size: tuple[int, int]) -> str:
    """A plot inside of another SVG."""
    return plot.replace('width="100%"', f'x="{x:g}" y="{y:g}" width="{size[0]}" height="{size[1]}"', 1)


def text(words: str, x: int, y: int, attributes: str = "") -> str:
    """Words as SVG text."""
    return f'<text x="{x}" y="{y}"{attributes}>{escape(words)}</text>'


def legend(names: Sequence[str]) -> list[str]:
    """The lines of the sources of noise and their names, beside each other."""
    parts = []
    for source, name in enumerate(names):
        x, dashed = MARGIN + 150 * source, f' stroke-dasharray="{dashes(source)}"' if dashes(source) else ""
        place = f'x1="{x}" x2="{x + 28}" y1="12" y2="12"'
        parts.append(f'<line {place} stroke-width="2" stroke="{colour(source)}"{dashed}></line>')
        parts.append(text(name, x + 34, 16))
    return parts


def sheet(rows: Sequence[Row], size: tuple[int, int], names: Sequence[str], label: str) -> str:
    """All rows below each other, under a legend, as a picture that stands alone."""
    parts, y = legend(names), LEGEND if names else 0
    for heading, plots in rows:
        parts.append(text(heading, MARGIN, y + 18, ' class="heading"'))
        own = size if heading else SCALE_SIZE
        parts += [placed(plot, MARGIN + index * (own[0] + GAP), y + HEADING, own) for index, plot in enumerate(plots)]
        y += HEADING + own[1]
    width = MARGIN + max(max(len(plots) for _, plots in rows) * (size[0] + GAP), SCALE_SIZE[0] + GAP)
    background = f'<rect width="{width}" height="{y}" fill="#fff" stroke="none"></rect>'
    box = f'xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}"'
    body = f"<style>{STYLE}</style>{background}{''.join(parts)}"
    return f'<svg role="img" aria-label="{escape(label)}" {box}>{body}</svg>\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="name or path")
    parser.add_argument("data", type=Path, help="paired data, as evaluate reads it")
    parser.add_argument("--split", default="all", help="pairs to show (default: all)")
    parser.add_argument("--limit", type=int, help="at most so many pairs of a camera and ISO (default: all)")
    parser.add_argument("--output", "-o", type=Path, default=FIGURES, help=f"folder (default: {FIGURES})")
    options = parser.parse_args()
    pairs = select(options.data, options.split, limit=options.limit).pairs
    shown = largest(pairs)
    entries = candidates([options.weights], [], fit_note="", load=open_weights(None))
    chosen = sorted((pair for pair in pairs if pair.condition in shown), key=lambda pair: shown.index(pair.condition))
    evaluation = evaluate(chosen, entries, Protocol())
    name = Path(options.weights).stem
    names = ("real", name)
    deviations, means = level_rows(evaluation)
    figures = {
        "std": sheet(deviations, LEVEL_SIZE, names, f"std of real and made noise against the clean level: {name}"),
        "mean": sheet(means, LEVEL_SIZE, names, f"mean of real and made noise against the clean level: {name}"),
        "correlation": sheet(correlation_rows(evaluation), MAP_SIZE, (), f"correlation of real and made noise: {name}"),
    }
    for kind, figure in figures.items():
        path = options.output / f"{name}-{kind}.svg"
        write_whole(path, figure.encode())
        print(f"{path}: {len(figure.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
