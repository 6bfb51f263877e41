"""Training on real pairs: it learns, it resumes, and training on simulated pairs is what it was."""

import numpy as np
import pytest
import torch
from learners import learner_of
from PIL import Image

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data import patches
from nmflowgan_cli.data.mixing import MixedSource
from nmflowgan_cli.data.patches import PairSource
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.training.loop import RunOptions
from nmflowgan_cli.training.nmflowgan import recipe
from nmflowgan_cli.training.nmflowgan.adversarial import AdversarialStep
from nmflowgan_cli.training.nmflowgan.likelihood import LikelihoodStep
from nmflowgan_cli.training.run import train_model
from nmflowgan_cli.training.sources import DataOptions, census_toml, open_source, read_splits

NAMES = ("0004_001_S6_00800_00060_4400_L", "0028_002_IP_00100_00160_5500_N", "0054_003_N6_00100_00160_5500_N")
SIZE = 72


def ramp(size=SIZE):
    return np.linspace(0, 255, size * size * 3).reshape(size, size, 3).astype(np.uint8)


@pytest.fixture
def simulator():
    return Simulator([ramp(80), ramp(80)[::-1]], camera_profiles(), 32)


@pytest.fixture
def folder(tmp_path):
    """A folder like SIDD's, its noise from the simulator."""
    for number, name in enumerate(NAMES):
        source = Simulator([ramp(SIZE)], {name[9:11]: camera_profiles()[name[9:11]]}, SIZE)
        batch = source.batch(2, np.random.default_rng(number))
        place = tmp_path / "SIDD" / "Data" / name
        place.mkdir(parents=True)
        for frame in (0, 1):
            for kind, counts in (("GT", batch.clean), ("NOISY", batch.noisy)):
                values = counts[frame].round().clamp(0, 255).permute(1, 2, 0).numpy().astype(np.uint8)
                Image.fromarray(values).save(place / f"{name[:4]}_{kind}_SRGB_01{frame}.PNG")
    return tmp_path / "SIDD"


def tiny(**changes):
    return recipe.lite(**({"flow_steps": 6, "spatial_steps": 6, "batch": 3, "patch": 32} | changes))


def run(source, chosen, place, *, resume=False, progress=lambda step, metrics: None):
    place.mkdir(exist_ok=True)
    header = Header(architecture="lite", options={}, vocabulary=source.vocabulary(100), name="tiny")
    options = RunOptions(run=place, device=torch.device("cpu"), resume=resume, checkpoint_every=4)
    return train_model(chosen, source, header, options, seed=0, progress=progress)


def test_simulated_batches_are_what_they_were(simulator):
    """What a seed gives stays, so trainings go on where they stopped; only new profiles may change these numbers."""
    rng = np.random.default_rng(5)
    simulator.batch(3, rng)
    batch = simulator.batch(4, rng)
    assert [str(condition) for condition in batch.conditions] == [
        "N6 ISO 259",
        "S6 ISO 332",
        "S6 ISO 400",
        "GP ISO 608",
    ]
    assert batch.phase.tolist() == [1, 1, 1, 3]
    assert batch.clean.sum().item() == 904909
    assert batch.rounded is None
    sums = [313339.3073987961, 75058.82804902317, 366433.5860977173, 130255.14623412862]
    assert batch.noisy.double().sum((1, 2, 3)).tolist() == pytest.approx(sums, rel=1e-5)
    assert rng.integers(10**9) == 649730823
    assert (simulator.settings, simulator.parts) == ({}, {})


