"""What a denoiser learns from: pairs, clean photographs with noise of a model, or both."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nmflowgan_cli.data.batches import BatchSource
from nmflowgan_cli.data.mixing import MixedSource
from nmflowgan_cli.data.origin import all_real, refuse_unreal
from nmflowgan_cli.data.patches import PairSource
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.data.simulate import load_clean
from nmflowgan_cli.denoising.clean import CleanSource
from nmflowgan_cli.denoising.judge import PAIRS
from nmflowgan_cli.denoising.noise import REAL, PatchNoise, open_noise
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.models.nmflowgan.jpeg_blocks import BLOCK
from nmflowgan_cli.training.run import TrainingRequest
from nmflowgan_cli.training.sources import notice_noiseless, pairs_line, read_splits


@dataclass(frozen=True)
class Lessons:
    """Patches, the noise that they get, and what the header says of both."""

    source: BatchSource
    noise: PatchNoise
    data: tuple[str, ...]
    taught: str
    """The noise: "real", "pairs", or the name of a model; "real and ..." where there are both."""

    @property
    def described(self) -> str:
        """The noise in words."""
        usual = {REAL: "real noise", PAIRS: "the noise of its pairs"}
        return usual.get(self.taught, f"noise of {self.taught}")


def open_lessons(request: TrainingRequest, patch: int, device: torch.device) -> Lessons:
    """What the options of `request` mean.

    Raises UsageError, PictureError, ConditionError or WeightsError for what nothing can be learned from.
    """
    pairs = read_splits(request.data)["train"]
    own = request.noise == REAL or request.data.simulate is not None  # pairs keep their own noise
    if pairs and own and not request.data.accept_synthetic:
        refuse_unreal(pairs, "--noise real" if request.noise == REAL else "what --simulate is added to")
    notice_noiseless(pairs)
    made = _of_pairs if request.data.simulate is None else _with_photographs
    return made(request, pairs, patch, device)


def _of_pairs(request: TrainingRequest, pairs: Sequence[Paired], patch: int, device: torch.device) -> Lessons:
    """The patches of pairs, with their own noise or another one."""
    source = _patches(request, pairs, patch)
    noise = open_noise(request.noise, pairs, device, cache_dir=request.cache_dir)
    taught = PAIRS if noise.name == REAL and not all_real(pairs) else noise.name
    return Lessons(source, noise, (pairs_line(request.data, pairs),), taught)


def _with_photographs(request: TrainingRequest, pairs: Sequence[Paired], patch: int, device: torch.device) -> Lessons:
    """Clean photographs with noise of random cameras and ISOs; beside the pairs as they are, if there are any."""
    folder = request.data.simulate
    assert folder is not None
    if request.noise == REAL:
        raise UsageError("--simulate needs a noise model", "name one by --noise, like --noise sidd-lite")
    noise = open_noise(request.noise, pairs, device, cache_dir=request.cache_dir, keeps_real=True)
    assert noise.model is not None
    clean = CleanSource(load_clean(folder, smallest=patch), noise.model.vocabulary, patch, request.data.camera)
    line = f"noise of {noise.name} on {len(clean.pictures)} clean photographs"
    if not pairs:
        return Lessons(clean, noise, (line,), noise.name)
    source = MixedSource(clean, _patches(request, pairs, patch), request.data.simulate_share)
    return Lessons(source, noise, (pairs_line(request.data, pairs), line), f"{REAL} and {noise.name}")


def _patches(request: TrainingRequest, pairs: Sequence[Paired], patch: int) -> PairSource:
    return PairSource(pairs, patch, balance=request.data.balance, step=BLOCK)
