"""Many pictures: each is read, sampled and written by a thread of its own, a few at a time.

While the model works on one picture, others are decoded and encoded; their tiles share the lanes of the device.
Results come in the order of the jobs, and a picture that fails does not stop the others.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, TypeVar

import torch

from nmflowgan_cli import files, interruption
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.origin import Origin
from nmflowgan_cli.errors import DiskError, NmflowganError, OutOfMemoryError, PictureError
from nmflowgan_cli.imaging import Pixels, dtype_of, memory, read, refuse_unwritable, with_depth, write
from nmflowgan_cli.imaging.memory import Room
from nmflowgan_cli.journal import DONE, FAILED, SKIPPED
from nmflowgan_cli.models.base import NoiseModel
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.runtime import lanes, resolve_precision
from nmflowgan_cli.synthesis.engine import synthesize
from nmflowgan_cli.synthesis.manifest import Record, sha256_or_none
from nmflowgan_cli.synthesis.plan import Job

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
Facts = dict[str, Any]

DEFAULT_WORKERS = 3
"""One picture is read while another is sampled and a third written."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Model and settings that all pictures of a run have in common. `model` is on `device`."""

    model: NoiseModel
    weights: str = ""
    weights_sha256: str = ""
    seed: int = 0
    tile: int | None = None
    batch: int | None = None
    device: torch.device | str = "cpu"
    precision: str = "auto"
    references: tuple[str, ...] = ()
    """SHA-256 of the pictures that a noise profile was estimated from."""

    @property
    def origin(self) -> Origin:
        """Of the noise that it makes."""
        return Origin(self.weights, self.weights_sha256, self.seed)

    def sample(
        self,
        rgb: Pixels,
        condition: Condition,
        key: int,
        shared: Executor,
        progress: Callable[[float], None],
        depth: int = 8,
    ) -> Pixels:
        """The noisy picture of `rgb`, of `depth` bits a channel; see `engine.synthesize`. `shared`: the run's lanes."""
        return synthesize(
            self.model,
            rgb,
            condition,
            key,
            tile=self.tile,
            batch=self.batch,
            device=self.device,
            precision=self.precision,
            lanes=shared,
            progress=progress,
            dtype=dtype_of(depth),
        )

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
            input_frame=job.frame,
            weights=self.weights,
            weights_sha256=self.weights_sha256,
            references=self.references,
            precision=resolve_precision(self.precision, torch.device(self.device)),
        )


@dataclass(frozen=True)
class Item:
    """A finished job: its record, and its error if it failed."""

    job: Job
    record: Record
    error: NmflowganError | None = None
    notes: tuple[str, ...] = ()
    """What the picture lost beside its pixels, each in one line."""


JobProgress = Callable[[Job, float], None]
"""Callback for the share of a job that is done, in [0, 1]; called from several threads."""


def run(
    jobs: Sequence[Job],
    sampler: Sampler,
    *,
    workers: int = DEFAULT_WORKERS,
    skip: Callable[[Job], bool] = lambda job: False,
    progress: JobProgress = lambda job, share: None,
) -> Generator[Item]:
    """The results of `run_in_batches`, one by one."""
    with closing(run_in_batches(jobs, sampler, workers=workers, skip=skip, progress=progress)) as batches:
        for batch in batches:
            yield from batch


def run_in_batches(
    jobs: Sequence[Job],
    sampler: Sampler,
    *,
    workers: int = DEFAULT_WORKERS,
    skip: Callable[[Job], bool] = lambda job: False,
    progress: JobProgress = lambda job, share: None,
) -> Generator[list[Item]]:
    """Make the noisy pictures, and yield their results, in the order of `jobs`, as many at a time as there are.

    `workers`: how many pictures are under way at a time, as far as memory has room for them. Jobs that `skip` holds
    for done are yielded as skipped.
    When the generator is closed, pictures that are being written are finished and all others dropped.
    Raises DiskError where nothing more can be written, after the results of all jobs before.
    """
    room = Room()
    return in_batches(
        jobs,
        lambda job, shared: _do(job, sampler, skip, shared, progress, room),
        device=sampler.device,
        workers=workers,
        ahead=4 * workers,  # so many records are synced together where pictures are small
    )


