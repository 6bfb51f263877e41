"""sRGBFlow: parity with the authors' network, through the importer."""

import numpy as np
import pytest
import torch
from baselines import arrays, relative, weights

from nmflowgan_cli.checkpoints.build import build, import_checkpoint
from nmflowgan_cli.checkpoints.official import VOCABULARY
from nmflowgan_cli.checkpoints.srgbflow import RENAMED
from nmflowgan_cli.checkpoints.translation import official_name
from nmflowgan_cli.models.base import Code, Fields
from nmflowgan_cli.models.flow import dequantisation_log_det, likelihood, standard_normal_log_density
from nmflowgan_cli.models.srgbflow import Coupling, SRGBFlow

UNTRAINED = [6, 8, 9, 16, 18, 19, 20, 21, 23, 24]
"""Rows of the tables, ISO-major, that the authors' files leave at zero."""


@pytest.fixture(scope="module")
def fixture() -> dict[str, np.ndarray]:
    return arrays("srgbflow")


@pytest.fixture(scope="module")
def state(fixture) -> dict[str, torch.Tensor]:
    """The authors' state dict by the formula."""
    shapes = {official_name(name, RENAMED): tuple(t.shape) for name, t in SRGBFlow(VOCABULARY).state_dict().items()}
    shapes |= {"base_dist.buffer": (1,), "model.0.ldj_per_dim": (), "data_pre_processing.0.ldj_per_dim": ()}
    made = weights("srgbflow", shapes, int(fixture["weights_seed"]))
    for name, tensor in list(made.items()):
        if name.endswith((".log_scale", ".bias")) and tensor.ndim == 2:
            tensor[UNTRAINED] = 0
        if ".conv2d_3." in name:
            tensor[:2] /= 32
        for own, second in (("conv2d_1", "net.0"), ("conv2d_2", "net.3")):
            if f".{own}." in name:
                made[name.replace(f".{own}.", f".{second}.")] = tensor
    return made


@pytest.fixture
def model(state, tmp_path) -> SRGBFlow:
    path = tmp_path / "epoch_60.pth"
    torch.save({"epoch_num": 60, "state_dict": state, "optimizer": {}, "grad_scaler": {}}, path)
    tensors, header = import_checkpoint(path)
    made = build(header)
    made.load_state_dict(tensors)
    return made.eval()


def code_of(fixture, case) -> Code:
    """One-hot codes, those of untrained ones included."""
    places = [VOCABULARY.isos.index(int(iso)) for iso in fixture[f"{case}_iso"]]
    cameras = [VOCABULARY.cameras.index(str(camera)) for camera in fixture[f"{case}_camera"]]
    one_hot = torch.nn.functional.one_hot
    camera, iso = (one_hot(torch.tensor(rows), 5).float() for rows in (cameras, places))
    return Code(camera, iso, torch.zeros(len(places)))


def tensor(fixture, name) -> torch.Tensor:
    return torch.from_numpy(fixture[name]).float()


def test_the_weights_are_those_of_the_fixture(fixture, state):
    expected = dict(zip(map(str, fixture["weights_keys"]), fixture["weights_sum"], strict=True))
    assert expected.keys() == state.keys()
    for name, total in expected.items():
        assert state[name].double().sum().item() == pytest.approx(total, rel=1e-9, abs=1e-9), name
    assert sum(parameter.numel() for parameter in SRGBFlow(VOCABULARY).parameters()) == 6_160


def test_untrained_codes_are_recorded(model):
    trained = model.vocabulary.trained
    rows = [(iso, camera) for iso in VOCABULARY.isos for camera in VOCABULARY.cameras]
    assert [row for row, (iso, camera) in enumerate(rows) if not trained[camera][iso]] == UNTRAINED


