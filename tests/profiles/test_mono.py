"""Single-channel noise: the law of its strength, its blur, and both found again from pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.errors import ProfileError, WeightsError
from nmflowgan_cli.imaging import Picture, write
from nmflowgan_cli.profiles.by_hand import by_hand
from nmflowgan_cli.profiles.files import parse_profile, profile_bytes
from nmflowgan_cli.profiles.likeness import like
from nmflowgan_cli.profiles.model import model_of
from nmflowgan_cli.profiles.mono import blur_of, from_grey
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference
from nmflowgan_cli.synthesis.engine import synthesize

REFERENCE = Reference("xray.png", "0" * 64)


def mono(shot: float, read: float, blur: float, iso: int | None = None) -> NoiseProfile:
    return replace(by_hand(shot, read, iso, name="X-ray"), mosaic=False, blur=blur)


def noisy(profile: NoiseProfile, clean: np.ndarray, *, tile: int | None = None) -> np.ndarray:
    iso = 0 if not profile.iso_known else next(iter(profile.camera.noise))
    return synthesize(model_of(profile), clean, Condition(profile.name, iso), 7, tile=tile)


def slopes(side: int = 512) -> np.ndarray:
    """Grey from 20 to 230 across, (side, side, 3)."""
    ramp = np.linspace(20, 230, side).astype(np.uint8)
    return np.repeat(np.broadcast_to(ramp, (side, side))[..., None], 3, 2)


@pytest.mark.parametrize("blur", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("level", [30, 200])
def test_variance_is_the_line_whatever_the_blur(blur: float, level: int) -> None:
    clean = np.full((400, 400, 3), level, np.uint8)
    noise = noisy(mono(0.002, 1e-4, blur), clean).astype(float) - level
    assert (noise[..., 0] == noise[..., 2]).all()
    expected = 255 * (0.002 * level / 255 + 1e-4) ** 0.5
    assert noise[..., 0].std() == pytest.approx((expected**2 + 1 / 12) ** 0.5, rel=0.03)
    neighbours = np.corrcoef(noise[:, 1:, 0].ravel(), noise[:, :-1, 0].ravel())[0, 1]
    assert blur_of(neighbours) == pytest.approx(blur, abs=0.05 if blur else 0.3)


def test_tiles_leave_no_trace() -> None:
    clean = slopes(200)[:150]
    profile = mono(0.004, 1e-4, 1.1, iso=400)
    whole = noisy(profile, clean)
    assert (noisy(profile, clean, tile=64) == whole).all()
    assert (noisy(profile, clean, tile=100) == whole).all()


@pytest.mark.parametrize(("shot", "read", "blur"), [(0.004, 2e-4, 0.0), (0.002, 5e-5, 0.7), (0.008, 4e-4, 1.2)])
def test_pictures_give_the_profile_back(shot: float, read: float, blur: float) -> None:
    found = from_grey([noisy(mono(shot, read, blur), slopes())], [REFERENCE], name="X-ray", iso=None)
    [(found_shot, found_read)] = found.camera.noise.values()
    assert found_shot == pytest.approx(shot, rel=0.12)
    assert found_read == pytest.approx(read, rel=0.5)
    assert found.blur == pytest.approx(blur, abs=0.12 if blur else 0.3)
    assert not found.mosaic
    assert not found.remarks
    assert parse_profile(profile_bytes(found), "again").blur == pytest.approx(found.blur)


def test_what_is_no_line_is_told_and_what_is_too_little_is_refused() -> None:
    clean = slopes()
    strange = (
        clean + np.random.default_rng(0).normal(0, 1, clean.shape[:2])[..., None] * (2 + 12 * (clean < 80))
    ).clip(1, 254)
    assert "no line over level" in from_grey([strange.astype(np.uint8)], [REFERENCE], name="X", iso=None).remarks[0]
    with pytest.raises(ProfileError, match=r"40x40 pixels are too few"):
        from_grey([clean[:40, :40]], [REFERENCE], name="X", iso=None)
    with pytest.raises(ProfileError, match="neither black nor saturated"):
        from_grey([np.zeros((128, 128, 3), np.uint8)], [REFERENCE], name="X", iso=None)


def test_grey_files_make_profiles_without_a_mosaic(tmp_path: Path) -> None:
    write(tmp_path / "xray.png", Picture(noisy(mono(0.004, 2e-4, 0.0), slopes(256)), grey=True))
    found = like([tmp_path / "xray.png"])
    assert (found.name, found.mosaic) == ("like xray.png", False)


def test_blur_belongs_to_profiles_without_a_mosaic() -> None:
    content = profile_bytes(mono(0.004, 2e-4, 1.0)).replace(b'"mosaic": false', b'"mosaic": true')
    with pytest.raises(WeightsError, match="blur: only without a mosaic"):
        parse_profile(content, "x.json")
