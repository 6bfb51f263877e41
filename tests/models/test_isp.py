"""The physical noise model: transfer curve, Bayer pattern, demosaicing, profiles, and the noise that comes out."""

import pytest
import torch

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.profiles import camera_profiles, default_isp
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.models import bayer
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.isp import Capture, captures, expose
from nmflowgan_cli.models.srgb import from_linear, log_slope, to_linear

RED = torch.tensor([0])
"""The phase of a picture whose upper left pixel is red."""


def light(clean: torch.Tensor) -> torch.Tensor:
    return to_linear(clean / 255)


def flat_capture(batch: int = 1, *, shot: float = 0.0, read: float = 0.0, floor: float = -1.0) -> Capture:
    """An ideal camera: no white balance, no colour matrix."""
    ones = torch.ones(batch)
    eye = torch.eye(3).expand(batch, 3, 3)
    gains = torch.tensor(bayer.LAPLACIAN_GAINS).expand(batch, 3)
    return Capture(shot * ones, read * ones, torch.ones(batch, 3), eye, gains, floor * ones, 0 * ones)


def test_transfer_curve_is_the_published_one_and_continues_outside():
    srgb = torch.tensor([0.0, 0.02, 0.04045, 0.5, 1.0], dtype=torch.float64)
    expected = [0.0, 0.02 / 12.92, 0.04045 / 12.92, ((0.5 + 0.055) / 1.055) ** 2.4, 1.0]
    torch.testing.assert_close(to_linear(srgb), torch.tensor(expected, dtype=torch.float64))
    outside = torch.linspace(-0.5, 1.5, 201, dtype=torch.float64)
    # The standard's two pieces meet only to 1e-7 or so, hence the tolerance.
    torch.testing.assert_close(from_linear(to_linear(outside)), outside, rtol=1e-5, atol=1e-6)


