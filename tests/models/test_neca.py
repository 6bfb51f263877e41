"""NeCA: parity with the authors' networks and losses through the importer, and its laws as a noise model."""

import numpy as np
import pytest
import torch
from baselines import arrays, relative, weights

from nmflowgan_cli.checkpoints.build import import_checkpoint
from nmflowgan_cli.conditions import Condition, Vocabulary
from nmflowgan_cli.denoising.dncnn import DnCNN
from nmflowgan_cli.errors import ConditionError, WeightsError
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.neca import GAINS, NeCA, Statistics
from nmflowgan_cli.synthesis.engine import synthesize
from nmflowgan_cli.training.neca import NeCALearner, paper

VOCABULARY = Vocabulary(("IP", "GP"), (100, 800), {"IP": {100: 1, 800: 1}, "GP": {800: 1}})
CODE = encode(VOCABULARY, [Condition("IP", 100)])
FILES = {"e": "E", "g1": "G1", "g2": "G2"}


@pytest.fixture(scope="module")
def fixture() -> dict[str, np.ndarray]:
    return arrays("neca")


def formula(net: str, module: torch.nn.Module, fixture: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The authors' state by the formula, for a module of the same names."""
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    state = weights(net, shapes, int(fixture["weights_seed"]))
    sums = dict(zip(map(str, fixture["weights_keys"]), fixture["weights_sum"], strict=True))
    for name, tensor in state.items():
        assert tensor.double().sum().item() == pytest.approx(sums[f"{net}/{name}"], rel=1e-9, abs=1e-9), name
    return state


@pytest.fixture(scope="module")
def folder(fixture, tmp_path_factory):
    """The authors' three files."""
    path, own = tmp_path_factory.mktemp("neca"), NeCA(VOCABULARY)
    for net, module in (("e", own.gain_net), ("g1", own.level_net), ("g2", own.correlation_net)):
        state = {"epoch": 1, "model_state_dict": formula(f"neca_{net}", module, fixture)}
        torch.save(state, path / f"checkpoint_{FILES[net]}.pth")
    return path


def imported(path) -> NeCA:
    state, header = import_checkpoint(path)
    model = NeCA(header.vocabulary, **header.options).eval()
    model.load_state_dict(state)
    return model


def counts(array: np.ndarray) -> torch.Tensor:
    tensor = torch.from_numpy(array).float()
    return tensor if tensor.ndim == 4 else tensor[None]


def rounded(values: torch.Tensor) -> np.ndarray:
    return (255 * values.clamp(0, 1)).round().numpy().astype(np.uint8)


@pytest.mark.parametrize("case", ["wa", "wb"])
@torch.no_grad()
def test_neca_w_matches_the_authors_layer_by_layer(fixture, folder, case):
    model = imported(folder / "checkpoint_E.pth")
    given = {name.removeprefix(f"{case}_"): value for name, value in fixture.items() if name.startswith(f"{case}_")}
    height, width = given["z"].shape[-2:]
    clean, noisy = (counts(given[name])[..., :height, :width] for name in ("clean", "noisy"))
    gain = model.gain_net(noisy / 255)
    errors = {"gain": relative(gain, given["gain"])}
    levels = model.levels(clean, Statistics(gain, ()))
    white = levels * torch.from_numpy(given["z"])
    correlated = model.correlate(white)
    values = {
        "level_map": levels,
        "uncorrelated": white,
        "ncnet_out": model.correlation_net(white),
        "correlated": correlated,
        "noisy_float": clean / 255 + correlated,
    }
    if case == "wa":
        values["ge_mean_features"] = model.gain_net.model(noisy / 255).mean((2, 3))
        values |= norms(model, clean, gain)
    errors |= {name: relative(value, given[name]) for name, value in values.items()}
    assert {name: error for name, error in errors.items() if error > 1e-5} == {}
    pictures = (("noisy", clean / 255 + correlated), ("correlated", correlated + 0.5), ("uncorrelated", white + 0.5))
    for name, picture in pictures:
        assert np.array_equal(rounded(picture), given[f"{name}_uint8"]), name


def norms(model: NeCA, clean: torch.Tensor, gain: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean and deviation of what each norm is given, from the statistics of the picture, and the last of these."""
    model.gain = lambda code, fields: gain
    fields = Fields(clean, clean[:, :0], clean[:, :1, 0, 0])
    moments = model.statistics(lambda: [(clean, fields)], CODE).moments
    found = {f"np_mean{number}": one.mean.flatten() for number, one in enumerate(moments, 2)}
    found |= {f"np_std{number}": one.std.flatten() for number, one in enumerate(moments, 2)}
    return {**found, "np_conv4_out": model.level_net.next_normalised(clean / 255, gain, moments[:2])}


@torch.no_grad()
def test_neca_s_matches(fixture, folder):
    model = imported(folder / "checkpoint_G2.pth")
    clean, latent = counts(fixture["s_clean"]), torch.from_numpy(fixture["s_z"])
    assert model.level == fixture["s_level"]
    code = encode(model.vocabulary, [Condition("IP", 100)])
    noisy = model.sample(clean, code, Fields(latent, latent[:, :0], latent[:, :1, 0, 0])) / 255
    assert relative(noisy, fixture["s_noisy_float"]) < 1e-5
    assert relative(noisy - clean / 255, fixture["s_correlated"]) < 1e-4
    assert np.array_equal(rounded(noisy), fixture["s_noisy_uint8"])


def test_losses_and_gradients_of_a_training_step_match(fixture, folder):
    given = {name[6:]: value for name, value in fixture.items() if name.startswith("train_")}
    learner = NeCALearner(paper(), NeCA(VOCABULARY))
    state = imported(folder / "checkpoint_E.pth").state_dict()
    learner.model.load_state_dict({**state, "gains": learner.model.gains})
    for name, net in (("noise", "neca_d1"), ("apart", "neca_d2")):
        learner.critics[name].load_state_dict(formula(net, learner.critics[name], fixture))
    clean, noisy = counts(given["clean"]), counts(given["noisy"])
    noise, phase = (noisy - clean) / 255, int(given["phase"])
    made = learner.made(clean, noisy, torch.from_numpy(given["z"]).float())
    adversarial = learner.adversarial_losses(made, phase)
    losses = {**learner.level_losses(made, noise), **adversarial}
    expected = {"even": "reg", "gain": "std1", "level": "std2", "generator_noise": "adv1", "generator_apart": "adv2"}
    weight = {"even": 1, "gain": 50, "level": 10, "generator_noise": 0.1, "generator_apart": 0.1}
    for name, official in expected.items():
        wanted = weight[name] * float(given[f"{official}_loss"])
        assert losses[name].item() == pytest.approx(wanted, rel=1e-4), name
    total = torch.stack(list(losses.values())).sum()
    assert total.item() + float(given["rec_loss"]) == pytest.approx(float(given["G_loss"]), rel=1e-4)
    total.backward()
    for part, net in (("gain_net", "e"), ("level_net", "g1"), ("correlation_net", "g2")):
        wanted = float(given[f"grad_norm_G_neca_{net}"])
        assert norm_of_gradients(getattr(learner.model, part)) == pytest.approx(wanted, rel=1e-3), part

    learner.critics.zero_grad()
    real, fake = learner.views(noise, noise, phase), learner.views(made.correlated, made.white, phase)
    assert relative(real["apart"], given["sub_noise"]) < 1e-5
    shares = {"noise": given["gp_mix1"], "apart": given["gp_mix2"]}
    shares = {name: torch.from_numpy(share).flatten() for name, share in shares.items()}
    losses = learner.critic_losses(real, fake, shares)
    for name, number in (("noise", 1), ("apart", 2)):
        assert losses[f"penalty_{name}"].item() == pytest.approx(10 * float(given[f"gp{number}"]), rel=1e-3)
        assert relative(learner.critics[name](real[name]), given[f"d{number}_real"]) < 1e-4
        assert relative(learner.critics[name](fake[name]), given[f"d{number}_fake"]) < 1e-4
    total = torch.stack(list(losses.values())).sum()
    assert total.item() == pytest.approx(float(given["D_loss"]), rel=1e-3)
    total.backward()
    for name, number in (("noise", 1), ("apart", 2)):
        wanted = float(given[f"grad_norm_D_neca_d{number}"])
        assert norm_of_gradients(learner.critics[name]) == pytest.approx(wanted, rel=1e-3)


def norm_of_gradients(module: torch.nn.Module) -> float:
    return torch.cat([parameter.grad.flatten() for parameter in module.parameters()]).norm().item()


@torch.no_grad()
def test_the_denoiser_that_judges_noise_here_is_that_of_the_authors(fixture, folder):
    denoiser = DnCNN(depth=20).train()
    state = formula("neca_g3", torch.nn.ModuleDict({"model": denoiser.layers}), fixture)
    denoiser.layers.load_state_dict({name.removeprefix("model."): tensor for name, tensor in state.items()})
    model = imported(folder / "checkpoint_E.pth")
    clean, noisy = counts(fixture["train_clean"]), counts(fixture["train_noisy"])
    levels = model.levels(clean, Statistics(model.gain_net(noisy / 255), ()))
    made = clean / 255 + model.correlate(levels * torch.from_numpy(fixture["train_z"]).float())
    denoised = made - denoiser.layers(made)
    assert relative(denoised[:1], fixture["train_denoised_first"]) < 1e-4
    loss = (denoised - clean / 255).square().mean().item()
    assert loss == pytest.approx(float(fixture["train_rec_loss"]), rel=1e-4)
    for name in ("running_mean", "running_var"):
        assert relative(getattr(denoiser.layers[3], name), fixture[f"train_after__g3_model.3.{name}"]) < 1e-4


@pytest.fixture
def model() -> NeCA:
    """A narrow model in evaluation mode that has seen gains of its codes."""
    torch.manual_seed(1)
    made = NeCA(VOCABULARY, width=16, widths=(16, 16, 32)).eval()
    gains = torch.linspace(0.5, 1.5, GAINS)
    for conditions in ([Condition("IP", 100)], [Condition("IP", 800)], [Condition("GP", 800)]):
        for gain in gains:
            made.remember(gain[None], encode(VOCABULARY, conditions))
    return made


def test_gains_are_drawn_from_those_that_were_stored(model):
    whole = torch.linspace(-4, 4, 2000)[:, None]
    drawn = model.gain(encode(VOCABULARY, [Condition("IP", 300)] * 2000), Fields(whole, whole, whole)).flatten()
    assert drawn.diff().min() >= 0
    assert drawn[0].item() == pytest.approx(0.5, abs=0.01)
    assert drawn[1000].item() == pytest.approx(1.0, abs=0.01)
    assert drawn[-1].item() == pytest.approx(1.5, abs=0.01)
    with pytest.raises(ConditionError, match="no gain"):
        NeCA(VOCABULARY, width=8, widths=(8, 8)).gain(CODE, Fields(whole, whole, whole[:1]))


@torch.no_grad()
def test_the_engine_gives_the_same_noise_whatever_the_tiles(model):
    rgb = np.random.default_rng(5).integers(0, 256, (150, 171, 3)).astype(np.uint8)
    outputs = [synthesize(model, rgb, Condition("IP", 300), 7, tile=tile, dtype=np.float32) for tile in (512, 64)]
    assert np.abs(outputs[0] - rgb).mean() > 1
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (17, 33)])
@torch.no_grad()
def test_any_size(model, size):
    clean = torch.full((1, 3, *size), 100.0)
    noisy = model.sample(clean, CODE, Fields(torch.randn_like(clean), clean[:, :0], torch.zeros(1, 1)))
    assert noisy.shape == clean.shape
    assert torch.isfinite(noisy).all()


def test_a_part_alone_and_a_missing_one_are_refused(folder, tmp_path):
    with pytest.raises(WeightsError, match="is a part of NeCA"):
        import_checkpoint(folder / "checkpoint_G1.pth")
    lonely = tmp_path / "checkpoint_E.pth"
    lonely.write_bytes((folder / "checkpoint_E.pth").read_bytes())
    with pytest.raises(WeightsError, match=r"no such file: .*checkpoint_G1\.pth"):
        import_checkpoint(lonely)