@pytest.mark.parametrize("case", ["a", "b", "c"])
@torch.no_grad()
def test_the_likelihood_matches_layer_by_layer(fixture, model, case):
    counts, noisy = tensor(fixture, f"{case}_clean"), tensor(fixture, f"{case}_noisy")
    given = model.given(counts, code_of(fixture, case), tensor(fixture, f"{case}_u_clean"))
    x = (noisy + tensor(fixture, f"{case}_u_noisy")) / 256
    log_dets, embedding = [dequantisation_log_det(noisy)], []
    for number, layer in enumerate(model.flow.bijections, 1):
        x, log_det = layer(x, given)
        log_dets.append(log_det)
        if isinstance(layer, Coupling):
            embedding.append(layer.code_net(given.code)[:, 0, 0, 0])
        if f"{case}_fwd_{number:02}" in fixture:
            assert relative(x, fixture[f"{case}_fwd_{number:02}"]) < 1e-5, number
    assert relative(x, fixture[f"{case}_latent"]) < 1e-5
    assert relative(torch.stack(embedding, 1), fixture[f"{case}_embedding"]) < 1e-5
    assert relative(standard_normal_log_density(x), fixture[f"{case}_log_prior"]) < 2e-6
    found, theirs = torch.stack(log_dets, 1), fixture[f"{case}_logdet"].copy()
    theirs[:, [3, 5, 8, 10, 13, 15, 18, 20]] *= counts.shape[-2] / counts.shape[-1]
    assert relative(found, theirs) < 2e-6
    nll, _ = likelihood(model.flow, noisy, given, tensor(fixture, f"{case}_u_noisy"))
    assert relative(nll / noisy[0].numel(), fixture[f"{case}_nll_per_dim_true"]) < 2e-6
    fields = Fields(tensor(fixture, f"{case}_u_noisy"), tensor(fixture, f"{case}_u_clean"))
    assert torch.equal(model.nll(counts.flip(1), noisy.flip(1), given.code, fields), nll)


@pytest.mark.parametrize("case", ["a", "b", "c"])
@torch.no_grad()
def test_samples_match(fixture, model, case):
    counts, z, uniform = (tensor(fixture, f"{case}_{name}") for name in ("clean", "z", "u_sample"))
    given, x = model.given(counts, code_of(fixture, case), uniform), z
    for number, layer in reversed(list(enumerate(model.flow.bijections, 1))):
        x = layer.inverse(x, given)
        if f"{case}_inv_{number:02}" in fixture:
            assert relative(x, fixture[f"{case}_inv_{number:02}"]) < 1e-5, number
    assert relative(x, fixture[f"{case}_sample_float"]) < 1e-5
    made = model.sample(counts.flip(1), given.code, Fields(z, uniform)).flip(1)
    assert np.array_equal(made.numpy(), fixture[f"{case}_sample"])


def test_a_training_step_matches(fixture, model):
    model.train()
    counts, noisy = tensor(fixture, "train_clean"), tensor(fixture, "train_noisy")
    given = model.given(counts, code_of(fixture, "train"), tensor(fixture, "train_u_clean"))
    nll, latents = likelihood(model.flow, noisy, given, tensor(fixture, "train_u_noisy"))
    assert nll.mean().item() == pytest.approx(float(fixture["train_nll"]), rel=2e-6)
    assert latents.flatten(1).std(1).mean().item() == pytest.approx(float(fixture["train_sd_z"]), rel=1e-5)
    nll.mean().backward()
    gradients = {official_name(n, RENAMED): p.grad.norm().item() for n, p in model.named_parameters()}
    expected = dict(zip(map(str, fixture["train_grad_names"]), map(float, fixture["train_grad_norm"]), strict=True))
    assert gradients.keys() >= {name for name in expected if ".net.0." not in name and ".net.3." not in name}
    largest = max(expected.values())
    for name, norm in expected.items():
        if norm > 1e-4 * largest and name in gradients:
            assert gradients[name] == pytest.approx(norm, rel=1e-4), name
    after = {official_name(name, RENAMED): value for name, value in model.state_dict().items()}
    for name, value in fixture.items():
        if name.startswith("train_after__"):
            assert relative(after[name.removeprefix("train_after__")], value) < 1e-5, name