def test_log_slope_is_the_derivative():
    srgb = torch.linspace(-0.3, 1.3, 161, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(to_linear(srgb).sum(), srgb)
    torch.testing.assert_close(log_slope(srgb.detach()).exp(), slope)


@pytest.mark.parametrize("phase", range(4))
def test_each_phase_is_the_rggb_pattern_shifted(phase):
    sites = bayer.site_map(torch.tensor([phase]), 4, 6)
    assert sites.sum(1).eq(1).all()
    rggb = torch.tensor([[0, 1], [2, 3]])
    expected = rggb.roll((-(phase // 2), -(phase % 2)), (0, 1)).repeat(2, 3)
    assert sites.argmax(1)[0].equal(expected)


@pytest.mark.parametrize("phase", range(4))
def test_aligned_samples_start_at_a_red_site(phase):
    sites = bayer.site_map(torch.tensor([phase, 0]), 8, 10)
    assert bayer.aligned(sites, torch.tensor([phase, 0])).equal(bayer.site_map(torch.zeros(2, dtype=torch.long), 6, 8))


def test_folding_makes_sites_channels_and_can_be_undone():
    picture = torch.randn(2, 3, 6, 8)
    assert bayer.unfold(bayer.fold(picture)).equal(picture)
    folded = bayer.fold(bayer.site_map(torch.tensor([0]), 6, 8))
    assert folded.reshape(4, 4, 3, 4).amax((2, 3)).equal(torch.eye(4))


@pytest.mark.parametrize("phase", range(4))
@pytest.mark.parametrize("gains", [None, torch.zeros(1, 3)], ids=["published", "bilinear"])
def test_demosaicing_keeps_what_the_sensor_measured_and_flat_and_sloping_colours(phase, gains):
    phases = torch.tensor([phase])
    colour = torch.tensor([0.2, 0.5, 0.7])[None, :, None, None].expand(1, 3, 12, 14)
    slope = colour + 0.01 * torch.arange(14) + 0.02 * torch.arange(12)[:, None]
    for picture in (colour, slope):
        raw = bayer.mosaic(picture, phases)
        out = bayer.demosaic(raw, phases, gains)
        inside = (..., slice(2, -2), slice(2, -2))
        torch.testing.assert_close(out[inside], picture[inside])
        torch.testing.assert_close(bayer.mosaic(out, phases), raw)


def test_published_filters():
    """An impulse at a red pixel answers with the published weights: 4/8 of it in green, 6/8 of it in blue."""
    raw = torch.zeros(1, 1, 8, 8)
    raw[0, 0, 4, 4] = 8.0
    red, green, blue = bayer.demosaic(raw, RED)[0]
    assert [red[4, 4], green[4, 4], blue[4, 4]] == [8, 4, 6]
    assert [red[4, 5], green[4, 5], blue[5, 5]] == [4, 0, 0]
    assert [green[4, 6], blue[4, 6], red[5, 5], blue[4, 5]] == [-1, -1.5, 2, pytest.approx(0)]


def test_each_phase_demosaics_like_the_same_picture_cut_elsewhere():
    """Phase and place together say the site: rows and columns on from a red site are a picture of another phase."""
    raw = torch.randn(1, 1, 20, 22)
    whole = bayer.demosaic(raw, RED)
    for phase in range(4):
        top, left = divmod(phase, 2)
        part = bayer.demosaic(raw[..., top:, left:].clone(), torch.tensor([phase]))
        inside = (..., slice(2, -2), slice(2, -2))
        torch.testing.assert_close(part[inside], whole[..., top:, left:][inside])


@pytest.mark.parametrize("size", [(6, 6), (7, 9), (16, 16)])
def test_exposure_is_the_camera_pipeline_written_out(size):
    """White balance, colours, noise, clipping, demosaicing and back, one sample and one plain formula at a time."""
    torch.manual_seed(1)
    profiles, phases = camera_profiles(), torch.tensor([0, 1, 2, 3])
    capture = captures([profiles[name] for name in ("IP", "GP", "S6", "G4")], [800, 3200, 100, 400], torch.rand(4, 2))
    linear, normal = torch.rand(4, 3, *size), torch.randn(4, 1, *size)
    noisy = expose(linear.clone(), capture, phases, normal)
    for n in range(4):
        one, phase = Capture(*(field[n : n + 1] for field in capture)), phases[n : n + 1]
        colours = torch.einsum("ij,jhw->ihw", one.matrix[0], linear[n])[None]
        balanced = bayer.mosaic(colours, phase).clamp(0, 1)
        gains = bayer.mosaic(one.gains[..., None, None].expand_as(colours), phase)
        raw = balanced / gains
        shot = raw + normal[n] * (one.shot * raw + one.read).sqrt() - one.black_shift * one.read.sqrt()
        difference = (shot.clamp_min(one.floor.item()) * gains).clamp_max(1) - balanced
        seen = bayer.demosaic(difference, phase, one.laplacian_gains)[0]
        expected = 255 * from_linear(linear[n] + torch.einsum("ij,jhw->ihw", one.matrix[0].inverse(), seen))
        torch.testing.assert_close(noisy[n], expected, rtol=1e-4, atol=1e-3)


def test_the_pipeline_can_be_calibrated_by_its_gradients():
    """All settings of a capture reach the picture, by the derivatives that finite differences find."""
    torch.manual_seed(2)
    profile, linear, normal = camera_profiles()["N6"], torch.rand(1, 3, 8, 8), torch.randn(1, 1, 8, 8)
    wide = [field.double() for field in captures([profile], [1600], torch.rand(1, 2))]

    def picture(*settings):
        return expose(linear.double().clone(), Capture(*settings), RED, normal.double()).mean(1)

    assert torch.autograd.gradcheck(picture, [field.requires_grad_() for field in wide], eps=1e-7, atol=1e-3)


def test_without_noise_the_clean_picture_comes_back():
    clean = (torch.rand(2, 3, 20, 22) * 255).round()
    profiles = camera_profiles()
    settings = captures([profiles["IP"], profiles["S6"]], [800, 3200], torch.rand(2, 2))
    silent = settings._replace(shot=torch.zeros(2), read=torch.zeros(2))
    noisy = expose(light(clean), silent, torch.tensor([0, 3]), torch.randn(2, 1, 20, 22))
    torch.testing.assert_close(noisy, clean, rtol=1e-4, atol=0.02)


def test_raw_variance_is_shot_times_signal_plus_read():
    """Green at a green site of an ideal camera is the raw value itself."""
    torch.manual_seed(0)
    sites = bayer.site_map(RED, 400, 400)
    clean = torch.full((1, 3, 400, 400), 140.0)
    noisy = expose(light(clean), flat_capture(shot=0.01, read=1e-4), RED, torch.randn(1, 1, 400, 400))
    linear = to_linear(noisy / 255)
    signal = to_linear(torch.tensor(140 / 255))
    at_green = linear[0, 1][(sites[0, 1] + sites[0, 2]).bool()]
    assert at_green.var().item() == pytest.approx((0.01 * signal + 1e-4).item(), rel=0.02)
    assert at_green.mean().item() == pytest.approx(signal.item(), rel=0.01)


def test_the_sensor_clips_at_its_floor_and_at_white():
    sites = bayer.site_map(RED, 60, 60)
    black = expose(torch.zeros(1, 3, 60, 60), flat_capture(read=0.01, floor=0.0), RED, torch.randn(1, 1, 60, 60))
    green = black[0, 1][(sites[0, 1] + sites[0, 2]).bool()]
    assert green.min() >= -1e-3
    white = expose(torch.ones(1, 3, 60, 60), flat_capture(read=0.01), RED, torch.randn(1, 1, 60, 60))
    assert white[0, 1][(sites[0, 1] + sites[0, 2]).bool()].max() <= 255.01


def test_simulated_noise_has_the_correlations_of_a_phone():
    """Real Google Pixel noise: lag 1 of red .49, green .27, blue .48; red with green .38 (all +- .07 over scenes)."""
    torch.manual_seed(0)
    model = default_isp()
    clean = torch.full((1, 3, 400, 400), 120.0)
    fields = Fields(torch.randn(1, 3, 400, 400), torch.rand(1, 3, 400, 400))
    noise = (model.sample(clean, encode(model.vocabulary, [Condition("GP", 3200)]), fields) - clean)[0]
    lag_1 = [torch.corrcoef(torch.stack([c[:, :-1].flatten(), c[:, 1:].flatten()]))[0, 1].item() for c in noise]
    assert lag_1 == pytest.approx([0.49, 0.27, 0.48], abs=0.08)
    red_green = torch.corrcoef(noise[:2].flatten(1))[0, 1].item()
    assert red_green == pytest.approx(0.38, abs=0.1)


def test_every_phone_has_a_profile_that_grows_with_iso():
    profiles = camera_profiles()
    assert set(profiles) == {"IP", "GP", "S6", "N6", "G4"}
    for camera, profile in profiles.items():
        matrix = torch.tensor(profile.matrix)
        torch.testing.assert_close(matrix.sum(1), torch.ones(3), rtol=0, atol=1e-4)
        dark = [profile.noise_at(iso)[0] + profile.noise_at(iso)[1] for iso in sorted(profile.noise)]
        assert dark == sorted(dark) or camera == "IP", "noise falls with ISO"


def test_profiles_are_exact_at_their_isos_and_log_linear_between():
    profile = camera_profiles()["GP"]
    assert profile.noise_at(800) == pytest.approx(profile.noise[800])
    between = profile.noise_at(round((800 * 1600) ** 0.5))
    expected = [(low * high) ** 0.5 for low, high in zip(profile.noise[800], profile.noise[1600], strict=True)]
    assert between == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ConditionError, match="ISO 25"):
        profile.noise_at(25)


def test_the_simulator_is_a_noise_model_with_a_white_balance_for_each_picture():
    model = default_isp()
    torch.manual_seed(0)
    clean = torch.full((2, 3, 64, 64), 100.0)
    fields = Fields(torch.randn(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    code = encode(model.vocabulary, [Condition("IP", 800), Condition("GP", 3200)])
    balance = model.statistics(lambda: [(clean, fields)], code)
    noisy = model.sample(clean, code, fields, balance)
    deviations = (noisy - clean).std((1, 2, 3))
    assert 4 < deviations[0] < deviations[1] < 40
    assert not torch.equal(noisy, model.sample(clean, code, fields))
