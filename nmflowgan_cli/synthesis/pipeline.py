"""Many pictures: decoding and encoding in threads, beside the model, which works in the calling thread.

Few pictures are under way at any time, results come in the order of the jobs, and a picture that fails
does not stop the others.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from nmflowgan_cli.errors import NmflowganError, OutOfMemoryError
from nmflowgan_cli.imaging import Picture, read, write
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.engine import DEFAULT_TILE, synthesize
from nmflowgan_cli.synthesis.manifest import DONE, FAILED, SKIPPED, Record, sha256
from nmflowgan_cli.synthesis.plan import Job

DEFAULT_WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all pictures of a run have in common. `model` is on `device`."""

    model: NoiseModel
    weights: str = ""
    weights_sha256: str = ""
    seed: int = 0
    tile: int = DEFAULT_TILE
    batch: int = 1
    device: torch.device | str = "cpu"
    precision: str = "auto"

    def record(self, job: Job, status: str) -> Record:
        """The manifest's record of `job`."""
        return Record(
            input=str(job.input),
            output=str(job.output),
            status=status,
            camera=job.condition.camera,
            iso=job.condition.iso,
            seed=self.seed,
            repeat=job.repeat,
            relative_path=job.relative_path,
            weights=self.weights,
            weights_sha256=self.weights_sha256,
        )


@dataclass(frozen=True)
class Item:
    """A job and what became of it."""

    job: Job
    record: Record
    error: NmflowganError | None = None


Progress = Callable[[float], None]
"""Told the share of the present picture that is done, in [0, 1]."""


def run(
    jobs: Sequence[Job],
    recipe: Recipe,
    *,
    workers: int = DEFAULT_WORKERS,
    skip: Callable[[Job], bool] = lambda job: False,
    progress: Progress | None = None,
) -> Generator[Item]:
    """Make the noisy pictures, and yield what became of each, in the order of `jobs`.

    `workers`: threads that decode, as many again that encode, and pictures that wait on either side. Jobs that
    `skip` holds for done are yielded as skipped. On an interruption nothing is left half-written.
    """
    with _threads(workers) as decoders, _threads(workers) as encoders:
        under_way: deque[Future[Item]] = deque()
        for job, decoded in _ahead(decoders, lambda job: None if skip(job) else _decode(job), jobs, workers):
            under_way.append(encoders.submit(_encode, job, recipe, _sample(job, recipe, decoded.result(), progress)))
            del decoded  # it holds the clean picture
            while len(under_way) > workers or (under_way and under_way[0].done()):
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


Outcome = tuple[Picture, str | None] | NmflowganError | None
"""A picture and the SHA-256 of its file; or what went wrong; or None for a job that is skipped."""


@contextmanager
def _threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose waiting work is dropped, and whose present work is finished, when the context is left."""
    pool = ThreadPoolExecutor(max(workers, 1))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[Job], Outcome], jobs: Sequence[Job], depth: int
) -> Iterator[tuple[Job, Future[Outcome]]]:
    """Each job with its work under way; at most `depth` are worked on before they are asked for."""
    started: deque[tuple[Job, Future[Outcome]]] = deque()
    for job in jobs:
        started.append((job, pool.submit(work, job)))
        if len(started) > depth:
            yield started.popleft()
    while started:
        yield started.popleft()


def _guarded(work: Callable[[], Any], job: Job) -> Any:
    """What `work` returns, or the error that the user is told of this one picture."""
    try:
        return work()
    except NmflowganError as error:
        return error
    except MemoryError:
        return OutOfMemoryError(f"out of memory for {job.input}", "use fewer --workers, or cut the picture")


def _decode(job: Job) -> Outcome:
    return _guarded(lambda: (read(job.input), sha256(job.input)), job)


def _sample(job: Job, recipe: Recipe, decoded: Outcome, progress: Progress | None) -> Outcome:
    if not isinstance(decoded, tuple):
        return decoded
    picture, digest = decoded
    options = {name: getattr(recipe, name) for name in ("tile", "batch", "device", "precision")}
    key = picture_key(recipe.seed, job.relative_path, job.repeat)

    def noisy() -> Outcome:
        rgb = synthesize(recipe.model, picture.rgb, job.condition, key, progress=progress, **options)
        return replace(picture, rgb=rgb), digest

    return _guarded(noisy, job)


def _encode(job: Job, recipe: Recipe, outcome: Outcome) -> Item:
    """Write the picture, if there is one, and tell what became of the job."""
    if isinstance(outcome, tuple):
        picture, digest = outcome
        failure = _guarded(lambda: write(job.output, picture), job)
        if failure is None:
            record = replace(recipe.record(job, DONE), input_sha256=digest, output_sha256=sha256(job.output))
            return Item(job, record)
        outcome = failure
    if isinstance(outcome, NmflowganError):
        return Item(job, replace(recipe.record(job, FAILED), error=str(outcome)), outcome)
    return Item(job, recipe.record(job, SKIPPED))
