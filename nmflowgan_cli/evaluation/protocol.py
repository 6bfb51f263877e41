"""The protocol: every pair once, every model on the same clean pictures with the same random fields.

Cells are (camera, ISO) pairs. Within a camera all cells weigh the same, and so do cameras in the mean of
cameras and cells in the mean of cells: many crops of one scene give no weight to it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.origin import Origin
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.errors import ConditionError, NmflowganError, OutOfMemoryError, PictureError
from nmflowgan_cli.evaluation.bootstrap import Resamples, intervals, mean_resamples, resampled
from nmflowgan_cli.evaluation.pair_scores import Candidate, Protocol, Subject, open_subject, score_pair
from nmflowgan_cli.evaluation.pair_scores import Draw as Draw
from nmflowgan_cli.evaluation.scores import NoiseStatistics, PictureScore, Scores, average, cell_scores

OnFailure = Callable[[Paired, NmflowganError], Any]
"""Called with a pair that was left out, and the reason; by all models, or by the one that the error names."""


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
    failed: int = 0
    """Pairs that the model failed on."""
    pictures: Sequence[PictureScore] = field(default=(), compare=False, repr=False)
    """The scores of the single pairs."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of all models over the same pairs."""

    protocol: Protocol
    real: Mapping[Condition, NoiseStatistics] = field(compare=False, repr=False)
    """The real noise of each cell, pooled."""
    results: Sequence[Result]
    origins: Mapping[Origin, int] = field(default_factory=dict)
    """How many pairs have noise of which origin: what stands for real noise."""
    without_scores: Sequence[str] = ()
    """Models that know none of the pairs, or failed on all that they know."""

    @property
    def reference(self) -> str:
        """The noise that models are compared with: "real" where all of it is stated to be."""
        return "real" if all(origin.real for origin in self.origins) else "reference"


@dataclass
class _Tally:
    """The scores of one candidate so far."""

    pictures: list[PictureScore] = field(default_factory=list)
    skipped: int = 0
    failed: int = 0


def evaluate(
    pairs: Iterable[Paired],
    candidates: Sequence[Candidate],
    protocol: Protocol,
    *,
    skip_unknown: bool = False,
    on_failure: OnFailure | None = None,
) -> Evaluation:
    """The result of each candidate over all pairs; none for a candidate without a scored pair.

    A pair that cannot be read, or that a candidate fails on, is handed to `on_failure` and left out (raised, where
    that is None). Raises ConditionError where a candidate does not know a pair's condition, unless `skip_unknown`.
    """
    tallies = [_Tally() for _ in candidates]
    real: defaultdict[Condition, NoiseStatistics] = defaultdict(NoiseStatistics)
    origins: Counter[Origin] = Counter()
    for pair in pairs:
        known = [_knows(candidate, pair.condition, skip_unknown=skip_unknown) for candidate in candidates]
        try:
            subject = open_subject(pair, protocol)
        except PictureError as error:
            if on_failure is None:
                raise
            on_failure(pair, error)
            continue
        real[pair.condition].merge(subject.statistics)
        origins[pair.origin] += 1
        for candidate, tally, knows in zip(candidates, tallies, known, strict=True):
            if knows:
                _enter(candidate, pair, subject, protocol, tally=tally, on_failure=on_failure)
            else:
                tally.skipped += 1
    entries = list(zip(candidates, tallies, strict=True))
    results = [_result(candidate, tally, protocol) for candidate, tally in entries if tally.pictures]
    return Evaluation(protocol, real, results, origins, [one.name for one, tally in entries if not tally.pictures])


def require_known(candidates: Sequence[Candidate], conditions: Iterable[Condition]) -> None:
    """Raise ConditionError for the first condition that a candidate does not know, before any work is done."""
    for condition in dict.fromkeys(conditions):
        for candidate in candidates:
            _knows(candidate, condition, skip_unknown=False)


def _knows(candidate: Candidate, condition: Condition, *, skip_unknown: bool) -> bool:
    try:
        candidate.check(condition)
    except ConditionError as error:
        if skip_unknown:
            return False
        raise ConditionError(f"{candidate.name}: {error.message}", f"{error.hint}; or --skip-unknown") from None
    return True


def _enter(
    candidate: Candidate,
    pair: Paired,
    subject: Subject,
    protocol: Protocol,
    *,
    tally: _Tally,
    on_failure: OnFailure | None,
) -> None:
    """One candidate's noise on one pair, entered into its tally; a failure of the model costs it this pair."""
    try:
        tally.pictures.append(score_pair(candidate, subject, protocol))
    except OutOfMemoryError:
        raise
    except NmflowganError as error:
        if on_failure is None:
            raise
        tally.failed += 1
        on_failure(pair, NmflowganError(f"{candidate.name}: {error.message}", f"{pair.name} is left out of its scores"))


@dataclass(frozen=True)
class _Measured:
    """The scores of a cell or of a mean of cells, and their bootstrap resamples."""

    drawn: Resamples
    scores: Scores
    pairs: int

    def with_intervals(self) -> Scores:
        """The scores with their intervals."""
        return replace(self.scores, intervals=intervals(self.drawn, self.pairs))


def _mean(parts: Iterable[_Measured]) -> _Measured:
    """The mean in which all parts weigh the same."""
    parts = list(parts)
    scores = average([part.scores for part in parts])
    return _Measured(mean_resamples([part.drawn for part in parts]), scores, sum(part.pairs for part in parts))


def _result(candidate: Candidate, tally: _Tally, protocol: Protocol) -> Result:
    """The scores of all cells, and their means, with their intervals."""
    pictures = tally.pictures
    conditions = sorted({picture.condition for picture in pictures}, key=lambda cell: (cell.camera, cell.iso))
    drawn = resampled(pictures, conditions, protocol.seed)
    members = {cell: [picture for picture in pictures if picture.condition == cell] for cell in conditions}
    noise = {cell: _merged(members[cell], "fake") for cell in conditions}
    cells = {
        cell: _Measured(drawn[cell], cell_scores(mine, _merged(mine, "real"), noise[cell]), len(mine))
        for cell, mine in members.items()
    }
    cameras = {
        camera: _mean(cells[cell] for cell in conditions if cell.camera == camera)
        for camera in dict.fromkeys(cell.camera for cell in conditions)
    }
    return Result(
        name=candidate.name,
        note=candidate.note,
        cells={cell: measured.with_intervals() for cell, measured in cells.items()},
        cameras={camera: measured.with_intervals() for camera, measured in cameras.items()},
        mean_of_cameras=_mean(cameras.values()).with_intervals(),
        mean_of_cells=_mean(cells.values()).with_intervals(),
        patch_weighted_kld=float(np.average([p.kld for p in pictures], weights=[p.patches for p in pictures])),
        skipped=tally.skipped,
        noise=noise,
        failed=tally.failed,
        pictures=pictures,
    )


def _merged(pictures: Iterable[PictureScore], side: str) -> NoiseStatistics:
    """The noise of these pairs, pooled; `side`: "real" or "fake"."""
    noise = NoiseStatistics()
    for picture in pictures:
        noise.merge(getattr(picture, side))
    return noise
