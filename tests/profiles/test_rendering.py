"""Profiles of pictures that the camera rendered: file, noise without a trace of tiles, and a single ISO."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import photograph
from profile_examples import UNKNOWN, WHOLE
from torch.nn import functional

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError, WeightsError
from nmflowgan_cli.imaging import Picture, write
from nmflowgan_cli.models.rendered import Rendering, log_variance
from nmflowgan_cli.profiles.correlation_kernel import Unit, kernel_of
from nmflowgan_cli.profiles.files import parse_profile, profile_bytes
from nmflowgan_cli.profiles.likeness import like
from nmflowgan_cli.profiles.model import model_of
from nmflowgan_cli.profiles.rendered import rendering_of_pairs
from nmflowgan_cli.synthesis.engine import synthesize

SPREAD = ((0.0, 0.25, 0.0), (0.25, 0.75, 0.25), (0.0, 0.25, 0.0))
NOTHING = ((0.0,) * 3,) * 3
RENDERING = Rendering(
    ((2.5, 0.5, -0.5, -0.75, 0.75, 0.125, 0.25),) * 3,
    ((SPREAD, NOTHING, NOTHING), (NOTHING, SPREAD, NOTHING), (NOTHING, NOTHING, SPREAD)),
    0.3,
)
RENDERED = replace(UNKNOWN, renderings={100: RENDERING})


def test_a_rendering_comes_back_from_its_file() -> None:
    assert parse_profile(profile_bytes(RENDERED), "r.json") == RENDERED
    for old, new, problem in (
        (b'"variation": 0.3', b'"variation": 3', "variation"),
        (b"[0.25, 0.75, 0.25]", b"[0.25, 0.75]", "kernel: all planes"),
        (b'"kernel"', b'"kernels"', "kernel"),
        (b'"version": 1,', b'"version": 1, "mosaic": false,', "rendering: only with a mosaic"),
    ):
        assert old in profile_bytes(RENDERED)
        with pytest.raises(WeightsError, match=problem):
            parse_profile(profile_bytes(RENDERED).replace(old, new), "r.json")


def test_tiles_leave_no_trace() -> None:
    clean = photograph(230, 250)
    whole = synthesize(model_of(RENDERED), clean, Condition(RENDERED.name, 0), 5)
    assert whole.std() > 0
    for tile in (64, 100, 130):
        assert (synthesize(model_of(RENDERED), clean, Condition(RENDERED.name, 0), 5, tile=tile) == whole).all()


def test_denoising_is_not_extrapolated_over_iso() -> None:
    known = replace(WHOLE, renderings={800: RENDERING}, camera=replace(WHOLE.camera, noise={800: (0.01, 1e-4)}))
    vocabulary = model_of(known).vocabulary
    vocabulary.check(Condition(known.name, 800))
    with pytest.raises(ConditionError, match="ISO 1600 is outside"):
        vocabulary.check(Condition(known.name, 1600))


@pytest.mark.filterwarnings("ignore:.*jit.script:DeprecationWarning")  # of torch itself, by torch.func
def test_like_a_cameras_own_picture(tmp_path: Path) -> None:
    down, right = np.mgrid[:192, :256]
    clean = np.stack([20 + right * 0.7, 30 + down * 0.9, 220 - right * 0.4 - down * 0.3], 2).astype(np.uint8)
    noisy = synthesize(model_of(RENDERED), clean, Condition(RENDERED.name, 0), 1)
    write(tmp_path / "noisy.png", Picture(noisy))
    write(tmp_path / "noisy.jpg", Picture(noisy, format="JPEG"))
    assert like([tmp_path / "noisy.png"]).renderings == {}
    assert like([tmp_path / "noisy.jpg"]).renderings
    assert like([tmp_path / "noisy.jpg"], rendered="plain").renderings == {}
    found = like([tmp_path / "noisy.png"], rendered="camera")
    assert found.renderings
    assert parse_profile(profile_bytes(found), "f.json").renderings
    again = synthesize(model_of(found), clean, Condition(found.name, 0), 2)
    assert found.camera.noise == {100: (0.0, 0.0)}
    ratio = (again.astype(float) - clean).std() / (noisy.astype(float) - clean).std()
    assert ratio == pytest.approx(1, abs=0.35)


def test_the_kernel_has_the_correlation_that_was_measured() -> None:
    white = torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))
    colours = torch.tensor([[1.0, 0.0, 0.0], [0.4, 0.9, 0.0], [-0.3, 0.2, 0.8]])[:, :, None, None]
    given = functional.conv2d(white, colours * torch.tensor(SPREAD), padding=1)
    given /= given.std((2, 3), keepdim=True)
    kernel = torch.tensor(kernel_of([Unit(given[0], torch.ones(1024, 1024, dtype=torch.bool))]))
    made = functional.conv2d(torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(1)), kernel)
    for shift in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (4, 4)):
        torch.testing.assert_close(correlations(made[0], shift), correlations(given[0], shift), rtol=0, atol=0.02)


def correlations(noise: torch.Tensor, shift: tuple[int, int]) -> torch.Tensor:
    """Of each channel with each other channel that is shifted, (3, 3)."""
    down, right = shift
    height, width = noise.shape[1:]
    here, there = noise[:, : height - down, : width - right], noise[:, down:, right:]
    return torch.einsum("ihw,jhw->ij", here, there) / here[0].numel()


def test_a_pair_gives_the_strength_that_made_it() -> None:
    clean = photograph(512, 512)
    noisy = synthesize(model_of(RENDERED), clean, Condition(RENDERED.name, 0), 3)
    found = rendering_of_pairs([clean], [noisy])
    planes = torch.from_numpy(clean.transpose(2, 0, 1)[None].astype(np.float32))
    true, estimated = (log_variance(planes, torch.tensor(each.strength)) for each in (RENDERING, found))
    power = np.log(np.square(SPREAD).sum())  # what that kernel leaves of a unit variance
    assert (estimated - true - power).abs().mean() < 0.1
    assert rendering_of_pairs([clean], [noisy]) == found
