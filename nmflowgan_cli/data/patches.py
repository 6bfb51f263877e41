"""Batches of real pairs: crops on demand from decoded pictures in bounded memory."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.data.batches import UNKNOWN_PHASE, Batch
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import Bytes

Balance = Literal["code", "picture", "none"]
"""The kind of thing that is drawn uniformly: (camera, ISO) codes, pictures, or patches."""

MEMORY = 2**30
"""Bytes of decoded pictures that are kept."""
CROPS_A_VISIT = 1000
"""Crops from a picture before another takes its place, where not all fit in memory. A photograph of 12
megapixels has 2,900 patches of 64 pixels, and takes as long to decode as a thousand crops take to train on."""


def patch_count(size: tuple[int, int, int], patch: int) -> int:
    """Patches at half a patch's step that cover pictures of `size` (number, height, width). Paper: step 48 for 96."""
    pictures, *sides = size
    return pictures * int(np.prod([-(-(side - patch) // (patch // 2)) + 1 for side in sides]))


def census(pairs: Iterable[Paired], patch: int) -> dict[Condition, int]:
    """Patches for each condition, in the order of cameras and ISOs; raises what `PairSource` raises."""
    counts: Counter[Condition] = Counter()
    for pair in pairs:
        counts[pair.condition] += patch_count(_checked_size(pair, patch), patch)
    return {condition: counts[condition] for condition in _in_order(counts)}


def _in_order(conditions: Iterable[Condition]) -> list[Condition]:
    return sorted(conditions, key=lambda condition: (condition.camera, condition.iso))


def _checked_size(pair: Paired, patch: int) -> tuple[int, int, int]:
    size = pair.size()
    if min(size[1:]) < patch:
        raise UsageError(f"{pair.name} is {size[2]}x{size[1]}, smaller than a patch of {patch}", "leave it out")
    return size


def balanced_weights(pairs: Sequence[Paired], patches: Sequence[int], balance: Balance) -> NDArray[np.float64]:
    """The probability of each pair to be drawn; they sum to 1. In a code all its pictures are alike."""
    if balance == "none":
        weights = np.asarray(patches, float)
    elif balance == "picture":
        weights = np.ones(len(pairs))
    else:
        of_code = Counter(pair.condition for pair in pairs)
        weights = np.array([1 / of_code[pair.condition] for pair in pairs])
    return weights / weights.sum()


def turned(picture: Bytes, turns: int, *, mirrored: bool) -> Bytes:
    """(H, W, 3) turned by `turns` quarters, and then mirrored left to right."""
    picture = np.rot90(picture, turns)
    return picture[:, ::-1] if mirrored else picture


class PairSource:
    """Draws batches of real patches, turned and mirrored at random, clean and noisy alike.

    Where all pictures fit in `memory` bytes they stay there. Else a few are shown at a time, drawn by their weights;
    each gives about `CROPS_A_VISIT` crops, while the next one is decoded beside the training.
    Crops begin at multiples of `step`.
    Raises UsageError for a picture smaller than `patch`, PictureError for a pair of different sizes.
    """

    def __init__(
        self, pairs: Sequence[Paired], patch: int, *, balance: Balance = "code", step: int = 1, memory: int = MEMORY
    ) -> None:
        self.pairs, self.patch, self.balance, self.step = pairs, patch, balance, step
        sizes = [_checked_size(pair, patch) for pair in pairs]
        self.weights = balanced_weights(pairs, [patch_count(size, patch) for size in sizes], balance)
        occupied = [2 * 3 * int(np.prod(size)) for size in sizes]
        self._places = 0 if sum(occupied) <= memory else max(1, memory // max(occupied) - 1)
        self._pictures: dict[int, Future[tuple[Bytes, Bytes]]] = {}
        self._shown: list[int] = []
        self._next = -1
        self._drawn = 0
        self._decoder: ThreadPoolExecutor | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that may not change when a training is resumed."""
        names = hashlib.sha256("\0".join(pair.name for pair in self.pairs).encode(errors="surrogateescape"))
        return {"pairs": f"{len(self.pairs)} ({names.hexdigest()[:8]})", "balance": self.balance}

    @property
    def parts(self) -> dict[str, Any]:
        """The stateful parts that a checkpoint holds."""
        return {"pairs": self}

    def vocabulary(self, patches: int) -> Vocabulary:
        """The vocabulary of a model that has seen `patches` patches."""
        trained: dict[str, dict[int, int]] = {}
        for condition in _in_order({pair.condition for pair in self.pairs}):
            weight = sum(w for pair, w in zip(self.pairs, self.weights, strict=True) if pair.condition == condition)
            trained.setdefault(condition.camera, {})[condition.iso] = math.ceil(round(patches * weight, 6))
        isos = sorted({pair.condition.iso for pair in self.pairs})
        return Vocabulary(tuple(trained), tuple(isos), trained)

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """`size` patches with integer noisy counts; their Bayer phase is unknown."""
        drawn = [self._crop(rng) for _ in range(size)]
        clean, noisy = (
            torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().contiguous()
            for crops in ([clean for clean, _, _ in drawn], [noisy for _, noisy, _ in drawn])
        )
        chosen = [pair for _, _, pair in drawn]
        return Batch(
            clean,
            noisy,
            [pair.condition for pair in chosen],
            torch.full((size,), UNKNOWN_PHASE),
            torch.ones(size, dtype=torch.bool),
            [pair.name for pair in chosen],
        )

    def state_dict(self) -> dict[str, Any]:
        """The pictures that crops are drawn from, and the next one."""
        return {"shown": list(self._shown), "next": self._next, "drawn": self._drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self._shown, self._next, self._drawn = list(state["shown"]), state["next"], state["drawn"]

    def _crop(self, rng: np.random.Generator) -> tuple[Bytes, Bytes, Paired]:
        index = self._choose(rng)
        pictures = [np.reshape(picture, (-1, *picture.shape[-3:])) for picture in self._picture(index)]
        number = int(rng.integers(len(pictures[0])))
        top, left = (self._place(side, rng) for side in pictures[0].shape[1:3])
        turns, mirrored = int(rng.integers(4)), bool(rng.random() < 0.5)
        rows, columns = slice(top, top + self.patch), slice(left, left + self.patch)
        clean, noisy = (turned(picture[number, rows, columns], turns, mirrored=mirrored) for picture in pictures)
        return clean, noisy, self.pairs[index]

    def _place(self, side: int, rng: np.random.Generator) -> int:
        return self.step * int(rng.integers((side - self.patch) // self.step + 1))

    def _choose(self, rng: np.random.Generator) -> int:
        """The index of the pair that the next crop comes from."""
        if not self._places:
            return self._by_weight(rng)
        if not self._shown:
            self._shown = [self._by_weight(rng) for _ in range(self._places)]
            self._next = self._by_weight(rng)
        elif self._drawn % CROPS_A_VISIT == 0:
            self._shown[self._drawn // CROPS_A_VISIT % self._places] = self._next
            self._next = self._by_weight(rng)
        self._drawn += 1
        return self._shown[int(rng.integers(self._places))]

    def _by_weight(self, rng: np.random.Generator) -> int:
        return int(rng.choice(len(self.pairs), p=self.weights))

    def _picture(self, index: int) -> tuple[Bytes, Bytes]:
        """The pictures of a pair. Those that are neither shown nor next are dropped, and the next one is ordered."""
        if self._places:
            wanted = {*self._shown, self._next}
            for gone in self._pictures.keys() - wanted:
                del self._pictures[gone]
            self._order(self._next)
        self._order(index)
        return self._pictures[index].result()

    def _order(self, index: int) -> None:
        if index not in self._pictures:
            self._decoder = self._decoder or ThreadPoolExecutor(1, thread_name_prefix="decode")
            self._pictures[index] = self._decoder.submit(self.pairs[index].load)
