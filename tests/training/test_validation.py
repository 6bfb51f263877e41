"""Validation: it sees the same patches each time, it changes nothing, and the best weights are kept."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nmflowgan_cli.checkpoints import cards
from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.format import Header, read_header
from nmflowgan_cli.conditions import Vocabulary
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator
from nmflowgan_cli.errors import DiskError, UsageError
from nmflowgan_cli.models.base import Geometry, NoiseModel
from nmflowgan_cli.training import monitor
from nmflowgan_cli.training.card import card
from nmflowgan_cli.training.loop import RunOptions
from nmflowgan_cli.training.nmflowgan import recipe
from nmflowgan_cli.training.run import TrainingRequest, run_training, train_model
from nmflowgan_cli.training.sources import DataOptions, open_source
from nmflowgan_cli.training.validation import draw, validation_set


@pytest.fixture
def source():
    ramp = np.linspace(0, 255, 80 * 80 * 3).reshape(80, 80, 3).astype(np.uint8)
    return Simulator([ramp], camera_profiles(), 32)


def run(source, place, *, validated=True, progress=lambda step, metrics: None, **changes):
    place.mkdir(exist_ok=True)
    chosen = recipe.lite(flow_steps=4, spatial_steps=8, batch=2, patch=32)
    header = Header(architecture="lite", options={}, vocabulary=source.vocabulary(100), name="tiny")
    options = RunOptions(run=place, device=torch.device("cpu"), validate_every=2, **changes)
    validation = draw(source, 32, "simulated pairs", patches=4) if validated else None
    return train_model(chosen, source, header, options, seed=0, progress=progress, validation=validation)


def same_weights(first, second):
    states = [load_model(path).state_dict() for path in (first, second)]
    return all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def lines(place):
    return [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]


def test_validation_changes_nothing_and_a_resumed_run_equals_the_straight_one(source, tmp_path):
    import signal

    def interrupt(step, metrics):
        if step in (5, 9):
            signal.raise_signal(signal.SIGINT)

    blind = run(source, tmp_path / "blind", validated=False)
    straight = run(source, tmp_path / "straight")
    for done in (5, 9, 12):
        parts = run(source, tmp_path / "parts", resume=done != 5, progress=interrupt)
        assert parts.step == done
    assert same_weights(blind.weights, straight.weights)
    assert same_weights(straight.weights, parts.weights)
    assert same_weights(tmp_path / "straight" / "best.safetensors", tmp_path / "parts" / "best.safetensors")
    assert lines(tmp_path / "straight") == lines(tmp_path / "parts")
    assert [line["step"] for line in lines(tmp_path / "blind")] == [12]


@pytest.mark.parametrize(
    ("name", "time", "kept"),
    [
        ("checkpoint.pt", 2, 2),
        ("checkpoint.pt", 5, 8),
        ("best.safetensors", 1, 8),
        ("best.safetensors", 2, 10),
        ("0000004.png", 1, 4),
        ("0000012.png", 1, 12),
        ("metrics.jsonl", 4, 6),
    ],
)
def test_a_disk_that_is_full_for_a_while_costs_an_interval_at_most(source, tmp_path, monkeypatch, name, time, kept):
    """The `time`th synchronisation of a file of that name fails; `kept`: steps that the checkpoint then holds."""
    straight = run(source, tmp_path / "straight")
    seen, sync = 0, os.fsync

    def full(descriptor):
        nonlocal seen
        if name in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            seen += 1
            if seen == time:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    place = tmp_path / "parts"
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskError, match=f"cannot write .*{name}: No space left on device"):
            run(source, place)
    assert torch.load(place / "checkpoint.pt", weights_only=True)["step"] == kept
    assert not list(place.rglob("*.part"))
    resumed = run(source, place, resume=True)
    assert same_weights(straight.weights, resumed.weights)
    assert same_weights(tmp_path / "straight" / "best.safetensors", place / "best.safetensors")
    assert lines(tmp_path / "straight") == lines(place)
    grids = [sorted((each / "grids").iterdir()) for each in (tmp_path / "straight", place)]
    assert [path.read_bytes() for path in grids[0]] == [path.read_bytes() for path in grids[1]]


def test_the_best_of_the_second_half_of_the_game_is_kept(source, tmp_path):
    place = tmp_path / "run"
    outcome = run(source, place)
    seen = {line["step"]: line["val_kld"] for line in lines(place)}
    assert list(seen) == [2, 4, 6, 8, 10, 12]
    best = read_header(place / "best.safetensors").metrics["validation"]
    assert best["val_kld"] == min(value for step, value in seen.items() if step >= 8)
    assert seen[best["step"]] == best["val_kld"]
    last = read_header(outcome.weights).metrics["validation"]
    assert (last["step"], last["val_kld"]) == (12, seen[12])
    assert last["on"] == "4 patches of 32x32 from simulated pairs"
    assert sorted(path.name for path in (place / "grids").iterdir())[0] == "0000002.png"
    with Image.open(place / "grids" / "0000012.png") as grid:
        assert grid.size == (5 * 32, 4 * 32)


def test_what_is_validated_is_what_is_exported(source, tmp_path):
    """The averaged spatial network, in evaluation mode."""
    outcome = run(source, tmp_path / "run")
    validation = draw(source, 32, "simulated pairs", patches=4)
    scores = validation.scores(validation.synthesize(load_model(outcome.weights), torch.device("cpu")))
    assert scores["val_kld"] == pytest.approx(lines(tmp_path / "run")[-1]["val_kld"], rel=1e-4)


def test_scores_of_the_real_noise_itself_are_perfect(source):
    validation = draw(source, 32, "x", patches=4)
    assert validation.scores(validation.noisy) == {"val_kld": 0, "val_std_ratio": 1, "val_lag1": 0}
    weaker = validation.clean + ((validation.noisy - validation.clean) / 2).round()
    assert validation.scores(weaker)["val_std_ratio"] == pytest.approx(0.5, abs=0.02)
    assert validation.scores(weaker)["val_kld"] > 0


def test_the_patches_are_the_same_every_time(source):
    state = torch.get_rng_state()
    first, second = (draw(source, 32, "x", patches=4) for _ in range(2))
    assert torch.equal(first.noisy, second.noisy)
    assert torch.equal(torch.get_rng_state(), state)

    class Silent(NoiseModel):
        vocabulary, geometry = source.vocabulary(100), Geometry(1, 0, 0)

        def to(self, device):
            return self

        def sample(self, clean, code, fields, statistics=None):
            return clean

    assert torch.equal(first.synthesize(Silent(), torch.device("cpu")), first.clean)


def pairs(folder, *rows):
    folder.mkdir()
    values = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(values).save(folder / name)
    (folder / "manifest.csv").write_text("\n".join(("clean,noisy,camera,iso,scene,split,noise", *rows)))
    return folder


def test_held_out_pairs_of_known_conditions_are_what_is_validated_on(tmp_path):
    rows = ("a.png,b.png,IP,100,a,train", "a.png,b.png,IP,800,b,train", "a.png,b.png,IP,400,c,val,real")
    data = DataOptions(pairs=pairs(tmp_path / "pairs", *rows, "a.png,b.png,S6,400,c,val"))
    source, _ = open_source(data, 32)
    validation = validation_set(data, source, source.vocabulary(10), 32)
    assert {str(condition) for condition in validation.conditions} == {"IP ISO 400"}
    assert validation.kind == "64 patches of 32x32 from held-out real pairs"


def test_without_held_out_pairs_simulated_ones_or_none(tmp_path):
    folder = pairs(tmp_path / "pairs", "a.png,b.png,IP,100,a,train", "a.png,b.png,S6,400,c,val")
    data = DataOptions(pairs=folder)
    source, _ = open_source(data, 32)
    assert validation_set(data, source, source.vocabulary(10), 32) is None
    data = DataOptions(pairs=folder, simulate=folder)
    source, _ = open_source(data, 32)
    known = Vocabulary(("IP",), (100,), {"IP": {100: 1}})
    assert validation_set(data, source, known, 32).kind == "64 patches of 32x32 from simulated pairs"


def test_tensorboard_has_the_metrics_or_is_refused(source, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    run(source, tmp_path / "run", tensorboard=True)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("val_kld")] == [2, 4, 6, 8, 10, 12]
    monkeypatch.setattr(monitor, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install tensorboard"):
        monitor.require_tensorboard()


def test_the_flag_compiles_flow_and_spatial_network_and_not_the_critic(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, backend: compiled.append((type(self).__name__, backend))
    )
    data = DataOptions(pairs=pairs(tmp_path / "pairs", "a.png,b.png,IP,100,a,train"))
    chosen = recipe.lite(flow_steps=1, spatial_steps=1, batch=2, patch=32)
    for place, flag in (("plain", False), ("compiled", True)):
        request = TrainingRequest(
            architecture="lite", recipe=chosen, data=data, run=tmp_path / place, name="x", device="cpu", compiled=flag
        )
        run_training(request, progress=lambda step, metrics: None)
    assert compiled == [("Chain", "inductor"), ("SpatialNetwork", "inductor")]


@pytest.mark.slow
def test_compiled_networks_compute_the_same(source, tmp_path):
    """By a backend that traces and does not generate code: the flag's own needs a compiler and a minute."""
    plain = load_model(run(source, tmp_path / "plain").weights).state_dict()
    traced = load_model(run(source, tmp_path / "traced", compile="aot_eager").weights).state_dict()
    for name, tensor in plain.items():
        assert traced[name].numpy() == pytest.approx(tensor.numpy(), abs=1e-4), name


def test_a_card_tells_how_the_weights_were_made(source, tmp_path):
    run(source, tmp_path / "run", command="nmflowgan train --simulate photos -o run")
    text = (tmp_path / "run" / "card.md").read_text()
    front = text.split("---")[1]
    assert "license: other" in front
    assert "library_name: nmflowgan-cli" in front
    for told in (
        "# tiny",
        "`nmflowgan train --simulate photos -o run`",
        "**Seed**: 0",
        "val_kld",
        "| Apple iPhone 7 | 100, 400,",
        "flow_rate = 0.003",
    ):
        assert told in text
    assert cards.command(cards.sections(text)["Training"]) == "nmflowgan train --simulate photos -o run"
    header = Header(architecture="lite", options={}, vocabulary=source.vocabulary(10), name="x", terms="MIT")
    told = card(header, recipe.lite(), "x", command="", seed=1, seconds=90, best={})
    assert "license: mit" in told
    assert "1.5 minutes" in told
