"""SVG plots: well-formed, in the colours of the page, with the given numbers."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from nmflowgan_cli.metrics.noise import FINE
from nmflowgan_cli.report import plots

LEVELS = np.linspace(2, 10, 32)
MAP = np.eye(17)


def normal_counts(std, pixels=100_000):
    noise = np.rint(np.random.default_rng(1).normal(0, std, (1, pixels)))
    return FINE.histograms(noise)[0]


def drawn():
    """One of each kind."""
    return {
        "level": plots.level_plot({0: LEVELS, 1: LEVELS + 1, 3: LEVELS * np.nan}, title="t", label="level"),
        "histogram": plots.histogram_plot({0: normal_counts(4), 2: normal_counts(6)}, title="t", label="histogram"),
        "correlation": plots.correlation_plot(MAP, 0.5, title="a <b> & c", label="correlation"),
        "scale": plots.correlation_scale(0.5, label="scale"),
    }


def points(svg, source):
    """The points of the line of a source, in units of the plot."""
    colour = re.escape(plots.colour(source))
    paths = re.findall(rf'<path d="([^"]*)" clip-path="[^"]*" style="fill: none; [^"]*stroke: {colour}', svg)
    return [np.array(re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path), float) for path in paths]


@pytest.mark.parametrize("kind", ["level", "histogram", "correlation", "scale"])
def test_a_plot_is_svg_that_can_stand_in_a_page(kind):
    svg = drawn()[kind]
    assert svg == drawn()[kind]
    root = ET.fromstring(svg)
    assert root.get("aria-label") == kind
    assert root.get("role") == "img"
    text = str(svg)
    assert "http" not in text
    assert "font-family" not in text
    assert "<style" not in text
    assert not re.search(r"#0[0-9a-f]{5}\b", text.split("base64")[0])
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', text)) <= {
        pair for i in ids for pair in ((i, ""), ("", i))
    }


def test_plots_in_one_page_share_no_ids():
    ids = [name for svg in drawn().values() for name in re.findall(r' id="([^"]*)"', svg)]
    assert len(ids) == len(set(ids))


def test_curves_are_where_their_numbers_are():
    gap = np.where(np.arange(32) == 10, np.nan, LEVELS)
    svg = plots.level_plot({0: LEVELS, 1: 12 - LEVELS, 2: gap}, title="t", label="x", limits=(0, 12))
    [real], [mirrored] = points(svg, 0), points(svg, 1)
    assert np.allclose(np.diff(real[:, 0]), np.diff(real[:, 0]).mean(), atol=0.11)
    assert np.corrcoef(real[:, 1], -LEVELS)[0, 1] > 0.9999
    heights = real[:, 1] + mirrored[:, 1]
    assert np.allclose(heights, heights[0], atol=0.21)
    [broken] = points(svg, 2)
    assert len(broken) == 31


def test_a_value_without_neighbours_is_seen():
    alone = np.full(32, np.nan)
    alone[7] = 5
    marked = plots.level_plot({1: alone}, title="t", label="x")
    unmarked = plots.level_plot({1: LEVELS}, title="t", label="x")
    assert f"fill: {plots.colour(1)}" in marked
    assert f"fill: {plots.colour(1)}" not in unmarked


def test_colours_and_dashes_tell_models_apart():
    styles = {(plots.colour(source), plots.dashes(source)) for source in range(9)}
    assert len(styles) == 9
    assert plots.colour(0) == "currentColor"
    assert plots.colour(1) == plots.colour(9)


def test_limits_hold_all_curves_and_zero():
    low, high = plots.shared_limits([LEVELS, np.array([np.nan, -3.0])])
    assert low < -3
    assert high > 10
    assert plots.shared_limits([LEVELS])[0] == 0
    assert plots.shared_limits([np.array([np.nan])]) is None


def test_a_histogram_reaches_as_far_as_the_widest_source():
    narrow = plots.histogram_plot({0: normal_counts(2)}, title="t", label="x")
    wide = plots.histogram_plot({0: normal_counts(2), 1: normal_counts(20)}, title="t", label="x")
    [few], [many] = points(narrow, 0), points(wide, 1)
    assert len(few) < len(many)
    top = many[np.argmin(many[:, 1]), 0]
    assert top == pytest.approx(many[:, 0].mean(), abs=10)
