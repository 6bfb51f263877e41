"""C2N: parity of generator and critic with the authors' networks, through the importer."""

import numpy as np
import pytest
import torch
from baselines import arrays, relative, weights

from nmflowgan_cli.checkpoints.build import build, import_checkpoint
from nmflowgan_cli.checkpoints.c2n import RENAMED
from nmflowgan_cli.checkpoints.translation import official_name
from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.models.base import Fields, encode, to_bytes
from nmflowgan_cli.models.c2n import C2N
from nmflowgan_cli.training.c2n import Critic

VOCABULARY = Vocabulary(("IP",), (100,), {"IP": {100: 1}})


@pytest.fixture(scope="module")
def fixture() -> dict[str, np.ndarray]:
    return arrays("c2n")


@pytest.fixture(scope="module")
def state(fixture) -> dict[str, torch.Tensor]:
    """The authors' generator by the formula."""
    own = C2N(VOCABULARY).state_dict()
    shapes = {official_name(name, RENAMED): tuple(tensor.shape) for name, tensor in own.items()}
    return weights("c2n_g", shapes, int(fixture["weights_seed"]))


@pytest.fixture(scope="module")
def model(state, tmp_path_factory) -> C2N:
    path = tmp_path_factory.mktemp("c2n") / "C2N-SIDD_to_SIDD.ckpt"
    torch.save(state, path)
    tensors, header = import_checkpoint(path)
    made = build(header)
    made.load_state_dict(tensors)
    return made.eval()


@pytest.fixture(scope="module")
def critic(fixture) -> Critic:
    made = Critic(64)
    shapes = {name.replace(".layers.", ".body."): tuple(tensor.shape) for name, tensor in made.state_dict().items()}
    by_name = weights("c2n_d", shapes, int(fixture["weights_seed"]))
    made.load_state_dict(dict(zip(made.state_dict(), by_name.values(), strict=True)))
    sums(fixture, "c2n_d", by_name)
    return made


def sums(fixture, net, state):
    """The weights are those that the fixture was made with."""
    expected = dict(zip(map(str, fixture["weights_keys"]), fixture["weights_sum"], strict=True))
    expected = {key.partition("/")[2]: total for key, total in expected.items() if key.startswith(f"{net}/")}
    assert expected.keys() == state.keys()
    for name, total in expected.items():
        assert state[name].double().sum().item() == pytest.approx(total, rel=1e-9, abs=1e-9), name


def drawn(fixture, case) -> tuple[torch.Tensor, Fields]:
    """Counts (blue, green, red) and draws of a case."""
    tensors = (torch.from_numpy(fixture[f"{case}_{name}"]).float() for name in ("dep_normal", "indep_uniform", "r"))
    return torch.from_numpy(fixture[f"{case}_clean"])[None].float(), Fields(*tensors)


def test_the_weights_are_those_of_the_fixture(fixture, state):
    sums(fixture, "c2n_g", state)
    assert sum(tensor.numel() for tensor in state.values()) == 2_154_068


@torch.no_grad()
def test_the_generator_matches_layer_by_layer(fixture, model):
    counts, fields = drawn(fixture, "a")
    clean = counts / 255
    head = model.head(clean)
    merged = model.merge(torch.cat([head, fields.whole[..., None, None].expand(-1, -1, *clean.shape[-2:])], 1))
    mean, deviation = model.moments(clean, fields.whole)
    feature = mean + deviation * fields.latent
    dependent, independent = model.dependent.merge(feature), model.independent.merge(fields.uniform)
    made = {
        "head_ch0_8": head[:, :8],
        "merge_ch0_8": merged[:, :8],
        "dep_mean": mean,
        "dep_std": deviation,
        "dep_feature": feature,
        "pipe_indep_1": model.independent.pointwise(independent),
        "pipe_indep_3": model.independent.spatial(independent),
        "pipe_dep_1": model.dependent.pointwise(dependent),
        "pipe_dep_3": model.dependent.spatial(dependent),
        "feature_sum": model.independent(fields.uniform) + model.dependent(feature),
    }
    errors = {name: relative(value, fixture[f"a_{name}"]) for name, value in made.items()}
    assert max(errors.values()) < 1e-5, errors


@pytest.mark.parametrize("case", ["a", "b"])
@torch.no_grad()
def test_pictures_match(fixture, model, case):
    counts, fields = drawn(fixture, case)
    assert relative(model.noise(counts / 255, fields), fixture[f"{case}_noise"]) < 1e-5
    code = encode(model.vocabulary, [Condition("G4", 3200)])
    noisy = model.sample(counts.flip(1), code, fields).flip(1)
    assert relative(noisy / 255, fixture[f"{case}_noisy_float"]) < 1e-5
    off = np.abs(to_bytes(noisy).numpy().astype(int) - fixture[f"{case}_noisy_uint8"])
    assert off.max() <= 1
    assert (off > 0).mean() <= 1e-3


def test_the_critic_matches(fixture, critic):
    real, fake = (torch.from_numpy(fixture[f"critic_{kind}"]).float() / 255 for kind in ("real", "fake"))
    share = torch.from_numpy(fixture["critic_mixing"])
    mix = (share * real + (1 - share) * fake).requires_grad_()
    for kind, picture in (("real", real), ("fake", fake), ("mix", mix)):
        assert relative(critic(picture), fixture[f"critic_map_{kind}"]) < 3e-5
    (gradient,) = torch.autograd.grad(critic(mix).sum(), mix)
    assert relative(gradient, fixture["critic_grad_mix"]) < 3e-5
    (of_mean,) = torch.autograd.grad(critic.mean(mix).sum(), mix)
    assert relative(of_mean.flatten(1).norm(dim=1), fixture["critic_grad_norm_of_mean"]) < 3e-5
