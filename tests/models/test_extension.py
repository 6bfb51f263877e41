"""A model that learns further cameras and ISOs: what it knew, it still does; training goes on from it."""

import pytest
import torch

from nmflowgan_cli.checkpoints.build import build, load_model
from nmflowgan_cli.checkpoints.format import Header, read_header, save_weights
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.errors import ConditionError, UsageError
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.extension import camera_mixtures, iso_mixtures, merged
from nmflowgan_cli.training.extension import recipe_from, start_from
from nmflowgan_cli.training.nmflowgan import recipe

BEFORE = Vocabulary(("IP", "S6"), (100, 800), {"IP": {100: 5, 800: 5}, "S6": {100: 3}})
ADDED = Vocabulary(("S6", "X1"), (200, 640, 1600), {"S6": {1600: 2}, "X1": {200: 7, 640: 7}}, {"X1": "Fine X100"})
OPTIONS = {"lite": {"widths": [8, 8]}, "paper": {"widths": [2, 2, 2, 2, 2]}}


def header(name, vocabulary, **changes):
    return Header(**({"architecture": name, "options": OPTIONS[name], "vocabulary": vocabulary, "name": "x"} | changes))


@pytest.fixture
def weights(tmp_path, request):
    """Weights of an architecture whose every parameter is random."""
    torch.manual_seed(0)
    model = build(header(request.param, BEFORE))
    state = {
        name: tensor + 0.05 * torch.randn_like(tensor)
        if tensor.is_floating_point() and "running" not in name
        else tensor
        for name, tensor in model.state_dict().items()
    }
    save_weights(tmp_path / "x.safetensors", state, header(request.param, BEFORE, data=("old",), terms="MIT"))
    return tmp_path / "x.safetensors"


def grown_model(weights):
    before = read_header(weights)
    start, after = start_from(weights, header(before.architecture, ADDED, data=("new",), terms="CC0"))
    model = build(after)
    model.load_state_dict(start.state)
    return model.eval(), after


def sample(model, camera, iso):
    generator = torch.Generator().manual_seed(1)
    clean = 255 * torch.rand((1, 3, 16, 16), generator=generator)
    fields = Fields(*(torch.rand((1, 3, 16, 16), generator=generator) for _ in range(2)))
    with torch.no_grad():
        return model.sample(clean, encode(model.vocabulary, [model.vocabulary.parse(camera, iso)]), fields)


@pytest.mark.parametrize("weights", ["lite", "paper"], indirect=True)
@pytest.mark.parametrize(("camera", "iso"), [("IP", 100), ("IP", 250), ("IP", 800), ("S6", 100)])
def test_known_cameras_keep_their_noise(weights, camera, iso):
    model, _ = grown_model(weights)
    assert sample(model, camera, iso).numpy() == pytest.approx(
        sample(load_model(weights), camera, iso).numpy(), abs=1e-3
    )


@pytest.mark.parametrize("weights", ["lite", "paper"], indirect=True)
def test_new_cameras_and_isos_are_there_and_can_be_told_apart(weights):
    model, after = grown_model(weights)
    assert after.vocabulary.cameras == ("IP", "S6", "X1")
    assert after.vocabulary.isos == (100, 800, 200, 640, 1600)
    assert after.vocabulary.trained == {"IP": {100: 5, 800: 5}, "S6": {100: 3, 1600: 2}, "X1": {200: 7, 640: 7}}
    assert (after.data, after.terms) == (("weights x", "old", "new"), "MIT; CC0")
    assert torch.isfinite(sample(model, "X1", 300)).all()
    assert not torch.equal(sample(model, "X1", 300), sample(model, "X1", 600))
    with pytest.raises(ConditionError, match="ISO 100 is outside"):
        sample(model, "X1", 100)


def test_mixtures_are_one_hot_for_what_is_known():
    after = merged(BEFORE, ADDED)
    cameras, isos = camera_mixtures(BEFORE, after), iso_mixtures(BEFORE, after)
    assert torch.equal(cameras[:2], torch.eye(2))
    assert torch.equal(isos[:2], torch.eye(2))
    assert torch.allclose(cameras.sum(1), torch.ones(3))
    assert torch.allclose(isos.sum(1), torch.ones(5))
    assert isos[2].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert isos[4].tolist() == [0, 1]


def test_nothing_new_changes_nothing():
    assert merged(BEFORE, BEFORE).cameras == BEFORE.cameras
    assert torch.equal(camera_mixtures(BEFORE, BEFORE), torch.eye(2))


def test_a_full_name_is_stored_and_understood():
    vocabulary = Header.from_json(header("lite", merged(BEFORE, ADDED)).to_json()).vocabulary
    assert vocabulary.names == {"X1": "Fine X100"}
    assert vocabulary.parse("fine x100", 200).camera == "X1"
    assert vocabulary.parse("iphone 7", 100).camera == "IP"
    with pytest.raises(ConditionError, match=r"X1 \(Fine X100\)"):
        vocabulary.parse("Nikon", 100)


@pytest.mark.parametrize("weights", ["lite"], indirect=True)
def test_what_does_not_fit_is_refused(weights):
    with pytest.raises(UsageError, match=r"of the architecture lite, not paper \(--preset lite\)"):
        recipe_from(recipe.paper(), "paper", weights)
    with pytest.raises(UsageError, match="leave one of them out"):
        recipe_from(recipe.lite(ablate=["sal"]), "lite", weights)


def test_rates_are_scaled():
    slow = recipe.lite().scaled(0.1)
    assert (slow.flow_rate, slow.spatial_rate, slow.critic_rate) == pytest.approx((3e-4, 1e-4, 1e-4))
    with pytest.raises(UsageError, match="--rate 0"):
        recipe.lite().scaled(0)
