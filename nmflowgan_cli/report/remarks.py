"""Remarks on an evaluation: pairs that were left out, and reasons for unknown numbers."""

import math

from nmflowgan_cli.data.origin import stated
from nmflowgan_cli.evaluation.protocol import Evaluation, Result
from nmflowgan_cli.evaluation.scores import Scores
from nmflowgan_cli.metrics.noise import LEAST_PIXELS, LEVEL_BIN


def remarks(evaluation: Evaluation) -> list[str]:
    """Remarks as sentences, without repeats."""
    reason = "has no scores: it knows none of these pairs, or failed on all that it knows"
    found = [*_reference(evaluation), *(f"{name} {reason}" for name in evaluation.without_scores)]
    for result in evaluation.results:
        found += _left_out(result)
        for cell, scores in result.cells.items():
            found += [f"{cell}: {reason}" for reason in _unknown(result.name, scores)]
    return list(dict.fromkeys(found))


def _reference(evaluation: Evaluation) -> list[str]:
    """A warning where the noise that models are compared with is not stated to be real."""
    synthetic = {origin: count for origin, count in evaluation.origins.items() if origin.synthetic}
    unstated = sum(count for origin, count in evaluation.origins.items() if not origin.noise)
    found = [f"no real noise: models are compared with {stated(synthetic)}"] if synthetic else []
    return [*found, f"{unstated} pairs do not state the origin of their noise"] if unstated else found


def _left_out(result: Result) -> list[str]:
    skipped = f"{result.name}: {result.skipped} pairs of cameras or ISOs that it does not know were skipped"
    failed = f"{result.name}: {result.failed} pairs that it failed on were left out"
    return [skipped] * (result.skipped > 0) + [failed] * (result.failed > 0)


def _unknown(name: str, scores: Scores) -> list[str]:
    reasons = []
    if scores.std_real == 0:
        reasons.append("the noise of the pairs is the same everywhere (black pictures?): no std ratio and correlations")
    elif scores.std_fake == 0:
        reasons.append(f"the noise of {name} is the same everywhere: no correlations")
    if math.isnan(scores.std_curve):
        reasons.append(f"no {LEVEL_BIN} levels hold {LEAST_PIXELS} pixels: no std and mean curves")
    return reasons
