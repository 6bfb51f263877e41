"""What the page shows of one camera at one ISO: numbers, curves, histograms, correlations, pictures."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.protocol import Evaluation
from nmflowgan_cli.evaluation.scores import NoiseStatistics
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.metrics.noise import REACH, level_curves
from nmflowgan_cli.report.crops import Example
from nmflowgan_cli.report.gallery_section import example_figure
from nmflowgan_cli.report.markup import Markup, element
from nmflowgan_cli.report.plots import (
    colour,
    correlation_plot,
    correlation_scale,
    dashes,
    histogram_plot,
    level_plot,
    shared_limits,
)
from nmflowgan_cli.report.score_tables import scores_table

CHANNEL_NAMES = ("red", "green", "blue")
LEAST_LIMIT = 0.1
"""The colours of a correlation map reach at least so far, so that chance does not look like structure."""

Cameras = Mapping[str, Sequence[Condition]]
"""The conditions of each camera, in the order of the page."""

Sources = Mapping[int, tuple[str, NoiseStatistics]]
"""The real noise (0) and that of the models that know the condition, by the number that their colour goes by."""


def condition_section(evaluation: Evaluation, condition: Condition, example: Example | None, key: str) -> Markup:
    """Everything about one condition, under a heading with the id `key`."""
    sources = noise_sources(evaluation, condition)
    scores = [(result.name, result.cells[condition]) for result in evaluation.results if condition in result.cells]
    return element(
        "section",
        element("h3", str(condition), id=key),
        example_figure(example, key) if example else Markup(),
        scores_table({"": scores}, caption=str(condition)),
        legend((source, name) for source, (name, _) in sources.items()),
        _curves(sources, condition),
        element("div", _histogram(sources, condition), _correlations(sources, condition), class_="pair"),
        class_="condition",
    )


def noise_sources(evaluation: Evaluation, condition: Condition) -> Sources:
    """The noises of a condition."""
    models = enumerate(evaluation.results, 1)
    made = {index: (result.name, result.noise[condition]) for index, result in models if condition in result.cells}
    return {0: ("real", evaluation.real[condition]), **made}


def legend(names: Iterable[tuple[int, str]]) -> Markup:
    """The line of each source of noise, and its name."""
    return element("ul", *(element("li", _sample(source), name) for source, name in names), class_="legend")


def _sample(source: int) -> Markup:
    line = element(
        "line",
        x1=0,
        x2=28,
        y1=5,
        y2=5,
        stroke=colour(source),
        stroke_width=3 if source == 0 else 2,
        stroke_dasharray=dashes(source) or None,
    )
    return element("svg", line, viewBox="0 0 28 10", width=28, height=10, aria_hidden="true")


def _curves(sources: Sources, condition: Condition) -> Markup:
    """Std and mean of the noise over the clean level, for each channel."""
    curves = {source: level_curves(noise.levels) for source, (_, noise) in sources.items()}
    plots = element("div", *level_plots(curves, f"{condition}, {_named(sources)}"), class_="plots")
    caption = "Noise against the clean level, in bins of 8 counts with at least 500 pixels."
    return element("figure", plots, element("figcaption", caption))


def _named(sources: Sources) -> str:
    return ", ".join(name for name, _ in sources.values())


def level_plots(curves: Mapping[int, tuple[FloatArray, FloatArray]], about: str) -> Iterable[Markup]:
    """Plots of the std of red, green and blue, then of the mean, from the `level_curves` of each source of noise."""
    for index, what in ((1, "std"), (0, "mean")):
        limits = shared_limits([pair[index].ravel() for pair in curves.values()])
        for channel, name in enumerate(CHANNEL_NAMES):
            shown = {source: pair[index][channel] for source, pair in curves.items()}
            label = f"{what} of the {name} noise against the clean level: {about}"
            yield level_plot(shown, title=f"{what} of {name} (counts)", label=label, limits=limits)


def _histogram(sources: Sources, condition: Condition) -> Markup:
    counts = {source: noise.histogram for source, (_, noise) in sources.items()}
    label = f"histograms of the noise: {condition}, {_named(sources)}"
    plot = histogram_plot(counts, title="share of pixels", label=label)
    return element("figure", plot, element("figcaption", "Noise of all pixels, channels pooled."), class_="plot")


def _correlations(sources: Sources, condition: Condition) -> Markup:
    """A map for each source, mean of the channels, and the scale that all share."""
    maps = {name: noise.spatial.map().mean(0) for name, noise in (entry for _, entry in sources.items())}
    limit = correlation_limit(list(maps.values()))
    plots = [
        correlation_plot(values, limit, title=name, label=f"{condition}: spatial correlation of the noise: {name}")
        for name, values in maps.items()
    ]
    scale = correlation_scale(limit, label=f"{condition}: colours of correlations from {-limit:g} to {limit:g}")
    text = (
        f"Correlation of the noise with itself, up to {REACH} pixels each way, mean of the channels; 1 in the middle."
    )
    return element(
        "figure",
        element("div", *plots, class_="maps"),
        element("div", scale, class_="scale"),
        element("figcaption", text),
    )


def correlation_limit(maps: Sequence[FloatArray]) -> float:
    """The largest correlation outside of the middle, rounded up to a twentieth."""
    outside = np.array(maps)
    outside[:, REACH, REACH] = 0
    largest = np.nanmax(np.abs(outside), initial=LEAST_LIMIT)
    return float(np.ceil(largest * 20 - 1e-9) / 20)


def conditions_by_camera(evaluation: Evaluation) -> Cameras:
    """The conditions that some model was judged on, in order, by camera."""
    known = {condition for result in evaluation.results for condition in result.cells}
    cameras = sorted({condition.camera for condition in known})
    return {camera: sorted((c for c in known if c.camera == camera), key=lambda c: c.iso) for camera in cameras}


def identifiers(cameras: Cameras) -> dict[Condition, str]:
    """The ids of the conditions' headings, whatever their cameras' names."""
    groups = enumerate(cameras.values(), 1)
    return {each: f"camera-{index}-iso-{each.iso}" for index, group in groups for each in group}
