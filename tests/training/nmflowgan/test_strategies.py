"""Strategies and ablations: who gets which gradient, and that every variant trains, loads again and synthesizes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from learners import learner_of

from nmflowgan_cli.checkpoints.build import load_model, parameter_count
from nmflowgan_cli.checkpoints.format import Header, read_header
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN
from nmflowgan_cli.training.loop import RunOptions
from nmflowgan_cli.training.nmflowgan import recipe
from nmflowgan_cli.training.nmflowgan.adversarial import LARGEST_ADVERSARIAL, AdversarialStep
from nmflowgan_cli.training.nmflowgan.likelihood import LikelihoodStep
from nmflowgan_cli.training.recipe import open_recipe
from nmflowgan_cli.training.run import model_options, train_model

WIDTHS = {"lite": (8, 8), "paper": (2, 2, 2, 2, 2)}


def source(patch):
    ramp = np.linspace(0, 255, 96 * 96 * 3).reshape(96, 96, 3).astype(np.uint8)
    return Simulator([ramp], camera_profiles(), patch)


def tiny(name, strategy, *parts):
    changes = {"flow_steps": 2, "spatial_steps": 2, "patch": 32} if name == "lite" else {"steps": 5}
    return recipe.without(open_recipe(name, batch=2, strategy=strategy, **changes), parts)


def awake(chosen):
    """A small learner whose flow is not the identity."""
    torch.manual_seed(0)
    learner = learner_of(chosen, source(chosen.patch).vocabulary(10), widths=WIDTHS[chosen.architecture])
    for parameter in learner.flow.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    return learner


def batch_of(chosen):
    return source(chosen.patch).batch(2, np.random.default_rng(0))


def flow_gradient(chosen):
    """The norm of the gradient that the generator's step leaves to the flow."""
    learner = awake(chosen)
    AdversarialStep(learner, chosen)(batch_of(chosen), chosen.generator_every - 1 + chosen.spatial_from)
    return sum(float(p.grad.norm()) for p in learner.flow.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", ["lite", "paper"])
def test_the_adversarial_gradient_reaches_the_flow_in_joint_training_alone(name):
    assert flow_gradient(tiny(name, "simultaneous")) == 0
    assert flow_gradient(tiny(name, "two-stage")) == 0
    assert flow_gradient(tiny(name, "joint")) > 0


@pytest.mark.parametrize("name", ["lite", "paper"])
def test_joint_training_plays_the_same_game(name):
    """What the critic sees is the same with and without the gradient of the flow."""
    views = []
    for strategy in ("simultaneous", "joint"):
        chosen = tiny(name, strategy)
        learner = awake(chosen)
        torch.manual_seed(1)
        views.append(learner.views(batch_of(chosen)))
    assert views[1].real == pytest.approx(views[0].real)
    assert views[1].fake.detach().numpy() == pytest.approx(views[0].fake.detach().numpy(), abs=2e-3)


def test_the_gradient_passes_the_rounding_of_paper():
    """As if it were not there: d noise / d bias of the last layer is that of the noise before its floor."""
    chosen = tiny("paper", "joint", "gan")
    learner = awake(chosen)
    last = learner.model.conditional_layers[-1]
    batch = batch_of(chosen)
    torch.manual_seed(2)
    fake = learner.views(batch).fake
    (by_samples,) = torch.autograd.grad(fake.sum(), last.bias)
    torch.manual_seed(2)
    code, fields, _ = learner._inputs(batch)
    mean, deviation = learner.model.moments(batch.clean, code, fields)
    (expected,) = torch.autograd.grad(256 * (mean + deviation * fields.latent).sum(), last.bias)
    assert fake.detach().numpy() == pytest.approx(fake.detach().round().numpy(), abs=1e-3)
    assert by_samples.numpy() == pytest.approx(expected.numpy(), rel=1e-5)


def test_the_likelihood_stays_in_command_of_a_joint_flow():
    """Unbounded, the adversarial gradient of this training doubled with every step, until it was infinite."""
    chosen = replace(tiny("lite", "joint"), flow_until=30, steps=30)
    learner = awake(chosen)
    likelihood, game = LikelihoodStep(learner, chosen), AdversarialStep(learner, chosen)
    rng, pairs = np.random.default_rng(0), source(chosen.patch)
    for step in range(30):
        batch = pairs.batch(2, rng)
        game(batch, step)
        gradients = [parameter.grad for parameter in learner.flow.parameters() if parameter.grad is not None]
        assert torch.nn.utils.get_total_norm(gradients) <= LARGEST_ADVERSARIAL * chosen.clip + 1e-6
        assert likelihood(batch, step)["nll"] < 20


def test_joint_gradients_add_up_in_the_step_of_the_flow():
    """The flow's one step takes the sum of both; nothing is left for the step after it."""
    chosen = tiny("lite", "joint")
    learner, batch = awake(chosen), batch_of(chosen)
    flow = LikelihoodStep(learner, chosen)
    AdversarialStep(learner, chosen)(batch, 0)
    adversarial = {name: p.grad.clone() for name, p in learner.flow.named_parameters() if p.grad is not None}
    seen = {}
    flow.optimiser.register_step_pre_hook(
        lambda *_: seen.update({name: p.grad.clone() for name, p in learner.flow.named_parameters()})
    )
    nll = torch.autograd.grad(learner.likelihood(batch)[0], list(learner.flow.parameters()))
    total = [
        gradient + adversarial.get(name, 0)
        for gradient, (name, _) in zip(nll, learner.flow.named_parameters(), strict=True)
    ]
    norm = torch.stack([gradient.norm() for gradient in total]).norm()
    flow(batch, 0)
    for gradient, got in zip(total, seen.values(), strict=True):
        assert got.numpy() == pytest.approx((gradient * min(1, chosen.clip / norm)).numpy(), rel=1e-3, abs=1e-6)
    assert all(parameter.grad is None for parameter in learner.flow.parameters())


VARIANTS = [
    ("lite", parts, strategy)
    for parts in ((), ("sal",), ("sdl",), ("gan",), ("sal", "sdl", "gan"))
    for strategy in ("simultaneous", "joint", "two-stage")
] + [("paper", (*parts, "gan"), "two-stage") for parts in ((), ("sal",), ("sdl",), ("sal", "sdl"))]
"""Of `paper` those without its critic, which has 14 M parameters; a step of that is played above."""


@pytest.mark.parametrize(("name", "parts", "strategy"), VARIANTS)
def test_every_variant_trains_and_loads_again(name, parts, strategy, tmp_path):
    chosen = tiny(name, strategy, *parts)
    data = source(chosen.patch)
    options = {**model_options(name, chosen), "widths": WIDTHS[name]}
    header = Header(architecture=name, options=options, vocabulary=data.vocabulary(10))
    run = RunOptions(run=tmp_path, device=torch.device("cpu"))
    outcome = train_model(chosen, data, header, run, seed=0, progress=lambda step, metrics: None)
    assert outcome.weights is not None
    assert read_header(outcome.weights).options.get("without", []) == list(parts)
    model = load_model(outcome.weights)
    clean = torch.full((1, 3, 20, 24), 90.0)
    code = encode(model.vocabulary, [model.vocabulary.parse("IP", 400)])
    fields = Fields(torch.randn_like(clean), torch.rand_like(clean))
    statistics = model.statistics(lambda: [(clean, fields)], code)
    assert torch.isfinite(model.sample(clean, code, fields, statistics)).all()


@pytest.mark.parametrize("name", ["lite", "paper"])
def test_each_part_takes_its_parameters_with_it(name):
    vocabulary = source(32).vocabulary(10)
    count = {
        part: parameter_count(
            Header(architecture=name, options={"without": [part] if part else []}, vocabulary=vocabulary)
        )
        for part in ("", "sal", "sdl", "gan")
    }
    assert all(count[part] < count[""] for part in ("sal", "sdl", "gan"))
    if name == "paper":
        code = len(vocabulary.isos) + len(vocabulary.cameras)
        per_code = 5 * (code - 10)
        assert count[""] - count["sal"] == 2 * (9777 + per_code)
        assert count[""] - count["sdl"] == 2 * (2815 + per_code)
        assert count[""] - count["gan"] == 31_031_875


def test_two_stage_freezes_the_flow_with_its_statistics(tmp_path):
    """In the second stage the flow is what it was: parameters, and the running statistics of `paper`."""
    chosen = tiny("paper", "two-stage")
    learner = awake(chosen)
    learner.flow.eval()
    before = {name: tensor.clone() for name, tensor in learner.flow.state_dict().items()}
    AdversarialStep(learner, chosen)(batch_of(chosen), chosen.generator_every - 1 + chosen.spatial_from)
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.flow.state_dict().items())


