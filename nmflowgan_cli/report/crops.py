"""Crops of clean, real noisy and synthetic pictures for galleries, synthesized as in the evaluation."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.errors import NmflowganError, OutOfMemoryError, PictureError
from nmflowgan_cli.evaluation.protocol import Candidate, Protocol
from nmflowgan_cli.imaging import Bytes, luma
from nmflowgan_cli.metrics.moments import FloatArray, noise_of
from nmflowgan_cli.randomness import picture_key

SIDE = 128
BLOCK = 16
"""Side of the blocks that a crop is chosen by, and step of its place, in pixels."""
VISIBLE_STD = 32.0
"""Standard deviation that noise is amplified to, about, in counts."""


@dataclass(frozen=True)
class Example:
    """Crops of one place: of the clean picture, the real noisy one and each synthetic one."""

    condition: Condition
    pair: str
    place: tuple[int, int]
    """Top and left in the picture, in pixels."""
    clean: Bytes
    """(H, W, 3) uint8, like the others; at most SIDE pixels a side."""
    real: Bytes
    made: Mapping[str, Bytes]
    """By model; without those that do not know the condition, or fail."""

    @property
    def gain(self) -> int:
        """Amplification that makes the real noise visible: a power of two from 1 to 16."""
        std = max(float(noise_of(self.real, self.clean).std()), 1e-6)
        return int(2 ** np.clip(np.rint(np.log2(VISIBLE_STD / std)), 0, 4))

    def pictures(self, noisy: str) -> dict[str, Bytes]:
        """Crops by label; `noisy` is the label of the real one."""
        return {"clean": self.clean, noisy: self.real, **self.made}

    def noises(self, noisy: str) -> dict[str, Bytes]:
        """Amplified noise of all crops but the clean one, by label."""
        return {label: self.noise(crop) for label, crop in {noisy: self.real, **self.made}.items()}

    def noise(self, noisy: Bytes) -> Bytes:
        """Noise of a noisy crop, amplified by `gain` about 128, clipped to uint8."""
        return (128 + self.gain * noise_of(noisy, self.clean).astype(np.int32)).clip(0, 255).astype(np.uint8)


def examples(
    pairs: Sequence[Pair],
    candidates: Sequence[Candidate],
    protocol: Protocol,
    number: int,
    *,
    conditions: Iterable[Condition],
) -> list[Example]:
    """Examples, one each, of at most `number` of the conditions, spread over cameras and ISOs.

    Whole pictures are synthesized with the seeds of the evaluation and then cropped: the noise is the measured one. A
    pair that cannot be read, or is smaller than a patch, is replaced by the next of its condition. Raises
    OutOfMemoryError.
    """
    found = []
    for condition in spread(conditions, number):
        alike = (pair for pair in pairs if pair.condition == condition)
        with suppress(StopIteration):
            found.append(
                next(example for example in (_example(pair, candidates, protocol) for pair in alike) if example)
            )
    return found


def _example(pair: Pair, candidates: Sequence[Candidate], protocol: Protocol) -> Example | None:
    try:
        clean, real = pair.load()
    except PictureError:
        return None
    if min(clean.shape[:2]) < protocol.patch:
        return None
    top, left = telling_place(clean)
    crop = np.s_[top : top + SIDE, left : left + SIDE]
    made = {}
    for candidate in candidates:
        try:
            candidate.check(pair.condition)
            key = picture_key(protocol.seed, pair.name, 0)
            made[candidate.name] = candidate.synthesize(clean, pair.condition, key).noisy[crop]
        except OutOfMemoryError:
            raise
        except NmflowganError:
            continue
    return Example(pair.condition, pair.name, (top, left), clean[crop], real[crop], made)


def spread(conditions: Iterable[Condition], number: int) -> list[Condition]:
    """At most `number` conditions, sorted: evenly many of each camera, from the whole range of its ISOs."""
    by_camera: dict[str, list[Condition]] = {}
    for condition in sorted(conditions, key=lambda condition: (condition.camera, condition.iso)):
        by_camera.setdefault(condition.camera, []).append(condition)
    shares = dict.fromkeys(by_camera, 0)
    while sum(shares.values()) < number:
        open_cameras = [camera for camera, known in by_camera.items() if shares[camera] < len(known)]
        if not open_cameras:
            break
        shares[min(open_cameras, key=lambda camera: shares[camera])] += 1
    return [condition for camera, known in by_camera.items() for condition in _evenly(known, shares[camera])]


def _evenly(known: Sequence[Condition], number: int) -> list[Condition]:
    """`number` items from the first to the last; the middle one for 1."""
    if number == 1:
        return [known[len(known) // 2]]
    return [known[round(index)] for index in np.linspace(0, len(known) - 1, number)]


def telling_place(clean: Bytes, side: int = SIDE) -> tuple[int, int]:
    """Top and left, in pixels, of the crop with the most flat and textured parts, neither black nor blown out.

    `clean`: (H, W, 3) uint8. Blocks of 16x16 pixels with a mean luma of 16 to 239 counts are flat or textured if their
    standard deviation is in the lowest or highest third of these blocks; the crop maximizes the smaller of both
    numbers of blocks.
    """
    if min(clean.shape[:2]) < BLOCK:
        return 0, 0
    grey = luma(clean).astype(np.float64)
    rows, columns = (length // BLOCK for length in grey.shape)
    blocks = grey[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    std, mean = blocks.std((1, 3)), blocks.mean((1, 3))
    exposed = (mean >= 16) & (mean < 240)
    low, high = np.quantile(std[exposed], (1 / 3, 2 / 3)) if exposed.any() else (0.0, 0.0)
    kinds = (std <= low, (std >= high) & (std > low))
    flat, textured = (_window_sums(exposed & kind, side // BLOCK) for kind in kinds)
    row, column = np.unravel_index(np.argmax(np.minimum(flat, textured)), flat.shape)
    return int(row) * BLOCK, int(column) * BLOCK


def _window_sums(blocks: NDArray[np.bool_], side: int) -> FloatArray:
    """Numbers of set blocks in each window of `side` blocks (or as many as there are)."""
    shape = (min(side, blocks.shape[0]), min(side, blocks.shape[1]))
    return sliding_window_view(blocks, shape).sum((2, 3)).astype(np.float64)
