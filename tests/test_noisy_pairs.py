"""`NoisyPairs` in torch's own DataLoader: any workers, any start method, epochs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import photograph
from PIL import Image
from torch.utils.data import DataLoader

from nmflowgan_cli import AddCameraNoise, NoisyPairs
from nmflowgan_cli.errors import PictureError, UsageError


@pytest.fixture
def pairs(tmp_path: Path) -> NoisyPairs:
    for number in range(3):
        Image.fromarray(photograph(40, 48, number)).save(tmp_path / f"{number}.png")
    return NoisyPairs(tmp_path, AddCameraNoise("isp", camera="IP", iso=1600, seed=3), patch=24)


def batches(loader: DataLoader) -> tuple[torch.Tensor, torch.Tensor]:
    noisy, clean = zip(*loader, strict=True)
    return torch.cat(noisy), torch.cat(clean)


def straight(pairs: NoisyPairs) -> tuple[torch.Tensor, torch.Tensor]:
    noisy, clean = zip(*(pairs[index] for index in range(len(pairs))), strict=True)
    return torch.stack(noisy), torch.stack(clean)


def equal(one: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return all(torch.equal(*sides) for sides in zip(one, other, strict=True))


def test_a_pair_is_a_patch_of_the_picture_and_its_noise(pairs: NoisyPairs) -> None:
    noisy, clean = pairs[1]
    assert noisy.shape == clean.shape == (3, 24, 24)
    assert noisy.dtype == clean.dtype == torch.float32
    counts = (clean * 255).round().byte().numpy().transpose(1, 2, 0)
    windows = np.lib.stride_tricks.sliding_window_view(photograph(40, 48, 1), (24, 24, 3))[:, :, 0]
    assert (windows == counts).all(axis=(2, 3, 4)).sum() == 1
    expected = pairs.noise(np.ascontiguousarray(counts), index=1)
    assert np.array_equal((noisy * 255).round().byte().numpy().transpose(1, 2, 0), expected)
    assert not torch.equal(noisy, clean)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_make_the_same_pairs_in_every_epoch(pairs: NoisyPairs, start: str) -> None:
    epochs = []
    loader = DataLoader(
        pairs, batch_size=1, num_workers=2, multiprocessing_context=start, persistent_workers=True, prefetch_factor=2
    )
    for epoch in range(2):
        pairs.set_epoch(epoch)
        found = batches(loader)
        assert equal(found, straight(pairs))
        epochs.append(found)
    assert not torch.equal(epochs[0][0], epochs[1][0])
    assert not torch.equal(epochs[0][1], epochs[1][1])
    pairs.set_epoch(0)
    assert equal(straight(pairs), epochs[0])


def test_a_plain_loop_ends_and_whole_pictures_are_whole(pairs: NoisyPairs) -> None:
    whole = NoisyPairs(pairs.paths[0].parent, pairs.noise)
    assert [tuple(noisy.shape) for noisy, _ in whole] == [(3, 40, 48)] * 3
    assert equal(whole[-1], whole[2])


def test_mistakes_are_named(pairs: NoisyPairs, tmp_path: Path) -> None:
    folder = pairs.paths[0].parent
    with pytest.raises(PictureError, match="48x40 pixels are less than a patch of 64"):
        NoisyPairs(folder, pairs.noise, patch=64)[0]
    with pytest.raises(UsageError, match="patch 0 is below 1"):
        NoisyPairs(folder, pairs.noise, patch=0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        NoisyPairs(tmp_path / "empty", pairs.noise)
