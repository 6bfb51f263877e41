"""Plots of real and synthetic noise at one camera and ISO."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.protocol import Evaluation
from nmflowgan_cli.evaluation.scores import NoiseStatistics
from nmflowgan_cli.metrics.moments import FloatArray
from nmflowgan_cli.metrics.noise import REACH, level_curves
from nmflowgan_cli.report.plots import correlation_plot, correlation_scale, histogram_plot, level_plot, shared_limits

CHANNEL_NAMES = ("red", "green", "blue")
LEAST_LIMIT = 0.1
"""Least limit of the colours of correlation maps, so that chance does not look like structure."""

Sources = Mapping[int, tuple[str, NoiseStatistics]]
"""Names and statistics of the real noise (0) and of the models that know the condition, by number (see `plots`)."""


def noise_sources(evaluation: Evaluation, condition: Condition) -> Sources:
    """Real noise of a condition, and that of the models that know it."""
    models = enumerate(evaluation.results, 1)
    made = {index: (result.name, result.noise[condition]) for index, result in models if condition in result.cells}
    return {0: (evaluation.reference, evaluation.real[condition]), **made}


def condition_plots(sources: Sources, condition: Condition) -> dict[str, str | list[str]]:
    """SVG of a condition: `curves` over the clean level, `histogram`, `correlations`, and their colour `scale`."""
    about = f"{condition}, {', '.join(name for name, _ in sources.values())}"
    curves = {source: level_curves(noise.levels) for source, (_, noise) in sources.items()}
    counts = {source: noise.histogram for source, (_, noise) in sources.items()}
    maps = {name: noise.spatial.map().mean(0) for name, noise in sources.values()}
    limit = correlation_limit(maps.values())
    return {
        "curves": list(level_plots(curves, about)),
        "histogram": histogram_plot(counts, title="share of pixels", label=f"histograms of the noise: {about}"),
        "correlations": [
            correlation_plot(values, limit, title=name, label=f"{condition}: spatial correlation of the noise: {name}")
            for name, values in maps.items()
        ],
        "scale": correlation_scale(limit, label=f"{condition}: colours of correlations from {-limit:g} to {limit:g}"),
    }


def level_plots(curves: Mapping[int, tuple[FloatArray, FloatArray]], about: str) -> Iterator[str]:
    """SVG of the std of red, green and blue, then of the mean, from the `level_curves` of each source of noise."""
    for index, what in ((1, "std"), (0, "mean")):
        limits = shared_limits([pair[index].ravel() for pair in curves.values()])
        for channel, name in enumerate(CHANNEL_NAMES):
            shown = {source: pair[index][channel] for source, pair in curves.items()}
            label = f"{what} of the {name} noise against the clean level: {about}"
            yield level_plot(shown, title=f"{what} of {name} (counts)", label=label, limits=limits)


def correlation_limit(maps: Iterable[FloatArray]) -> float:
    """The largest absolute correlation but at shift 0, rounded up to a multiple of 0.05, at least LEAST_LIMIT."""
    outside = np.array(list(maps))
    outside[:, REACH, REACH] = 0
    largest = np.nanmax(np.abs(outside), initial=LEAST_LIMIT)
    return float(np.ceil(largest * 20 - 1e-9) / 20)
