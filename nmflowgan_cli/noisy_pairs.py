"""Torch dataset of noisy and clean patches, made on the fly from a folder of clean pictures."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nmflowgan_cli.augmentation import AddCameraNoise
from nmflowgan_cli.errors import PictureError, UsageError
from nmflowgan_cli.imaging import Bytes, read
from nmflowgan_cli.randomness import picture_key
from nmflowgan_cli.synthesis.inputs import find_pictures


class NoisyPairs(Dataset[tuple[Tensor, Tensor]]):
    """Pairs (noisy, clean) of the pictures below `folder`, in the order of their paths: input and target of a denoiser.

    Both are float32 (3, H, W) RGB in [0, 1], whole counts of 1/255. `patch`: the side of a random square patch, the
    same in both; None gives whole pictures, which a batch can hold only where all have one size. `noise`: an
    AddCameraNoise; by default that of `sidd-lite`, camera and ISO drawn anew for each picture.

    A pair depends on the seed of `noise`, the index and the epoch alone: not on the number of workers, on how they are
    started, or on order. `set_epoch` draws patches, conditions and noise anew, also in workers that are running.

    Raises UsageError for a folder without pictures and for a `patch` below 1; an item raises PictureError for a file
    that cannot be read, or that is smaller than `patch`.
    """

    def __init__(self, folder: str | Path, noise: AddCameraNoise | None = None, *, patch: int | None = None) -> None:
        if patch is not None and patch < 1:
            raise UsageError(f"patch {patch} is below 1", "the side of a patch in pixels, or None for whole pictures")
        self.paths = [source.path for source in find_pictures([str(folder)])]
        self.noise = noise or AddCameraNoise("sidd-lite")
        self.patch = patch
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # seen by persistent workers, too

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        path, epoch = self.paths[index], int(self._epoch)  # an IndexError ends a plain loop over the pairs
        number = index % len(self)
        clean = self._cut(read(path).rgb, path, number, epoch)
        noisy = self.noise(clean, index=number, repeat=epoch)
        return _tensor(noisy), _tensor(clean)

    def set_epoch(self, epoch: int) -> None:
        """Give the epoch, from 0, before its first batch is asked for."""
        self._epoch.fill_(epoch)

    def _cut(self, rgb: Bytes, path: Path, index: int, epoch: int) -> Bytes:
        """The random patch of a picture (H, W, 3) in this epoch."""
        if self.patch is None:
            return rgb
        height, width = rgb.shape[:2]
        if min(height, width) < self.patch:
            raise PictureError(f"{path}: {width}x{height} pixels are less than a patch of {self.patch}")
        place = np.random.default_rng(picture_key(self.noise.seed, f"patch {index}", epoch))
        top, left = place.integers(height - self.patch + 1), place.integers(width - self.patch + 1)
        return rgb[top : top + self.patch, left : left + self.patch]


def _tensor(rgb: Bytes) -> Tensor:
    """(H, W, 3) uint8 as float32 (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).float() / 255
