"""Training of the other systems of the paper: resumed like any other, by options of their own, and they learn."""

import signal

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.cli import app
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.training.loop import RunOptions
from nmflowgan_cli.training.recipe import open_recipe
from nmflowgan_cli.training.run import model_options, open_learner, train_model

NAMES = ("c2n", "srgbflow", "neca", "naflow")
RAMP = np.linspace(0, 255, 96 * 96 * 3).reshape(96, 96, 3).astype(np.uint8)


def source(patch):
    return Simulator([RAMP], camera_profiles(), patch)


def header_of(name, chosen):
    options = model_options(name, chosen)
    return Header(architecture=name, options=options, vocabulary=source(chosen.patch).vocabulary(100), name="tiny")


def learner_of(name, chosen):
    return open_learner(chosen, header_of(name, chosen), torch.device("cpu"))


def run(name, chosen, place, *, resume=False, progress=lambda step, metrics: None):
    place.mkdir(exist_ok=True)
    options = RunOptions(run=place, device=torch.device("cpu"), resume=resume, checkpoint_every=2, log_every=1)
    return train_model(chosen, source(chosen.patch), header_of(name, chosen), options, seed=5, progress=progress)


@pytest.mark.parametrize("name", NAMES)
def test_resume_equals_the_straight_run(name, tmp_path):
    chosen = open_recipe(name, steps=6, batch=4)
    straight = run(name, chosen, tmp_path / "straight")

    def interrupt(step, _):
        if step == 5:
            signal.raise_signal(signal.SIGINT)

    assert run(name, chosen, tmp_path / "parts", progress=interrupt).interrupted
    resumed = run(name, chosen, tmp_path / "parts", resume=True)
    assert resumed.finished
    assert straight.weights.read_bytes() == resumed.weights.read_bytes()
    assert load_model(resumed.weights).vocabulary.knows(Condition("IP", 800))


@pytest.mark.parametrize("name", ["srgbflow", "naflow"])
def test_the_flow_comes_to_fit_the_noise(name):
    chosen = open_recipe(name, steps=80, batch=8)
    learner, rng = learner_of(name, chosen), np.random.default_rng(0)
    metrics = [learner.step(source(32).batch(8, rng), step) for step in range(80)]
    assert np.mean([each["nll"] for each in metrics[-10:]]) < np.mean([each["nll"] for each in metrics[:10]]) - 0.5


def test_gains_come_to_be_the_strength_of_the_noise():
    """NeCA stores them by camera and ISO, and the critics teach its model in every fifth step alone."""
    chosen = open_recipe("neca", steps=60, batch=4)
    learner, rng = learner_of("neca", chosen), np.random.default_rng(0)
    metrics = [learner.step(source(96).batch(4, rng), step) for step in range(60)]
    assert [step for step in range(60) if "generator_noise" in metrics[step]] == list(range(4, 60, 5))
    assert np.mean([each["gain"] for each in metrics[-10:]]) < np.mean([each["gain"] for each in metrics[:10]]) / 2
    assert learner.model.gains.any()


def test_half_of_a_batch_is_clean_and_half_is_noisy():
    """The critic sees only noise of patches whose clean partner the generator has not got."""
    chosen = open_recipe("c2n", steps=4, batch=4)
    learner, seen = learner_of("c2n", chosen), []
    learner.critic.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    batch = source(40).batch(4, np.random.default_rng(0))
    learner.step(batch, 0)
    assert torch.equal(seen[0], batch.noisy[1::2].add(0.5).floor().clamp(0, 255).flip(1) / 255)
    assert seen[1].shape == seen[0].shape
    with pytest.raises(UsageError, match="batch 3 has no halves"):
        open_recipe("c2n", batch=3)


def test_the_generator_moves_in_its_own_steps_alone():
    chosen = open_recipe("c2n", steps=4, batch=4)
    learner, rng = learner_of("c2n", chosen), np.random.default_rng(0)
    for step in range(4):
        before = [parameter.clone() for parameter in learner.model.parameters()]
        metrics = learner.step(source(40).batch(4, rng), step)
        same = all(map(torch.equal, before, learner.model.parameters()))
        assert same == ("generator" not in metrics) == ((step + 1) % chosen.generator_every != 0)


def test_steps_of_a_flow_and_a_gan_mean_nothing_to_them():
    for name in NAMES:
        with pytest.raises(UsageError, match="flow-steps"):
            open_recipe(name, flow_steps=3)


@pytest.mark.parametrize("name", NAMES)
def test_they_go_on_from_weights_with_more_cameras(name, tmp_path):
    """Through the command line, on pairs of another camera."""
    chosen = open_recipe(name, steps=2, batch=4)
    weights = run(name, chosen, tmp_path / "before").weights
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for kind in ("clean", "noisy"):
        (pairs / kind).mkdir()
        Image.fromarray(RAMP).save(pairs / kind / "X100_ISO3200.png")
    command = ["train", str(pairs), "--model", name, "--camera", "X100", "--iso", "3200", "--init", str(weights)]
    options = ["--steps", "2", "--batch", "2", "--accept-synthetic", "-q", "-o", str(tmp_path / "after")]
    done = CliRunner().invoke(app, [*command, *options])
    assert done.exit_code == 0, done.output
    known = load_model(tmp_path / "after" / "model.safetensors").vocabulary
    assert known.knows(Condition("X100", 3200))
    assert known.knows(Condition("IP", 800))
