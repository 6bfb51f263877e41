"""Plan of the pairs to make: inputs and options in, patches with their names out."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.containers import Volume
from nmflowgan_cli.data.layouts import Label
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.data.origin import UNSTATED, Origin
from nmflowgan_cli.data.reading import scene_of
from nmflowgan_cli.data.sidd_instances import SceneInstance, find_frame, find_instance
from nmflowgan_cli.errors import NmflowganError, OutOfMemoryError, PictureError, UsageError
from nmflowgan_cli.files import shared_stems, stem
from nmflowgan_cli.imaging import head, memory, read
from nmflowgan_cli.imaging.memory import Room
from nmflowgan_cli.pairs.cutting import detailed, patches
from nmflowgan_cli.pairs.identity import Identity, identities
from nmflowgan_cli.synthesis.condition_choice import Choices
from nmflowgan_cli.synthesis.inputs import CleanPicture
from nmflowgan_cli.tiling import Box

READERS = 4
"""Pictures that are read at a time."""


@dataclass(frozen=True)
class Take:
    """A clean picture and one noisy picture of it, which is there already or is to be made."""

    clean: Path
    noisy: Path | None
    """None where it is to be made."""
    relative_path: str
    """Names the random numbers of a picture to be made, with seed and repeat."""
    repeat: int
    condition: Condition
    scene: str
    split: str
    stem: str
    """Names its patches."""
    instance: SceneInstance | None = None
    """Of SIDD, if it is."""
    frame: int | None = None
    """Of SIDD's instance."""
    origin: Origin = UNSTATED
    """Of the noise of a real pair."""
    input_frame: int | None = None
    """The number of the frame of the clean file; None where it has one."""


@dataclass(frozen=True)
class Cutting:
    """Settings of the cutting. `patch` and `step` in pixels, None for the whole picture and for `patch`."""

    patch: int | None = 256
    step: int | None = None
    min_detail: float = 0.0
    """In counts, see `cutting.detail`."""


@dataclass(frozen=True)
class Cut:
    """A take, the size of its pictures, and its patches."""

    take: Take
    height: int
    width: int
    boxes: tuple[Box, ...]
    labels: tuple[Label, ...]
    depth: int = 8
    """Bits a channel of the pairs, 8 or 16."""


@dataclass(frozen=True)
class Lot:
    """Cuts that are written together."""

    volume: Volume
    cuts: tuple[Cut, ...]


@dataclass(frozen=True)
class PairPlan:
    """The cuts to make, and the takes that cannot be cut."""

    cuts: tuple[Cut, ...]
    """The train split first; none is without patches."""
    failed: tuple[tuple[Take, NmflowganError], ...]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of pairs in each split."""
        splits = [cut.take.split for cut in self.cuts for _ in cut.boxes]
        return {split: splits.count(split) for split in ("train", "val")}

    @property
    def keys(self) -> set[tuple[str, str]]:
        """(split, key) of every pair."""
        return {(label.split, label.key) for cut in self.cuts for label in cut.labels}

    def lots(self, shard_size: int | None) -> list[Lot]:
        """The units of writing: each cut by itself, or as many of a split as have `shard_size` pairs or more."""
        groups: list[list[Cut]] = []
        for cut in self.cuts:
            last = groups[-1] if groups else []
            full = shard_size is None or sum(len(other.boxes) for other in last) >= shard_size
            if not last or full or last[0].take.split != cut.take.split:
                groups.append([])
            groups[-1].append(cut)
        numbers: dict[str, int] = {"train": 0, "val": 0}
        lots = []
        for group in groups:
            split = group[0].take.split
            lots.append(Lot(Volume(split, numbers[split], tuple(cut.labels for cut in group)), tuple(group)))
            numbers[split] += 1
        return lots


def synthetic_takes(sources: Sequence[CleanPicture], drawn: Choices, *, repeats: int, seed: int) -> list[Take]:
    """A take for every picture and repeat, with the conditions and random numbers that `synthesize` gives them."""
    numbers = range(repeats) if repeats > 1 else (None,)
    shared = shared_stems(source.seed_path for source in sources)
    return [
        Take(
            source.path,
            None,
            source.seed_path,
            number or 0,
            drawn.draw(seed, source.seed_path, number or 0),
            source.scene,
            "train",
            stem(source.seed_path, number, apart=stem(source.seed_path).lower() in shared),
            input_frame=source.frame,
        )
        for source in sources
        for number in numbers
    ]


def real_takes(pairs: Iterable[Pair]) -> list[Take]:
    """A take for every real pair, in the data's own split."""
    pairs = list(pairs)
    shared = shared_stems(pair.name for pair in pairs)
    return [
        Take(
            pair.clean,
            pair.noisy,
            pair.name,
            0,
            pair.condition,
            scene_of(pair),
            pair.split,
            stem(pair.name, apart=stem(pair.name).lower() in shared),
            find_instance(pair.scene) or find_instance(pair.name),
            find_frame(pair.name),
            pair.origin,
        )
        for pair in pairs
    ]


