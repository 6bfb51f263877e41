"""Pairs of patches from the plan to the container: whole pictures get their noise, and then they are cut.

So a patch is the crop of what `synthesize` writes for its picture. Pictures are read, sampled, cut and encoded by
threads, a few at a time, and written in the order of the plan.
"""

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from nmflowgan_cli import __version__
from nmflowgan_cli.data.containers import Container, Sample
from nmflowgan_cli.errors import DiskError, NmflowganError, OutOfMemoryError, PictureError
from nmflowgan_cli.files import write_error
from nmflowgan_cli.imaging import Pixels, luma, memory, read, with_depth
from nmflowgan_cli.imaging.memory import Room
from nmflowgan_cli.journal import DONE, FAILED, SKIPPED
from nmflowgan_cli.pairs.cutting import cut as cut_patches
from nmflowgan_cli.pairs.plan import Cut, Lot, Take
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.manifest import sha256_or_none
from nmflowgan_cli.synthesis.pipeline import DEFAULT_WORKERS, Sampler, in_order

Facts = dict[str, Any]


@dataclass(frozen=True)
class LotOutcome:
    """A finished lot: its status, records, errors and files."""

    lot: Lot
    status: str
    """"done", "skipped", or "failed" where none of its pictures could be made."""
    records: list[Facts]
    """For the manifest: one a pair, and one a picture that failed."""
    errors: list[NmflowganError]
    paths: list[Path]
    """The files that were written."""


@dataclass(frozen=True)
class _Result:
    """The result of a picture: its samples and records, or its error."""

    samples: list[Sample]
    records: list[Facts]
    error: NmflowganError | None = None


CutProgress = Callable[[Cut, float], None]
"""Callback for the share of a picture that is done, in [0, 1]; called from several threads."""


def facts(cut: Cut, sampler: Sampler | None) -> list[Facts]:
    """Facts about each pair of `cut`, as JSON values; `sampler` is None for real pairs."""
    take = cut.take
    common = {
        "camera": take.condition.camera,
        "iso": take.condition.iso,
        "scene": take.instance.name if take.instance else take.scene,
        "frame": take.frame,
        "split": take.split,
        "relative_path": take.relative_path,
        "repeat": take.repeat,
        "weights": sampler.weights if sampler else None,
        **(sampler.origin if sampler else take.origin).to_json(),
    }
    places = ({"top": b.top, "left": b.left, "height": b.height, "width": b.width} for b in cut.boxes)
    return [{"key": label.key, **common, **place} for label, place in zip(cut.labels, places, strict=True)]


def inputs(take: Take) -> Facts:
    """The files that a take is made of, and their SHA-256."""
    found: Facts = {"input": str(take.clean), "input_sha256": sha256_or_none(take.clean)}
    if take.input_frame is not None:
        found |= {"input_frame": take.input_frame}
    if take.noisy is not None:
        found |= {"noisy_input": str(take.noisy), "noisy_input_sha256": sha256_or_none(take.noisy)}
    return found


def failure(take: Take, error: NmflowganError) -> Facts:
    """The record of a take that could not be made."""
    return {
        "status": FAILED,
        "error": str(error),
        "input": str(take.clean),
        "relative_path": take.relative_path,
        "repeat": take.repeat,
        "camera": take.condition.camera,
        "iso": take.condition.iso,
        "split": take.split,
        "tool_version": __version__,
    }


def make(
    lots: Sequence[Lot],
    container: Container,
    sampler: Sampler | None,
    *,
    workers: int = DEFAULT_WORKERS,
    skip: Callable[[Lot], bool] = lambda lot: False,
    progress: CutProgress = lambda cut, share: None,
) -> Generator[LotOutcome]:
    """Make the pairs, and yield the outcome of each lot, in their order.

    `sampler`: None where the noisy pictures are there already. `skip`: tells lots that are to be left as they are.
    A picture that fails does not stop the others; DiskError where the container cannot be written, since nothing
    after it could be either. When the generator is closed, the lot that is being written is dropped.
    """
    skipped = cache(lambda number: skip(lots[number]))
    room = Room()
    cuts = (cut for number, lot in enumerate(lots) if not skipped(number) for cut in lot.cuts)
    results = in_order(
        cuts,
        lambda cut, lanes: _result(cut, container, sampler, lanes, progress, room),
        device=sampler.device if sampler else "cpu",
        workers=workers,
        ahead=workers + 1,  # encoded patches of large pictures take memory
    )
    try:
        for number, lot in enumerate(lots):
            yield LotOutcome(lot, SKIPPED, [], [], []) if skipped(number) else _written(lot, container, results)
    finally:
        results.close()


