"""Lessons of a denoiser from photographs: which noise which patch gets."""

import numpy as np
import pytest
import torch
from fakes import VOCABULARY, ConvolutionNoise, photograph
from PIL import Image

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.data.mixing import MixedSource
from nmflowgan_cli.denoising.clean import CleanSource
from nmflowgan_cli.denoising.lessons import open_lessons
from nmflowgan_cli.denoising.noise import PatchNoise
from nmflowgan_cli.denoising.recipe import unet
from nmflowgan_cli.errors import ConditionError, UsageError
from nmflowgan_cli.training.run import TrainingRequest
from nmflowgan_cli.training.sources import DataOptions

CPU = torch.device("cpu")
PHOTOGRAPHS = [photograph(40, 50, 1), photograph(33, 32, 2)]


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number, rgb in enumerate(PHOTOGRAPHS):
        Image.fromarray(rgb).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def pairs(tmp_path):
    """One real pair of a camera that no weights know."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for side, rgb in (("clean", PHOTOGRAPHS[0]), ("noisy", PHOTOGRAPHS[0] // 2)):
        Image.fromarray(rgb).save(folder / f"{side}.png")
    (folder / "manifest.csv").write_text("clean,noisy,camera,iso,split,noise\nclean.png,noisy.png,X1,640,train,real")
    return folder


def lessons(tmp_path, noise="isp", **data):
    request = TrainingRequest(
        architecture="unet", data=DataOptions(**data), run=tmp_path / "run", name="run", recipe=unet(), noise=noise
    )
    return open_lessons(request, 16, CPU)


def test_photographs_get_noise_of_every_camera_at_many_isos(photographs, tmp_path):
    found = lessons(tmp_path, simulate=photographs)
    batch = found.source.batch(60, np.random.default_rng(0))
    assert {condition.camera for condition in batch.conditions} == set(found.noise.model.vocabulary.cameras)
    assert len({condition.iso for condition in batch.conditions}) > 5
    clean, noisy = found.noise.noisy(batch, CPU, seed=1, step=2)
    assert torch.equal(clean, batch.clean)
    assert all((one != other).any() for one, other in zip(clean, noisy, strict=True))
    assert (found.taught, found.described) == ("isp", "noise of isp")
    assert found.source.vocabulary(100).cameras == found.noise.model.vocabulary.cameras


def test_one_camera_alone(photographs, tmp_path):
    found = lessons(tmp_path, simulate=photographs, camera="GP")
    batch = found.source.batch(30, np.random.default_rng(0))
    assert {condition.camera for condition in batch.conditions} == {"GP"}
    assert found.source.vocabulary(100).cameras == ("GP",)
    with pytest.raises(ConditionError, match="X100"):
        lessons(tmp_path, simulate=photographs, camera="X100")


def test_pairs_keep_their_own_noise_beside_photographs(photographs, pairs, tmp_path):
    found = lessons(tmp_path, pairs=pairs, simulate=photographs, simulate_share=0.5)
    assert isinstance(found.source, MixedSource)
    assert found.taught == "real and isp"
    assert [line.partition(" ")[0] for line in found.data] == ["1", "noise"]
    batch = found.source.batch(12, np.random.default_rng(0))
    clean, noisy = found.noise.noisy(batch, CPU, seed=1, step=2)
    real = batch.rounded
    assert 0 < int(real.sum()) < 12
    assert torch.equal(noisy[real], batch.noisy[real])
    assert torch.equal(noisy[real], clean[real].div(2).floor())
    assert all((one != other).any() for one, other in zip(clean[~real], noisy[~real], strict=True))


def test_noise_of_a_patch_does_not_depend_on_the_pairs_beside_it():
    noise = PatchNoise("fake", ConvolutionNoise(), "", keeps_real=True)
    source = CleanSource(PHOTOGRAPHS, VOCABULARY, 16)
    batch = source.batch(4, np.random.default_rng(0))
    alone = noise.noisy(batch, CPU, seed=1, step=2)[1]
    kept = torch.tensor([False, True, False, True])
    mixed = noise.noisy(Batch(*batch[:4], rounded=kept), CPU, seed=1, step=2)[1]
    assert torch.equal(mixed[~kept], alone[~kept])
    assert torch.equal(mixed[kept], batch.clean[kept])


def test_photographs_need_a_noise_model(photographs, pairs, tmp_path):
    with pytest.raises(UsageError, match="--simulate needs a noise model"):
        lessons(tmp_path, "real", simulate=photographs)
    with pytest.raises(UsageError, match="awgn is fitted on pairs"):
        lessons(tmp_path, "awgn", simulate=photographs)
    with pytest.raises(ConditionError, match="X1"):
        lessons(tmp_path, "isp", pairs=pairs)