def in_order(
    items: Iterable[_Item],
    work: Callable[[_Item, Executor], _Result],
    *,
    device: torch.device | str,
    workers: int,
    ahead: int,
) -> Generator[_Result]:
    """The results of `in_batches`, one by one."""
    with closing(in_batches(items, work, device=device, workers=workers, ahead=ahead)) as batches:
        for batch in batches:
            yield from batch


def in_batches(
    items: Iterable[_Item],
    work: Callable[[_Item, Executor], _Result],
    *,
    device: torch.device | str,
    workers: int,
    ahead: int,
) -> Generator[list[_Result]]:
    """`work(item, lanes)` for every item, `workers` at a time on threads; results in the order of the items.

    `ahead`: how many results may wait to be taken. When the generator is closed, work that has begun is finished and
    the rest dropped. After a signal the results that are there are yielded, and then KeyboardInterrupt is raised
    without waiting for any other.
    """
    pool = ThreadPoolExecutor(max(workers, 1), "picture")
    try:
        with lanes(device) as shared:
            waiting: deque[Future[_Result]] = deque()
            for item in takewhile(lambda _: not interruption.asked(), items):
                waiting.append(pool.submit(work, item, shared))
                if len(waiting) > ahead:
                    yield _finished(waiting)
            while waiting:
                yield _finished(waiting)
            interruption.check()
    finally:
        pool.shutdown(wait=not interruption.asked(), cancel_futures=True)


def _finished(waiting: deque[Future[_Result]]) -> list[_Result]:
    """The first result, when it is there, and those right after it that are there, too."""
    results = [interruption.result(waiting.popleft())]
    while waiting and waiting[0].done() and waiting[0].exception() is None:
        results.append(waiting.popleft().result())
    return results


def _do(
    job: Job,
    sampler: Sampler,
    skip: Callable[[Job], bool],
    shared: Executor,
    progress: JobProgress,
    room: Room,
) -> Item:
    """Read, sample and write one picture; an error that concerns this picture alone becomes its result."""
    interruption.check()
    if skip(job):
        return Item(job, sampler.record(job, SKIPPED))
    try:
        with room.taken(memory(job.input, frame=job.frame)):
            made, notes = _make(job, sampler, shared, progress)
    except DiskError:
        raise
    except NmflowganError as error:
        return _failed(job, sampler, error)
    except MemoryError:
        hint = "use fewer --workers, or cut the picture into pieces"
        return _failed(job, sampler, OutOfMemoryError(f"out of memory for {job.input}", hint))
    try:
        output = {"output_size": job.output.stat().st_size, "output_sha256": files.digest(job.output)}
    except OSError as error:
        return _failed(job, sampler, PictureError(f"cannot read {job.output} again: {error.strerror}"))
    return Item(job, replace(sampler.record(job, DONE), **made, **output), notes=notes)


def _failed(job: Job, sampler: Sampler, error: NmflowganError) -> Item:
    return Item(job, replace(sampler.record(job, FAILED), error=str(error)), error)


def _make(job: Job, sampler: Sampler, shared: Executor, progress: JobProgress) -> tuple[Facts, tuple[str, ...]]:
    """Write the noisy picture; what its record says of the clean one, and what was lost beside its pixels."""
    picture = read(job.input, deepest=16, frame=job.frame)
    depth = job.depth_of(picture.depth)
    picture = replace(picture, alpha=None if picture.alpha is None else with_depth(picture.alpha, depth))
    refuse_unwritable(job.output, picture, depth=depth)
    key = picture_key(sampler.seed, job.relative_path, job.repeat)
    noisy = sampler.sample(picture.rgb, job.condition, key, shared, lambda share: progress(job, share), depth)
    extrapolated = sampler.model.extrapolated(with_depth(picture.rgb, 8), job.condition)
    interruption.check()
    rounded = [f"rounded to {depth} bits a channel"] if job.depth is None and depth < picture.depth else []
    picture = replace(picture, rgb=noisy)  # the clean pixels are let go before encoding takes memory
    lost = write(job.output, picture)
    made = {"input_sha256": sha256_or_none(job.input), "extrapolated": extrapolated, "depth": depth}
    return made, (*picture.notes, *rounded, *lost)