def _written(lot: Lot, container: Container, results: Iterator[_Result]) -> LotOutcome:
    """Write the lot from as many `results` as it has pictures."""
    taken: list[_Result] = []

    def pictures() -> Iterator[list[Sample]]:
        for cut in lot.cuts:
            result = next(results)
            places = [container.places(lot.volume, label) for label in cut.labels]
            records = [record | place for record, place in zip(result.records, places, strict=False)]
            taken.append(_Result([], records, result.error))
            if result.samples:
                yield result.samples

    paths: list[Path] = []
    proof: Facts = {}
    whole = pictures()
    try:
        first = next(whole, None)
        if first is not None:
            paths = container.write(lot.volume, chain([first], whole))
            proof = container.proof(lot.volume)
    except OSError as error:
        raise write_error(f"to {container.root}", error, DiskError) from None
    errors = [result.error for result in taken if result.error is not None]
    records = [record | proof if record["status"] == DONE else record for one in taken for record in one.records]
    return LotOutcome(lot, DONE if paths else FAILED, records, errors, paths)


def _result(
    cut: Cut, container: Container, sampler: Sampler | None, lanes: Executor, progress: CutProgress, room: Room
) -> _Result:
    """Read or sample, cut and encode one picture; an error that concerns this picture becomes its result."""
    try:
        with room.taken(
            memory(cut.take.clean, frame=cut.take.input_frame) + (memory(cut.take.noisy) if cut.take.noisy else 0)
        ):
            clean, noisy = _pictures(cut, sampler, lanes, progress)
            return _encoded(cut, clean, noisy, container, facts(cut, sampler), _rests_on(cut, clean, sampler))
    except NmflowganError as error:
        return _Result([], [failure(cut.take, error)], error)
    except MemoryError:
        out = OutOfMemoryError(f"out of memory for {cut.take.clean}", "use fewer --workers")
        return _Result([], [failure(cut.take, out)], out)


def _pictures(cut: Cut, sampler: Sampler | None, lanes: Executor, progress: CutProgress) -> tuple[Pixels, Pixels]:
    """The whole clean and noisy picture, each (H, W, 3) RGB of the depth of `cut`."""
    take, picture = cut.take, read(cut.take.clean, deepest=16, frame=cut.take.input_frame)
    clean = with_depth(picture.rgb, cut.depth)
    _refuse_other_size(take.clean, picture.rgb, cut)
    if take.noisy is not None:
        noisy = read(take.noisy, deepest=16).rgb
        _refuse_other_size(take.noisy, noisy, cut)
        return clean, with_depth(noisy, cut.depth)
    if sampler is None:
        raise ValueError("a picture is to be made, but there is no sampler")
    key = picture_key(sampler.seed, take.relative_path, take.repeat)
    noisy = sampler.sample(picture.rgb, take.condition, key, lanes, lambda share: progress(cut, share), cut.depth)
    return clean, np.repeat(luma(noisy)[..., None], 3, 2) if picture.grey else noisy


def _refuse_other_size(path: Path, rgb: Pixels, cut: Cut) -> None:
    if rgb.shape[:2] != (cut.height, cut.width):
        raise PictureError(f"{path} is not {cut.width}x{cut.height} pixels any more", "start again with --resume")


def _rests_on(cut: Cut, clean: Pixels, sampler: Sampler | None) -> Facts:
    """The references of a profile, and what of the picture lies beyond them; for synthetic pairs."""
    if sampler is None:
        return {}
    extrapolated = sampler.model.extrapolated(with_depth(clean, 8), cut.take.condition)
    return {"references": sampler.references, "extrapolated": extrapolated}


def _encoded(
    cut: Cut,
    clean: Pixels,
    noisy: Pixels,
    container: Container,
    known: Sequence[Mapping[str, Any]],
    rests_on: Facts,
) -> _Result:
    """The samples of a picture, and their records without their places."""
    sides = [[container.encode(patch) for patch in cut_patches(rgb, cut.boxes)] for rgb in (clean, noisy)]
    samples = [Sample(*parts) for parts in zip(cut.labels, *sides, known, strict=True)]
    origin = inputs(cut.take)
    records = [
        {
            "status": DONE,
            **sample.facts,
            **origin,
            **rests_on,
            "depth": cut.depth,
            "clean_size": len(sample.clean),
            "noisy_size": len(sample.noisy),
            "clean_sha256": hashlib.sha256(sample.clean).hexdigest(),
            "noisy_sha256": hashlib.sha256(sample.noisy).hexdigest(),
            "tool_version": __version__,
        }
        for sample in samples
    ]
    return _Result(samples, records)