def test_likelihood_of_real_pairs_falls_and_latents_become_standard(folder):
    source, description = open_source(DataOptions(pairs=folder, split="all"), 32)
    assert description == ("6 real pairs of SIDD",)
    chosen = tiny(flow_steps=120, batch=8)
    torch.manual_seed(0)
    learner = learner_of(chosen, source.vocabulary(100))
    step, rng = LikelihoodStep(learner, chosen), np.random.default_rng(0)
    metrics = [step(learner.complete(source.batch(8, rng)), index) for index in range(120)]
    first, last = (np.mean([m["nll"] for m in part]) for part in (metrics[:10], metrics[-10:]))
    assert last < first - 0.1
    assert np.mean([m["std_z"] for m in metrics[-10:]]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("memory", [2**30, 3 * 2 * 3 * SIZE * SIZE])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_resume_equals_the_straight_run(folder, simulator, tmp_path, monkeypatch, memory, share):
    import signal

    monkeypatch.setattr(patches, "CROPS_A_VISIT", 7)

    def source():
        pairs = PairSource(read_splits(DataOptions(pairs=folder, split="all"))["train"], 32, memory=memory)
        return MixedSource(simulator, pairs, share) if share else pairs

    def interrupt(step, metrics):
        if step in (5, 9):
            signal.raise_signal(signal.SIGINT)

    straight = run(source(), tiny(), tmp_path / "straight")
    for done in (5, 9, 12):
        outcome = run(source(), tiny(), tmp_path / "parts", resume=done != 5, progress=interrupt)
        assert (outcome.step, outcome.interrupted) == (done, done != 12)
    parts = load_model(outcome.weights).state_dict()
    for name, tensor in load_model(straight.weights).state_dict().items():
        assert torch.equal(tensor, parts[name]), name


def test_other_data_cannot_go_on(folder, simulator, tmp_path):
    def pairs(**options):
        return open_source(DataOptions(pairs=folder, split="all", **options), 32)[0]

    run(pairs(), tiny(), tmp_path / "run")
    with pytest.raises(TrainingError, match="balance was code, now none"):
        run(pairs(balance="none"), tiny(), tmp_path / "run", resume=True)
    with pytest.raises(TrainingError, match="pairs was"):
        run(pairs(camera="IP"), tiny(), tmp_path / "run", resume=True)


def test_paper_trains_on_real_pairs(folder):
    chosen = recipe.paper(steps=1, batch=1)
    big = Image.new("RGB", (96, 96), (90, 80, 70))
    for path in folder.rglob("*.PNG"):
        big.save(path)
    source, _ = open_source(DataOptions(pairs=folder, split="all"), chosen.patch)
    learner = learner_of(chosen, source.vocabulary(10))
    batch = learner.complete(source.batch(1, np.random.default_rng(0)))
    metrics = LikelihoodStep(learner, chosen)(batch, 0) | AdversarialStep(learner, chosen)(batch, 4)
    assert all(np.isfinite(value) for value in metrics.values())


def test_the_batch_of_a_nan_names_its_pictures(folder, tmp_path):
    source, _ = open_source(DataOptions(pairs=folder, split="all", camera="IP"), 32)

    def poison(step, metrics):
        source.batch = lambda size, rng: PairSource.batch(source, size, rng)._replace(
            clean=torch.full((size, 3, 32, 32), float("nan"))
        )

    with pytest.raises(TrainingError, match=r"at step 1; the batch held IP ISO 100 of Data/0028_.*NOISY_SRGB_01"):
        run(source, tiny(), tmp_path / "run", progress=poison)


def test_the_census_is_toml_with_a_table_a_split(folder):
    import tomllib

    tables = tomllib.loads(census_toml(DataOptions(pairs=folder), 32))
    assert tables == {
        "patches": {"train": {"IP ISO 100": 32, "S6 ISO 800": 32, "all": 64}, "val": {"N6 ISO 100": 32, "all": 32}}
    }
    assert census_toml(DataOptions(simulate=folder), 32) == ""


def test_one_camera(folder):
    options = DataOptions(pairs=folder, simulate=folder, camera="iphone 7")
    source, description = open_source(options, 32)
    assert source.vocabulary(100).cameras == ("IP",)
    assert description == ("2 real pairs of SIDD", "simulated pairs (ISP simulator) from 12 clean photographs")
    with pytest.raises(UsageError, match="camera 'G4' is unknown"):
        open_source(DataOptions(pairs=folder, camera="G4"), 32)


def test_nothing_to_train_on():
    with pytest.raises(UsageError, match="nothing to train on"):
        DataOptions()


def test_folder_pairs_of_a_new_camera(tmp_path):
    for part in ("clean", "noisy"):
        (tmp_path / part).mkdir()
        Image.new("RGB", (40, 40)).save(tmp_path / part / "a.png")
    source, _ = open_source(DataOptions(pairs=tmp_path, camera="X100", iso=640), 32)
    assert source.batch(1, np.random.default_rng(0)).conditions == [Condition("X100", 640)]