def divided(takes: Sequence[Take], val_share: float, seed: int) -> list[Take]:
    """The takes with `val_share` of the scenes (the pictures, where they are clean ones) in the val split.

    Which scenes depends on the seed and on the scenes alone; all takes of a scene stay together. At least one scene
    is on either side unless the share is 0. Raises UsageError for a share outside of [0, 1), or a single scene.
    """
    scenes = sorted({take.scene for take in takes}, key=lambda scene: _rank(seed, scene))
    if not 0 <= val_share < 1:
        raise UsageError(f"--val-share {val_share:g} is no share", "from 0 to below 1, for example 0.1")
    if val_share and len(scenes) < 2:
        raise UsageError("a single picture cannot be divided into train and val", "leave out --val-share")
    count = min(max(round(val_share * len(scenes)), 1), len(scenes) - 1) if val_share else 0
    held_out = set(scenes[:count])
    return [replace(take, split="val" if take.scene in held_out else "train") for take in takes]


def pair_plan(takes: Sequence[Take], cutting: Cutting, depth: int | None = None) -> PairPlan:
    """The patches of every take. Reads the heads of the pictures, or with a minimum of detail the pictures.

    `depth`: bits a channel of the pairs; None for those of the pictures, of the deeper one where a pair has two.

    A take that cannot be read, or shows no patch that is large enough, is among `failed`. Raises UsageError where two
    takes would have the same name.
    """
    _refuse_same_names(takes)
    patches(1, 1, cutting.patch, cutting.step)  # refuses impossible ones before anything is read
    room = Room()
    with ThreadPoolExecutor(READERS, "survey") as pool:
        found = list(pool.map(lambda take: _surveyed(take, cutting, room), takes))
    cuts = [
        Cut(take, *result.size, result.boxes, _labels(take, identity, len(result.boxes)), depth or result.depth)
        for take, identity, result in zip(takes, identities(takes), found, strict=True)
        if not isinstance(result, NmflowganError) and result.boxes
    ]
    failed = [(take, result) for take, result in zip(takes, found, strict=True) if isinstance(result, NmflowganError)]
    return PairPlan(tuple(sorted(cuts, key=lambda cut: cut.take.split)), tuple(failed))


@dataclass(frozen=True)
class _Surveyed:
    """Height and width, bits a channel and patches of a take."""

    size: tuple[int, int]
    depth: int
    boxes: tuple[Box, ...]


def _surveyed(take: Take, cutting: Cutting, room: Room) -> _Surveyed | NmflowganError:
    """The measures of a take; or what is wrong."""
    try:
        height, width, depth = head(take.clean, frame=take.input_frame)
        if take.noisy is not None:
            noisy = head(take.noisy)
            if noisy[:2] != (height, width):
                raise PictureError(f"{take.clean} and {take.noisy} differ in size", "a pair shows the same pixels")
            depth = max(depth, noisy.depth)
        boxes = patches(height, width, cutting.patch, cutting.step)
        if not boxes:
            raise PictureError(
                f"{take.clean} is smaller than a patch: {width}x{height}", "leave it out, or use --patch"
            )
        if cutting.min_detail > 0:
            with room.taken(memory(take.clean, frame=take.input_frame)):
                boxes = detailed(read(take.clean, deepest=16, frame=take.input_frame).rgb, boxes, cutting.min_detail)
    except NmflowganError as error:
        return error
    except MemoryError:
        return OutOfMemoryError(f"out of memory for {take.clean}", "cut it into pieces")
    return _Surveyed((height, width), depth, tuple(boxes))


def _labels(take: Take, identity: Identity, count: int) -> tuple[Label, ...]:
    return tuple(
        Label(stem=take.stem, split=take.split, instance=identity.instance, frame=identity.frame, patch=patch)
        for patch in range(count)
    )


def _refuse_same_names(takes: Iterable[Take]) -> None:
    first: dict[str, Take] = {}
    for take in takes:
        other = first.setdefault(take.stem.lower(), take)
        if other is not take:
            one, two = other.noisy or other.clean, take.noisy or take.clean
            raise UsageError(f"the patches of {one} and {two} would have the same names", "rename one of them")


def _rank(seed: int, scene: str) -> bytes:
    return hashlib.sha256(f"split\0{seed}\0{scene}".encode()).digest()
