"""Profiles of pictures that the camera rendered: file, noise without a trace of tiles, and a single ISO."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import photograph
from profile_examples import UNKNOWN, WHOLE

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ConditionError, WeightsError
from nmflowgan_cli.imaging import Picture, write
from nmflowgan_cli.models.rendered import Rendering
from nmflowgan_cli.profiles.files import parse_profile, profile_bytes
from nmflowgan_cli.profiles.likeness import like
from nmflowgan_cli.profiles.model import model_of
from nmflowgan_cli.synthesis.engine import synthesize

SPREAD = ((0.0, 0.25, 0.0), (0.25, 0.75, 0.25), (0.0, 0.25, 0.0))
NOTHING = ((0.0,) * 3,) * 3
RENDERING = Rendering(
    ((2.5, 0.5, -0.5, -0.75, 0.75, 0.125, 0.25),) * 3,
    ((SPREAD, NOTHING, NOTHING), (NOTHING, SPREAD, NOTHING), (NOTHING, NOTHING, SPREAD)),
    0.3,
)
RENDERED = replace(UNKNOWN, rendering=RENDERING)


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
    known = replace(WHOLE, rendering=RENDERING, camera=replace(WHOLE.camera, noise={800: (0.01, 1e-4)}))
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
    found = like([tmp_path / "noisy.png"], rendered="camera")
    assert found.rendering is not None
    assert parse_profile(profile_bytes(found), "f.json").rendering is not None
    again = synthesize(model_of(found), clean, Condition(found.name, 0), 2)
    ratio = (again.astype(float) - clean).std() / (noisy.astype(float) - clean).std()
    assert ratio == pytest.approx(1, abs=0.35)
