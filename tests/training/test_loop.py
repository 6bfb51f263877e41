"""Losses against autograd and plain numpy; the loop: resume equals the straight run, and nothing is lost."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from learners import learner_of

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.format import Header, read_header
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator, load_clean, random_crop, vary_exposure
from nmflowgan_cli.errors import DiskError, TrainingError, UsageError
from nmflowgan_cli.models import bayer
from nmflowgan_cli.training import state
from nmflowgan_cli.training.loop import RunOptions
from nmflowgan_cli.training.nmflowgan import losses, recipe
from nmflowgan_cli.training.nmflowgan.adversarial import AdversarialStep
from nmflowgan_cli.training.nmflowgan.likelihood import LikelihoodStep
from nmflowgan_cli.training.run import train_model


@pytest.fixture
def source():
    """Two small pictures with every level in them."""
    ramp = np.linspace(0, 255, 80 * 80 * 3).reshape(80, 80, 3)
    pictures = [ramp.astype(np.uint8), ramp[::-1].astype(np.uint8)]
    return Simulator(pictures, camera_profiles(), 32)


def tiny(**changes):
    return recipe.lite(**({"flow_steps": 6, "spatial_steps": 6, "batch": 2, "patch": 32} | changes))


def header_of(source, chosen):
    return Header(architecture="lite", options={}, vocabulary=source.vocabulary(100), name="tiny")


def options(run, **changes):
    run.mkdir(exist_ok=True)
    return RunOptions(run=run, device=torch.device("cpu"), **({"log_every": 1, "checkpoint_every": 4} | changes))


def run(source, chosen, run_options, *, seed=0, progress=lambda step, metrics: None):
    return train_model(chosen, source, header_of(source, chosen), run_options, seed=seed, progress=progress)


def test_logistic_losses_are_cross_entropies():
    real, fake = torch.tensor([0.3, -2.0]), torch.tensor([1.0, -0.5])
    sigmoid = lambda x: 1 / (1 + math.exp(-x))  # noqa: E731
    expected = np.mean([-math.log(sigmoid(x)) for x in (0.3, -2.0)]) + np.mean(
        [-math.log(1 - sigmoid(x)) for x in (1.0, -0.5)]
    )
    assert losses.logistic_critic_loss(real, fake).item() == pytest.approx(expected)
    assert losses.logistic_generator_loss(fake).item() == pytest.approx(
        np.mean([-math.log(sigmoid(x)) for x in (1.0, -0.5)])
    )


def test_penalties_of_a_linear_critic_have_a_closed_form():
    weight = torch.randn(3, 4, 4)
    critic = lambda x: (x * weight).flatten(1).sum(1)  # noqa: E731
    real, fake = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4)
    assert losses.r1_penalty(critic, real).item() == pytest.approx(weight.square().sum().item() / 2, rel=1e-5)
    penalty = losses.gradient_penalty(critic, real, fake, torch.rand(5))
    assert penalty.item() == pytest.approx((weight.norm().item() - 1) ** 2, rel=1e-4)


def test_gradient_penalty_looks_between_real_and_fake():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return x.square().flatten(1).sum(1)

    real, fake = torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    losses.gradient_penalty(critic, real, fake, torch.tensor([0.25, 1.0]))
    assert seen[0][:, 0, 0, 0].tolist() == [0.25, 1.0]


def test_patch_moments_tell_the_bayer_sites_apart():
    """Noise whose strength is that of its site: the diagonal of the moments shows it."""
    torch.manual_seed(0)
    sites = bayer.site_map(torch.tensor([0]), 200, 200)
    strength = (sites * torch.tensor([1.0, 2.0, 3.0, 4.0])[None, :, None, None]).sum(1, keepdim=True)
    moments = losses.patch_moments(torch.randn(1, 3, 200, 200) * strength, side=2)
    assert moments.diagonal().sqrt().tolist() == pytest.approx([1, 2, 3, 4] * 3, rel=0.05)


def test_patch_moments_are_the_mean_outer_product():
    latents = torch.randn(2, 3, 8, 8)
    patches = [
        latents[n, :, y : y + 4, x : x + 4].flatten().numpy() for n in range(2) for y in (0, 2, 4) for x in (0, 2, 4)
    ]
    expected = np.mean([np.outer(patch, patch) for patch in patches], 0)
    assert losses.patch_moments(latents, side=4).numpy() == pytest.approx(expected, abs=1e-4)


def test_r1_does_not_depend_on_how_many_logits_a_picture_has():
    critic = torch.nn.Conv2d(3, 1, 1)
    small, large = (losses.r1_penalty(critic, torch.randn(1, 3, side, side)).item() for side in (4, 16))
    assert small == pytest.approx(large, rel=1e-4)
    assert small == pytest.approx(critic.weight.square().sum().item() / 2, rel=1e-4)


def test_crops_are_turned_and_mirrored_in_all_eight_ways():
    picture = np.arange(3 * 3 * 3, dtype=np.uint8).reshape(3, 3, 3)
    rng = np.random.default_rng(0)
    seen = {tuple(random_crop(picture, 3, rng).flatten().tolist()) for _ in range(200)}
    assert len(seen) == 8


def test_exposure_scales_light():
    counts = torch.full((2, 3, 2, 2), 200, dtype=torch.uint8)
    (halved, clipped), light = vary_exposure(counts, torch.tensor([0.5, 10.0]))
    linear = lambda count: ((count / 255 + 0.055) / 1.055) ** 2.4  # noqa: E731
    assert linear(halved.max().item()) == pytest.approx(linear(200) / 2, rel=0.01)
    assert light[0].unique().item() == pytest.approx(linear(halved.max().item()))
    assert clipped.eq(255).all()
    assert light[1].eq(1).all()


def test_simulated_batches_cover_all_cameras_and_depend_on_the_generator_alone(source):
    batch, again = (source.batch(64, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(batch.noisy, again.noisy)
    assert {condition.camera for condition in batch.conditions} == set(source.profiles)
    vocabulary = source.vocabulary(1000)
    for condition in batch.conditions:
        vocabulary.check(condition)


def test_likelihood_falls_and_latents_become_standard(source):
    chosen = tiny(flow_steps=120, batch=8)
    torch.manual_seed(0)
    learner = learner_of(chosen, source.vocabulary(100))
    step, rng = LikelihoodStep(learner, chosen), np.random.default_rng(0)
    metrics = [step(source.batch(8, rng), index) for index in range(120)]
    first, last = (np.mean([m["nll"] for m in part]) for part in (metrics[:10], metrics[-10:]))
    assert last < first - 0.1
    assert np.mean([m["std_z"] for m in metrics[-10:]]) == pytest.approx(1, abs=0.1)


def test_the_game_leaves_the_flow_alone(source):
    chosen = tiny()
    learner = learner_of(chosen, source.vocabulary(100))
    before = {name: tensor.clone() for name, tensor in learner.flow.state_dict().items()}
    spatial = {name: tensor.clone() for name, tensor in learner.spatial.state_dict().items()}
    AdversarialStep(learner, chosen)(source.batch(2, np.random.default_rng(0)), chosen.spatial_from)
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.flow.state_dict().items())
    assert any(not torch.equal(tensor, spatial[name]) for name, tensor in learner.spatial.state_dict().items())


def test_resume_equals_the_straight_run(source, tmp_path):
    chosen = tiny()
    straight = run(source, chosen, options(tmp_path / "straight"))
    assert (straight.step, straight.finished) == (12, True)

    import signal

    def interrupt(step, metrics):
        if step in (5, 9):
            signal.raise_signal(signal.SIGINT)

    for done in (5, 9, 12):
        outcome = run(source, chosen, options(tmp_path / "parts", resume=done != 5), progress=interrupt)
        assert (outcome.step, outcome.interrupted) == (done, done != 12)
    parts = load_model(outcome.weights).state_dict()
    for name, tensor in load_model(straight.weights).state_dict().items():
        assert torch.equal(tensor, parts[name]), name


def test_a_run_writes_its_metrics_and_weights_that_load(source, tmp_path):
    chosen = tiny()
    outcome = run(source, chosen, options(tmp_path / "run"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert {"nll", "std_z"} <= lines[0].keys()
    assert {"critic", "generator", "moments"} <= lines[-1].keys()
    assert read_header(outcome.weights).vocabulary == source.vocabulary(100)


def test_another_recipe_cannot_go_on(source, tmp_path):
    run(source, tiny(), options(tmp_path / "run"))
    with pytest.raises(TrainingError, match="batch was 2, now 3"):
        run(source, tiny(batch=3), options(tmp_path / "run", resume=True))


def test_resume_begins_where_nothing_was_saved_and_no_step_is_logged_twice(source, tmp_path):
    log = tmp_path / "run" / "metrics.jsonl"
    log.parent.mkdir()
    log.write_text('{"step": 1}\n{"step": 2}\n{"st')  # killed before the first checkpoint
    assert run(source, tiny(), options(tmp_path / "run", resume=True)).step == 12
    whole = log.read_bytes()
    assert [json.loads(line)["step"] for line in whole.splitlines()] == list(range(1, 13))
    log.write_bytes(whole + b'{"step": 13}\n{"step": 14')  # killed after the last one
    run(source, tiny(), options(tmp_path / "run", resume=True))
    assert log.read_bytes() == whole


def test_nan_stops_and_names_the_step(source, tmp_path):
    def poison(step, metrics):
        if step == 4:
            source.profiles = {"IP": _silent(source.profiles["IP"])}

    with pytest.raises(TrainingError, match=r"nll.* is not a number at step 4; the batch held IP"):
        run(source, tiny(), options(tmp_path / "run"), progress=poison)
    assert (tmp_path / "run" / state.FILE).exists()


def _silent(profile):
    from dataclasses import replace

    return replace(profile, noise={100: (float("nan"), float("nan"))})


def test_a_full_disk_keeps_the_checkpoint_before(source, tmp_path, monkeypatch):
    chosen = tiny()
    run(source, chosen, options(tmp_path / "run"))
    before = (tmp_path / "run" / state.FILE).read_bytes()

    real = Path.write_bytes

    def full(path, content):
        real(path, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiskError, match=r"checkpoint.pt: No space left on device \(make room\)"):
        state.save(tmp_path / "run", 1, {}, {}, np.random.default_rng())
    assert (tmp_path / "run" / state.FILE).read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "card.md",
        "checkpoint.pt",
        "metrics.jsonl",
        "model.safetensors",
    ]


def test_paper_trains_with_its_own_recipe(source, tmp_path):
    """One step of each kind on small patches of the paper's size; its critic takes 96 pixels and no other."""
    chosen = recipe.paper(steps=1, batch=1)
    ramp = np.linspace(0, 255, 96 * 96 * 3).reshape(96, 96, 3).astype(np.uint8)
    wide = Simulator([ramp], camera_profiles(), 96)
    learner = learner_of(chosen, wide.vocabulary(10))
    batch = wide.batch(1, np.random.default_rng(0))
    metrics = LikelihoodStep(learner, chosen)(batch, 0) | AdversarialStep(learner, chosen)(batch, 4)
    assert all(math.isfinite(value) for value in metrics.values())
    assert {"nll", "critic", "generator"} <= metrics.keys()


def test_pictures_are_checked_before_training(tmp_path):
    with pytest.raises(UsageError, match="no pictures below"):
        load_clean(tmp_path, smallest=64)
    from PIL import Image

    Image.new("RGB", (40, 200)).save(tmp_path / "small.png")
    with pytest.raises(UsageError, match=r"small\.png is smaller than a patch"):
        load_clean(tmp_path, smallest=64)


@pytest.mark.parametrize(("changes", "message"), [({"patch": 50}, "patch 50"), ({"batch": 0}, "batch 0")])
def test_a_recipe_that_cannot_work_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        tiny(**changes)
