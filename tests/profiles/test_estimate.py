"""Estimation of profiles: closed forms against drawn noise, parameters of simulated pictures, refusals."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.errors import ProfileError
from nmflowgan_cli.models.isp import CameraProfile, Capture, captures, expose, headroom_of
from nmflowgan_cli.models.srgb import to_linear
from nmflowgan_cli.profiles.blocks import blocks_of
from nmflowgan_cli.profiles.closed_form import Flat, Sensor, flat_noise
from nmflowgan_cli.profiles.estimate import from_burst, from_pairs, from_pictures
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference
from nmflowgan_cli.profiles.sampled import expose_sampled

Counts = NDArray[np.uint8]
COLOURS = ((12, 8, 14), (40, 40, 40), (110, 60, 50), (120, 150, 200), (200, 210, 220))


def capture_of(camera: CameraProfile, iso: int, number: int = 1) -> Capture:
    """Settings in the middle of the camera's white balance."""
    return captures([camera] * number, [iso] * number, torch.full((number, 2), 0.5))


def shot_of(clean: Counts, camera: CameraProfile, iso: int, seed: int) -> Counts:
    """A simulated noisy picture."""
    generator = torch.Generator().manual_seed(seed)
    light = to_linear(torch.from_numpy(clean.transpose(2, 0, 1)[None] / np.float32(255)))
    normal = torch.randn(1, 1, *clean.shape[:2], generator=generator)
    noisy = expose(light, capture_of(camera, iso), torch.tensor([seed % 4]), normal)
    return noisy[0].clamp(0, 255).round().byte().permute(1, 2, 0).numpy()


