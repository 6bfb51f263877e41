"""Reference models and denoisers in training: what they see, what they remember, and what they leave behind."""

import errno
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import VOCABULARY, ConvolutionNoise, photograph, save_untrained
from PIL import Image

from nmflowgan_cli.checkpoints.build import load_denoiser, load_model, parameter_count
from nmflowgan_cli.checkpoints.format import Header, read_header
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.denoising.noise import PatchNoise, open_noise
from nmflowgan_cli.denoising.recipe import lite, paper
from nmflowgan_cli.denoising.train import fresh_learner, run_denoiser
from nmflowgan_cli.errors import ConditionError, DiskError, TrainingError, UsageError, WeightsError
from nmflowgan_cli.models.gaussian import fit_awgn, level_moments
from nmflowgan_cli.training.fitting import run_fit
from nmflowgan_cli.training.run import TrainingRequest
from nmflowgan_cli.training.sources import DataOptions

LITE, PAPER = lite(), paper()
TINY = replace(LITE, steps=4, batch=1, settling=1)


def quiet(step, metrics):
    pass


@pytest.fixture
def data(tmp_path):
    """Three pairs of two cameras, one of them held out."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    rows = ["clean,noisy,camera,iso,scene,split,noise"]
    for number, (condition, part) in enumerate((("IP,400", "train"), ("GP,800", "train"), ("IP,400", "val"))):
        clean = photograph(64, 72, number)
        noisy = clean + np.random.default_rng(number).normal(0, 5 + number, clean.shape)
        Image.fromarray(clean).save(folder / f"clean{number}.png")
        Image.fromarray(np.rint(noisy).clip(0, 255).astype(np.uint8)).save(folder / f"noisy{number}.png")
        rows.append(f"clean{number}.png,noisy{number}.png,{condition},scene{number},{part},real")
    (folder / "manifest.csv").write_text("\n".join(rows))
    return DataOptions(pairs=folder)


def train(data, run, *, progress=quiet, **changes):
    told = {"data": data, "run": run, "name": run.name, "recipe": TINY, "noise": "real", "device": "cpu", "seed": 3}
    return run_denoiser(TrainingRequest(architecture="dncnn", **{**told, **changes}), progress=progress)


def seen(monkeypatch, data, run, **changes):
    """Clean and noisy patches of a training."""
    patches = []
    noisy = PatchNoise.noisy

    def note(self, *batch, **place):
        patches.append(tuple(tensor.clone() for tensor in noisy(self, *batch, **place)))
        return patches[-1]

    with monkeypatch.context() as patch:
        patch.setattr(PatchNoise, "noisy", note)
        train(data, run, **changes)
    return [torch.stack(kind) for kind in zip(*patches, strict=True)]


def states(*paths):
    return [load_denoiser(path)[0].state_dict() for path in paths]


def test_the_clean_patches_are_the_same_whatever_the_noise(data, tmp_path, monkeypatch):
    recipe = replace(TINY, steps=2, batch=2)
    clean, real = seen(monkeypatch, data, tmp_path / "real", recipe=recipe)
    for noise in ("awgn", "isp"):
        same, synthetic = seen(monkeypatch, data, tmp_path / noise, noise=noise, recipe=recipe)
        assert torch.equal(clean, same)
        assert not torch.equal(real, synthetic)
        assert not torch.equal(synthetic[0] - clean[0], synthetic[1] - clean[1])
        assert 1 < (synthetic - clean).std() < 30
    assert not torch.equal(seen(monkeypatch, data, tmp_path / "other", seed=4, recipe=recipe)[0], clean)


def test_synthetic_noise_depends_on_seed_step_and_place_and_not_on_the_batch():
    clean = torch.from_numpy(photograph(40, 40)).permute(2, 0, 1).float()[None].repeat(3, 1, 1, 1)
    conditions = [Condition("IP", 400)] * 3
    batch = Batch(clean, clean, conditions, torch.zeros(3, dtype=torch.long))
    noise = PatchNoise("some", ConvolutionNoise(), "")

    def draw(size=3, seed=0, step=0):
        part = Batch(clean[:size], clean[:size], conditions[:size], batch.phase[:size])
        return noise.noisy(part, torch.device("cpu"), seed=seed, step=step)[1]

    three = draw()
    assert torch.equal(three, three.round().clamp(0, 255))
    assert torch.equal(draw(size=2), three[:2])
    assert torch.equal(draw(), three)
    for other in (draw(seed=1), draw(step=1), three.flip(0)):
        assert not torch.equal(other[0], three[0])


def test_an_interrupted_training_goes_on_to_what_the_straight_one_gives(data, tmp_path):
    def interrupt(step, metrics):
        if step == 2:
            signal.raise_signal(signal.SIGINT)

    straight = train(data, tmp_path / "straight", noise="awgn")  # the weights to begin with are the same, too
    parts = train(data, tmp_path / "parts", noise="awgn", progress=interrupt)
    assert (parts.step, parts.interrupted, parts.weights) == (2, True, None)
    with pytest.raises(TrainingError, match="another recipe: noise was awgn, now real"):
        train(data, tmp_path / "parts", resume=True)
    with pytest.raises(TrainingError, match="holds a training already"):
        train(data, tmp_path / "parts")
    parts = train(data, tmp_path / "parts", noise="awgn", resume=True)
    first, second = states(straight.weights, parts.weights)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("name", ["checkpoint.pt", "metrics.jsonl", "model.safetensors", "card.md"])
def test_a_denoiser_goes_on_after_a_full_disk(data, tmp_path, monkeypatch, name):
    """No file of that name can be brought to the disk in the first run."""
    straight, sync = train(data, tmp_path / "straight", noise="awgn"), os.fsync

    def full(descriptor):
        if name in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    run = tmp_path / "parts"
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskError, match=f"cannot write .*{name}: No space left on device"):
            train(data, run, noise="awgn")
    assert not list(run.rglob("*.part"))
    resumed = train(data, run, noise="awgn", resume=True)
    first, second = states(straight.weights, resumed.weights)
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 1


def test_the_weights_tell_how_they_were_trained(data, tmp_path):
    outcome = train(data, tmp_path / "run", noise="isp", terms="MIT", command="nmflowgan train pairs")
    model, header = load_denoiser(outcome.weights)
    assert not model.training
    assert (header.architecture, header.data, header.terms) == ("dncnn", ("2 real pairs of pairs",), "MIT")
    told = {"noise": "isp", "steps": 4, "batch": 1, "seed": 3, "patch": 40}
    assert told.items() <= header.training.items()
    assert len(header.training["noise_sha256"]) == 64
    assert parameter_count(header) == 596_419
    card = (tmp_path / "run" / "card.md").read_text()
    for text in ("# run", "learned from noise of isp", "`nmflowgan train pairs`", "license: mit", "warm_up = 0.1"):
        assert text in card
    [line] = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert {"step": 4}.items() <= json.loads(line).items()


def test_a_denoiser_learns():
    """Noise that is the same everywhere is taken off; after the settling also in evaluation mode."""
    recipe = replace(LITE, steps=12, batch=2, rate=3e-3, warm_up=0.3)
    student = fresh_learner(recipe, "dncnn", PatchNoise("real", None, ""), torch.device("cpu"), seed=0)
    clean = torch.from_numpy(photograph(40, 40)).permute(2, 0, 1).float()[None].repeat(2, 1, 1, 1)
    batch = Batch(clean, clean + 20, [Condition("IP", 400)] * 2, torch.zeros(2, dtype=torch.long))
    for step in range(recipe.steps):
        metrics = student.step(batch, step)
    assert metrics["psnr"] > metrics["psnr_noisy"] + 3
    student.finish(lambda: batch)
    with student.exported() as model:
        assert not model.training
        assert (model(clean + 20) - clean).abs().mean() < 14
    assert model.training


def test_what_no_denoiser_can_learn_from(data, tmp_path):
    vocabulary = replace(VOCABULARY, trained={"IP": {400: 1}})
    header = Header(architecture="gaussian", options={}, vocabulary=vocabulary, name="fitted")
    path = save_untrained(tmp_path / "fitted.safetensors", header)
    with pytest.raises(ConditionError, match="never trained on camera GP"):
        train(data, tmp_path / "run", noise=str(path))
    with pytest.raises(WeightsError, match="no such"):
        train(data, tmp_path / "run", noise=str(tmp_path / "nothing.safetensors"))
    with pytest.raises(UsageError, match="--simulate needs a noise model"):
        train(DataOptions(simulate=tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_denoisers_and_noise_models_are_not_taken_for_each_other(tmp_path):
    noise = save_untrained(tmp_path / "g", Header(architecture="gaussian", options={}, vocabulary=VOCABULARY))
    with pytest.raises(WeightsError, match="is a noise model, not a denoiser"):
        load_denoiser(noise)
    header = Header(architecture="dncnn", options={"depth": 3, "width": 4}, vocabulary=VOCABULARY, name="d")
    with pytest.raises(WeightsError, match="d is a denoiser, not a noise model"):
        save_untrained(tmp_path / "d", header)


def test_rates_rise_and_fall():
    rates = [lite(steps=100).rate_at(step) for step in range(100)]
    assert max(rates) < LITE.rate
    assert rates.index(max(rates)) in (8, 9, 10)
    assert rates[0] == pytest.approx(LITE.rate / 10)
    assert rates[-1] < LITE.rate / 1000
    halving = paper(steps=60, batch=1).scaled(2.0)
    assert [halving.rate_at(step) for step in (0, 9, 10, 50, 59)] == [2e-4, 2e-4, 1e-4, 2e-4 / 32, 2e-4 / 32]
    assert (PAPER.batch, PAPER.patch, PAPER.steps) == (128, 96, 344_640)
    for wrong in (lambda: lite(steps=0), lambda: lite(batch=0), lambda: lite().scaled(0.0)):
        with pytest.raises(UsageError):
            wrong()


def test_a_reference_model_is_fitted_on_the_train_pairs_and_saved_as_weights(data, tmp_path):
    request = TrainingRequest(
        architecture="awgn", data=data, run=tmp_path / "run", name="plain", command="nmflowgan train"
    )
    path = run_fit(request, progress=quiet).weights
    samples = []
    for number, condition in enumerate((Condition("IP", 400), Condition("GP", 800))):
        pictures = [np.asarray(Image.open(data.pairs / f"{kind}{number}.png")) for kind in ("clean", "noisy")]
        samples.append((condition, *pictures))
    expected, model = fit_awgn(level_moments(samples)), load_model(path)
    assert model.vocabulary == expected.vocabulary
    for name, tensor in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
    header = read_header(path)
    assert (header.name, header.training) == ("plain", {"model": "awgn"})
    assert parameter_count(header) == 3 * 2 * 2 * 3
    assert "additive white Gaussian noise" in (tmp_path / "run" / "card.md").read_text()
    with pytest.raises(TrainingError, match="holds weights already"):
        run_fit(request, progress=quiet)
    with pytest.raises(UsageError, match="fitted on real pairs"):
        run_fit(replace(request, data=DataOptions(simulate=tmp_path), run=tmp_path / "other"), progress=quiet)


def test_fitted_noise_is_that_of_the_pairs(data):
    from nmflowgan_cli.training.sources import read_splits

    pairs = read_splits(data)["train"]
    noise = open_noise("heteroscedastic", pairs, torch.device("cpu"))
    assert noise.model is not None
    assert noise.model.vocabulary.trained_isos("GP") == [800]
    assert open_noise("real", pairs, torch.device("cpu")).model is None