@pytest.mark.parametrize("name", ["lite", "paper"])
def test_bfloat16_is_for_the_spatial_network_alone(name):
    """What it makes is close to float32; the real noise, and gradients and parameters, are float32."""
    views = []
    for precision in ("float32", "bfloat16"):
        chosen = replace(tiny(name, "simultaneous"), precision=precision)
        learner = awake(chosen)
        for parameter in learner.spatial.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        torch.manual_seed(1)
        views.append(learner.views(batch_of(chosen)))
    full, half = views
    assert torch.equal(full.real, half.real)
    assert half.fake.dtype == half.judge(half.fake).dtype == torch.float32
    assert not torch.equal(full.fake, half.fake)
    error = (full.fake - half.fake).square().mean().sqrt()
    assert error < 0.02 * full.fake.std()
    half.fake.square().sum().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in learner.spatial.parameters())


def test_a_seed_gives_the_model_that_it_gave():
    """The order in which layers draw their parameters: numbers of the version before there were ablations."""
    torch.manual_seed(0)
    model = learner_of(recipe.lite(), source(32).vocabulary(10)).model
    firsts = [layer.conditioner.layers[0].weight.sum().item() for layer in model.flow.bijections[2:]]
    assert firsts == pytest.approx([-4.219139, 2.182026, -0.230024], rel=1e-5)


def test_a_part_that_no_model_has_is_refused():
    with pytest.raises(ValueError, match="no part 'cl2'"):
        PaperNMFlowGAN(source(32).vocabulary(10), without=["cl2"])