def scene(seed: int = 0, side: int = 320, texture: float = 0.0) -> Counts:
    """Smooth areas of many colours; `texture`: standard deviation of structure on the right half."""
    rng = np.random.default_rng(seed)
    number = -(-side // 32)
    levels = rng.uniform(0.1, 0.85, (number, number, 1)) * rng.uniform(0.8, 1.2, (number, number, 3))
    areas = levels.repeat(32, 0).repeat(32, 1)[:side, :side]
    areas = areas * np.linspace(0.9, 1.1, side)[:, None, None]
    structure = np.zeros((side, side, 1))
    structure[:, side // 2 :] = rng.normal(0, texture / 255, (side, side - side // 2, 1))
    return ((areas + structure) * 255).clip(0, 255).round().astype(np.uint8)


def named(*names: str) -> list[Reference]:
    return [Reference(name, "0" * 64) for name in names]


def deviation_at(profile: CameraProfile, iso: int, level: float) -> float:
    """Standard deviation of green at a grey level, by the closed form: what the parameters stand for."""
    return float(closed_form(profile, iso, ((level, level, level),))[1][0, 1].sqrt())


def closed_form(camera: CameraProfile, iso: int, colours: tuple[tuple[float, ...], ...]) -> Flat:
    settings = capture_of(camera, iso)
    shot, read, gains, matrix, laplacian, floor, black = (field.double()[0] for field in settings)
    clean = torch.tensor(colours, dtype=torch.float64)
    sensor = Sensor(shot, read, gains.expand(len(colours), 3), matrix, laplacian, floor, black)
    return flat_noise(clean, to_linear(clean / 255), sensor)


@pytest.mark.parametrize(("camera", "iso"), [("GP", 800), ("S6", 3200), ("GP", 6400)])
def test_the_closed_form_is_what_the_simulator_draws(camera: str, iso: int) -> None:
    profile, size = camera_profiles()[camera], 384
    flat = torch.tensor(COLOURS, dtype=torch.float32)[:, :, None, None].expand(-1, 3, size, size)
    normal = torch.randn(len(COLOURS), 1, size, size, generator=torch.Generator().manual_seed(0))
    phase = torch.zeros(len(COLOURS), dtype=torch.long)
    noisy = expose(to_linear(flat / 255).clone(), capture_of(profile, iso, len(COLOURS)), phase, normal)
    shown = noisy.clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()
    expected = closed_form(profile, iso, COLOURS)
    for number, (picture, colour) in enumerate(zip(shown, COLOURS, strict=True)):
        blocks = blocks_of(picture, np.broadcast_to(np.array(colour, np.uint8), picture.shape))
        variance = blocks.covariance[..., 0].diagonal(axis1=1, axis2=2).mean(0)
        assert variance**0.5 == pytest.approx(expected.variance[number].sqrt().numpy(), rel=0.035)
        assert blocks.offset.mean(0) == pytest.approx(expected.mean[number].numpy(), abs=0.1 * variance.mean() ** 0.5)
        correlation = blocks.covariance.mean(0) / np.sqrt(np.outer(variance, variance))[..., None]
        # Clipping at black couples the sites of a cell in a way that averages over the cell do not know.
        assert correlation == pytest.approx(expected.correlation[number].numpy(), abs=0.1)


def test_planes_taken_from_blocks_are_accounted_for() -> None:
    clean, camera = scene(), camera_profiles()["GP"]
    noisy = shot_of(clean, camera, 800, 1)
    alone, paired = blocks_of(noisy), blocks_of(noisy, clean)
    assert np.quantile(alone.covariance[:, 1, 1, 0] / paired.covariance[:, 1, 1, 0], 0.5) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("way", ["pictures", "pairs", "burst"])
@pytest.mark.parametrize(("camera", "iso"), [("GP", 800), ("N6", 3200)])
def test_simulated_pictures_give_their_parameters_back(way: str, camera: str, iso: int) -> None:
    profile, found = camera_profiles()[camera], estimated(way, camera, iso)
    for level in (50, 110, 180):
        assert deviation_at(found.camera, iso, level) == pytest.approx(deviation_at(profile, iso, level), rel=0.05)
    shot, read = profile.noise_at(iso)
    errors = found.uncertainty
    assert abs(np.log(found.camera.noise[iso][0] / shot)) < 3 * errors["shot"] < 1
    assert abs(np.log(found.camera.noise[iso][1] / read)) < 3 * errors["read"]
    assert not found.remarks


def estimated(way: str, camera: str, iso: int) -> NoiseProfile:
    profile = camera_profiles()[camera]
    clean = scene(side=480)
    if way == "pictures":
        return from_pictures([shot_of(clean, profile, iso, 1)], named("a"), name=camera, iso=iso)
    if way == "pairs":
        return from_pairs([clean], [shot_of(clean, profile, iso, 1)], named("a"), name=camera, iso=iso)
    shots = [shot_of(clean, profile, iso, seed) for seed in range(4)]
    return from_burst(shots, named(*"abcd"), name=camera, iso=iso)


def test_texture_is_not_taken_for_noise() -> None:
    camera = camera_profiles()["GP"]
    found = from_pictures([shot_of(scene(texture=25), camera, 800, 1)], named("a"), name="GP", iso=800)
    for level in (60, 140):
        assert deviation_at(found.camera, 800, level) == pytest.approx(deviation_at(camera, 800, level), rel=0.06)


def test_two_fits_are_the_same_and_order_does_not_matter() -> None:
    camera = camera_profiles()["S6"]
    pictures = [shot_of(scene(seed, 192), camera, 800, seed) for seed in range(2)]
    first = from_pictures(pictures, named("a", "b"), name="S6", iso=800)
    assert from_pictures(pictures, named("a", "b"), name="S6", iso=800, seed=5) == first
    turned = from_pictures(pictures[::-1], named("b", "a"), name="S6", iso=800)
    assert turned.camera.noise[800] == pytest.approx(first.camera.noise[800], rel=1e-3)
    assert turned.references[1].white_balance == pytest.approx(first.references[0].white_balance, rel=1e-3)


def test_more_pictures_leave_less_uncertainty() -> None:
    camera = camera_profiles()["S6"]
    pictures = [shot_of(scene(seed, 128), camera, 800, seed) for seed in range(4)]
    errors = [
        from_pictures(pictures[:number], named(*"abcd"[:number]), name="S6", iso=800).uncertainty["shot"]
        for number in (1, 2, 4)
    ]
    assert all(more > fewer for more, fewer in pairwise(errors))


def test_an_unknown_iso_is_said_so() -> None:
    noisy = shot_of(scene(side=192), camera_profiles()["GP"], 800, 1)
    found = from_pictures([noisy], named("a"), name="mine", iso=None)
    assert not found.iso_known
    assert list(found.camera.noise) == [100]


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.full((63, 200, 3), 90, np.uint8), r"200x63 pixels"),
        (np.zeros((200, 200, 3), np.uint8), r"100 % of the picture is black"),
        (np.full((200, 200, 3), 255, np.uint8), r"100 % saturated"),
        (scene(side=192), r"noise of 0\.\d\d counts"),
    ],
    ids=["small", "black", "saturated", "without noise"],
)
def test_pictures_that_show_no_noise_are_refused_with_a_number(picture: Counts, message: str) -> None:
    with pytest.raises(ProfileError, match=message) as caught:
        from_pictures([picture], named("a.png"), name="mine", iso=None)
    assert "a.png" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_smoothed_picture_is_remarked_on() -> None:
    noisy = shot_of(scene(), camera_profiles()["GP"], 3200, 1).astype(float)
    smooth = np.mean([np.roll(noisy, (down, right), (0, 1)) for down in range(3) for right in range(3)], 0)
    found = from_pictures([smooth.round().astype(np.uint8)], named("a"), name="mine", iso=None)
    assert any("correlations differ by 0." in remark for remark in found.remarks)


