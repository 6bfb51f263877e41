"""The protocol: every pair once, every model on the same clean pictures with the same random fields.

Cells are (camera, ISO) pairs. Within a camera all cells weigh the same, and so do cameras in the mean of
cameras and cells in the mean of cells: whoever has many crops of one scene gains nothing by it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.pairs import Pair
from nmflowgan_cli.errors import ConditionError, PictureError
from nmflowgan_cli.evaluation.metrics import FINE, PATCH, akld, patch_kld, self_floor
from nmflowgan_cli.evaluation.scores import (
    UNKNOWN,
    NoiseStatistics,
    PictureScore,
    Scores,
    average,
    cell_scores,
    kld_intervals,
)
from nmflowgan_cli.moments import FloatArray, noise_of
from nmflowgan_cli.randomness import picture_key

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Draw:
    """What a model made of a clean picture."""

    noisy: Bytes
    """(H, W, 3) uint8."""
    unrounded: NDArray[np.float32] | None = None
    """The same, (H, W, 3) float32 counts before rounding and clipping, for `kld_official`."""


Synthesizer = Callable[[Bytes, Condition, int], Draw]
"""From a clean picture (H, W, 3) uint8, a condition and a picture's random key to a noisy picture."""


@dataclass(frozen=True)
class Contender:
    """A model under test."""

    name: str
    synthesize: Synthesizer
    check: Callable[[Condition], None]
    """Raises ConditionError for a condition that the model does not know."""
    note: str = ""
    """What a reader must know of it, like the data it was fitted on."""


@dataclass(frozen=True)
class Protocol:
    """How to measure: patches of `patch` pixels every `step`, random fields from `seed`."""

    patch: int = PATCH
    step: int = PATCH
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """The scores of one model."""

    name: str
    note: str
    cells: Mapping[Condition, Scores]
    cameras: Mapping[str, Scores]
    """Means of a camera's cells."""
    mean_of_cameras: Scores
    mean_of_cells: Scores
    patch_weighted_kld: float
    skipped: int
    """Pairs whose condition the model does not know."""
    noise: Mapping[Condition, NoiseStatistics] = field(compare=False, repr=False)
    """The synthetic noise of each cell, pooled."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured of all models over the same pairs."""

    protocol: Protocol
    real: Mapping[Condition, NoiseStatistics] = field(compare=False, repr=False)
    """The real noise of each cell, pooled."""
    results: Sequence[Result]


@dataclass
class _Tally:
    """What one contender has shown so far."""

    pictures: list[PictureScore] = field(default_factory=list)
    fake: defaultdict[Condition, NoiseStatistics] = field(default_factory=lambda: defaultdict(NoiseStatistics))
    skipped: int = 0


def evaluate(
    pairs: Iterable[Pair],
    contenders: Sequence[Contender],
    protocol: Protocol,
    *,
    skip_unknown: bool = False,
    on_failure: Callable[[Pair, PictureError], Any] | None = None,
) -> Evaluation:
    """The result of each contender over all pairs; of none that had no pair to show itself on.

    A pair that cannot be read is handed to `on_failure` and left out (raised, where that is None). Raises
    ConditionError where a contender does not know a pair's condition, unless `skip_unknown`.
    """
    tallies = [_Tally() for _ in contenders]
    real: defaultdict[Condition, NoiseStatistics] = defaultdict(NoiseStatistics)
    for pair in pairs:
        try:
            clean, noisy = _loaded(pair, protocol)
        except PictureError as error:
            if on_failure is None:
                raise
            on_failure(pair, error)
            continue
        noise = noise_of(noisy, clean)
        real[pair.condition].add(clean, noise)
        floor = self_floor(noise, size=protocol.patch)
        for contender, tally in zip(contenders, tallies, strict=True):
            if _knows(contender, pair.condition, skip_unknown=skip_unknown):
                _judge(pair, clean, noise, _mean(floor), contender=contender, tally=tally, protocol=protocol)
            else:
                tally.skipped += 1
    entries = zip(contenders, tallies, strict=True)
    results = [_result(contender, tally, real, protocol) for contender, tally in entries if tally.pictures]
    return Evaluation(protocol, real, results)


def _loaded(pair: Pair, protocol: Protocol) -> tuple[Bytes, Bytes]:
    """The pair's pictures; PictureError where they do not hold a single patch."""
    clean, noisy = pair.load()
    if min(clean.shape[:2]) < protocol.patch:
        size = f"{clean.shape[1]}x{clean.shape[0]}"
        raise PictureError(f"{pair.clean} has only {size} pixels", f"less than a patch of {protocol.patch}: --patch")
    return clean, noisy


def _knows(contender: Contender, condition: Condition, *, skip_unknown: bool) -> bool:
    try:
        contender.check(condition)
    except ConditionError as error:
        if skip_unknown:
            return False
        raise ConditionError(f"{contender.name}: {error.message}", f"{error.hint}; or --skip-unknown") from None
    return True


def _judge(
    pair: Pair,
    clean: Bytes,
    real: NDArray[np.int16],
    floor: float,
    *,
    contender: Contender,
    tally: _Tally,
    protocol: Protocol,
) -> None:
    """One contender's noise on one picture, entered into its tally."""
    draw = contender.synthesize(clean, pair.condition, picture_key(protocol.seed, pair.name, 0))
    fake = noise_of(draw.noisy, clean)
    patches = partial(patch_kld, size=protocol.patch, step=protocol.step)
    klds = patches(real, fake)
    official = _mean(patches(real, draw.unrounded - clean)) if draw.unrounded is not None else UNKNOWN
    fine = _mean(patches(real, fake, bins=FINE))
    tally.fake[pair.condition].add(clean, fake)
    tally.pictures.append(PictureScore(pair.condition, len(klds), _mean(klds), official, fine, floor, akld(real, fake)))


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else UNKNOWN


def _result(
    contender: Contender, tally: _Tally, real: Mapping[Condition, NoiseStatistics], protocol: Protocol
) -> Result:
    """The scores of all cells, and their means, with the intervals of the KLD."""
    pictures = tally.pictures
    conditions = sorted(tally.fake, key=lambda condition: (condition.camera, condition.iso))
    cells = {condition: _cell(condition, tally, real, protocol) for condition in conditions}
    groups = {
        camera: [c for c in conditions if c.camera == camera] for camera in sorted({c.camera for c in conditions})
    }
    *of_cameras, of_mean = kld_intervals(pictures, list(groups.values()), protocol.seed)
    [of_cells, _] = kld_intervals(pictures, [conditions], protocol.seed)
    cameras = {
        camera: replace(average([cells[condition] for condition in group]), kld_interval=interval)
        for (camera, group), interval in zip(groups.items(), of_cameras, strict=True)
    }
    return Result(
        name=contender.name,
        note=contender.note,
        cells=cells,
        cameras=cameras,
        mean_of_cameras=replace(average(list(cameras.values())), kld_interval=of_mean),
        mean_of_cells=replace(average(list(cells.values())), kld_interval=of_cells),
        patch_weighted_kld=float(np.average([p.kld for p in pictures], weights=[p.patches for p in pictures])),
        skipped=tally.skipped,
        noise=tally.fake,
    )


def _cell(condition: Condition, tally: _Tally, real: Mapping[Condition, NoiseStatistics], protocol: Protocol) -> Scores:
    pictures = [picture for picture in tally.pictures if picture.condition == condition]
    scores = cell_scores(pictures, real[condition], tally.fake[condition])
    return replace(scores, kld_interval=kld_intervals(pictures, [[condition]], protocol.seed)[0])