def test_a_burst_is_put_in_place_and_evened_out() -> None:
    camera, clean = camera_profiles()["GP"], scene(side=400, texture=15)
    shifted = [clean[row : row + 320, column : column + 320] for row, column in ((8, 8), (5, 9), (12, 3))]
    shots = [shot_of(np.ascontiguousarray(part), camera, 800, seed) for seed, part in enumerate(shifted)]
    shots[1] = (shots[1] * 0.97).round().astype(np.uint8)
    found = from_burst(shots, named(*"abc"), name="GP", iso=800)
    assert deviation_at(found.camera, 800, 110) == pytest.approx(deviation_at(camera, 800, 110), rel=0.06)
    assert any("brightness" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda shots: shots[:2], r"a burst of 2 shots"),
        (lambda shots: [*shots[:2], shots[2][:64, :64]], r"c is 64x64"),
        (lambda shots: [*shots[:2], np.roll(shots[2], 25, 0)], r"c lies 25 pixels from a"),
        (lambda shots: [*shots[:2], (shots[2] * 0.5).astype(np.uint8)], r"c differs from the mean .* \d\d % in"),
    ],
    ids=["two", "sizes", "moved", "darker"],
)
def test_bursts_that_are_none_are_refused(change: Callable[[list[Counts]], list[Counts]], message: str) -> None:
    camera = camera_profiles()["GP"]
    shots = change([shot_of(scene(side=192), camera, 800, seed) for seed in range(3)])
    with pytest.raises(ProfileError, match=message):
        from_burst(shots, named("a", "b", "c")[: len(shots)], name="GP", iso=800)


def test_pairs_of_two_sizes_are_refused() -> None:
    clean = scene(side=192)
    with pytest.raises(ProfileError, match="a pair has one size"):
        from_pairs([clean], [clean[:128]], named("a"), name="GP", iso=800)


def test_the_profile_serves_the_simulator() -> None:
    camera, clean = camera_profiles()["N6"], scene(side=256)
    noisy = shot_of(clean, camera, 1600, 1)
    found = from_pictures([noisy], named("a"), name="N6", iso=1600)
    made = shot_of(clean, found.camera, 1600, 2)
    real, fake = (picture.astype(float) - clean for picture in (noisy, made))
    assert fake.std() == pytest.approx(real.std(), rel=0.04)


def test_sampled_pictures_are_noticed_and_rendered_without_spatial_correlation() -> None:
    camera, clean = camera_profiles()["GP"], scene(side=320)
    small = np.ascontiguousarray(clean.repeat(5, 0).repeat(5, 1))
    noisy = np.ascontiguousarray(shot_of(small, camera, 800, 1)[2::5, 2::5])
    found = from_pictures([noisy], named("a"), name="GP", iso=800)
    assert found.sampled
    light = to_linear(torch.from_numpy(clean.transpose(2, 0, 1)[None] / np.float32(255)))
    normal = torch.randn(1, 3, *clean.shape[:2], generator=torch.Generator().manual_seed(0))
    made = expose_sampled(light, capture_of(found.camera, 800), normal)[0].permute(1, 2, 0).numpy()
    real, fake = noisy.astype(float) - clean, made.clip(0, 255).round() - clean
    assert fake.std((0, 1)) == pytest.approx(real.std((0, 1)), rel=0.04)
    pairs = [0, 0, 1], [1, 2, 2]
    correlations = [np.asarray(np.corrcoef(noise.reshape(-1, 3).T))[pairs] for noise in (real, fake)]
    assert correlations[1] == pytest.approx(correlations[0], abs=0.06)
    assert abs(np.corrcoef(fake[:, 1:, 1].ravel(), fake[:, :-1, 1].ravel())[0, 1]) < 0.02


def test_pictures_of_a_sensor_are_not_taken_for_sampled_ones() -> None:
    noisy = shot_of(scene(side=192), camera_profiles()["S6"], 800, 1)
    assert not from_pictures([noisy], named("a"), name="S6", iso=800).sampled


def test_saturated_areas_show_no_noise() -> None:
    camera = replace(camera_profiles()["GP"], headroom=0.5)
    white = torch.ones(1, 3, 64, 64)
    normal = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    settings, phase = capture_of(camera, 3200), torch.tensor([0])
    plain = expose(white.clone(), settings, phase, normal)
    saturated = expose(white.clone(), settings, phase, normal, headroom_of([camera]))
    assert saturated.std() < 0.1 * plain.std()
    grey = expose(white * 0.5, settings, phase, normal)
    assert torch.equal(grey, expose(white * 0.5, settings, phase, normal, headroom_of([camera])))
