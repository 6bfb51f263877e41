"""Two processes that share each batch follow one that trains alone; they stop, resume, write and fail together."""

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from PIL import Image

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.mixing import MixedSource
from nmflowgan_cli.data.origin import REAL
from nmflowgan_cli.data.patches import PairSource
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator
from nmflowgan_cli.errors import TrainingError, UsageError
from nmflowgan_cli.models.nmflowgan.paper import CodeNorm
from nmflowgan_cli.training import distributed, srgbflow, state
from nmflowgan_cli.training.loop import RunOptions
from nmflowgan_cli.training.nmflowgan import recipe
from nmflowgan_cli.training.run import train_model

CPU = torch.device("cpu")
RECIPE = recipe.lite(flow_steps=20, spatial_steps=20, batch=4, patch=32)
RAMP = np.linspace(0, 255, 80 * 80 * 3).reshape(80, 80, 3).astype(np.uint8)


class Pair:
    """A pair of one camera, held in memory."""

    condition, scene, split, name, origin = Condition("IP", 800), "desk", "train", "desk", REAL

    def size(self):
        return 1, *RAMP.shape[:2]

    def load(self):
        noisy = np.random.default_rng(0).normal(RAMP, 8)
        return RAMP, noisy.round().clip(0, 255).astype(np.uint8)


class Mixture(MixedSource):
    """Real and simulated patches, in float64: there rounding does not hide whether two runs are the same."""

    def __init__(self):
        super().__init__(Simulator([RAMP], camera_profiles(), 32), PairSource([Pair()], 32), 0.5)

    def batch(self, size, rng):
        torch.set_default_dtype(torch.float32)
        batch = super().batch(size, rng)
        torch.set_default_dtype(torch.float64)
        return batch._replace(clean=batch.clean.double(), noisy=batch.noisy.double())


def trained(run, chosen=RECIPE, name="lite", *, resume=False, show=lambda step, metrics: None):
    """The outcome of a training and the metrics of its steps, as this process has them."""
    torch.set_default_dtype(torch.float64)
    source, steps = Mixture(), []

    def progress(step, metrics):
        steps.append(metrics)
        show(step, metrics)

    header = Header(architecture=name, options={}, vocabulary=source.vocabulary(100), name="two")
    run.mkdir(exist_ok=True)
    options = RunOptions(run=run, device=CPU, log_every=1, resume=resume)
    with distributed.processes(CPU, batch=chosen.batch):
        outcome = train_model(chosen, source, header, options, seed=0, progress=progress)
    return outcome, steps


class Processes:
    """Two worker processes, which can be joined as `torchrun` would."""

    def __init__(self, pool):
        self.pool = pool

    def alone(self, work, *arguments):
        return self.pool.apply(_as_rank, (None, 0, work, *arguments))

    def both(self, work, *arguments):
        """What `work` returns, or the error that it raises, in either process."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # The first worker waits for the second one, so each gets a call.
        calls = [self.pool.apply_async(_as_rank, (rank, port, work, *arguments)) for rank in range(2)]
        return [call.get(timeout=120) for call in calls]


def _as_rank(rank, port, work, *arguments):
    torch.set_num_threads(1)
    values = (str(rank), "2", "127.0.0.1", str(port))
    os.environ.update(zip(distributed.TORCHRUN, values, strict=True))
    if rank is None:
        os.environ.pop("RANK")
    try:
        return work(*arguments)
    except (TrainingError, UsageError) as error:
        return type(error), str(error)


@pytest.fixture(scope="module")
def two():
    with get_context("spawn").Pool(2) as pool:
        yield Processes(pool)


@pytest.fixture(scope="module")
def alone(two, tmp_path_factory):
    """A training of one process, and its metrics."""
    run = tmp_path_factory.mktemp("alone")
    _, metrics = two.alone(trained, run)
    return run, metrics


def largest_difference(run, other):
    """Over all parameters of the model, the critic and the average."""
    parts, others = (torch.load(folder / state.FILE, weights_only=True)["parts"] for folder in (run, other))
    pairs = [(parts[part], others[part]) for part in ("model", "critic")]
    pairs.append((parts["spatial"]["average"], others["spatial"]["average"]))
    return max((a[name] - b[name]).abs().max().item() for a, b in pairs for name in a)


def test_two_processes_with_half_the_batch_follow_one(two, alone, tmp_path, record_property):
    run, metrics = alone
    (leader, shown), (other, also_shown) = two.both(trained, tmp_path)
    assert (leader.step, leader.finished, leader.weights) == (40, True, tmp_path / "model.safetensors")
    assert (other.step, other.finished, other.weights) == (40, True, None)
    difference = largest_difference(run, tmp_path)
    record_property("largest difference of a parameter after 20 + 20 steps", difference)
    assert difference < 1e-10
    assert shown == also_shown
    for ours, theirs in zip(shown, metrics, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9)
    logged = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == list(range(1, 41))


def test_batch_norms_of_pictures_are_shared_too(two, tmp_path):
    """sRGBFlow has them in its couplings, and CodeNorm in their codes."""
    chosen = srgbflow.lite(steps=8, batch=4)
    two.alone(trained, tmp_path / "alone", chosen, "srgbflow")
    two.both(trained, tmp_path / "both", chosen, "srgbflow")
    states = (torch.load(tmp_path / run / state.FILE, weights_only=True)["parts"]["model"] for run in ("alone", "both"))
    ours, theirs = states
    assert max((ours[name] - theirs[name]).abs().max().item() for name in ours) < 1e-10


def interrupted(run):
    def show(step, metrics):
        if step == 7 and os.environ["RANK"] == "1":
            signal.raise_signal(signal.SIGINT)

    return trained(run, show=show)[0], trained(run, resume=True)[0]


def test_an_interruption_of_one_stops_both_at_the_same_step_and_they_go_on(two, alone, tmp_path):
    for stopped, resumed in two.both(interrupted, tmp_path):
        assert (stopped.step, stopped.interrupted, stopped.finished) == (7, True, False)
        assert (resumed.step, resumed.interrupted, resumed.finished) == (40, False, True)
    assert largest_difference(alone[0], tmp_path) < 1e-10


def failing(run):
    def show(step, metrics):
        if step == 3 and os.environ["RANK"] == "1":
            raise TrainingError("the disk of rank 1 is full")

    return trained(run, show=show)


def test_the_error_of_one_ends_the_other_with_a_word(two, tmp_path):
    leader, other = two.both(failing, tmp_path)
    assert other == (TrainingError, "the disk of rank 1 is full")
    assert leader[0] is TrainingError
    assert leader[1].startswith("another process of this training stopped")


def test_a_batch_that_has_no_equal_parts_is_refused(two, tmp_path):
    refusals = two.both(trained, tmp_path, replace(RECIPE, batch=3))
    assert refusals == [(UsageError, "a batch of 3 patches has no equal parts for 2 processes (another --batch)")] * 2


def normalised():
    """Output, gradient and running statistics of a batch norm whose batch of six the processes share."""
    torch.manual_seed(0)
    batch, target = torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    norm = CodeNorm(5).double()
    with distributed.processes(CPU, batch=6):
        distributed.share_batch_norms(norm)
        own = slice(torch.distributed.get_rank(), None, 2) if torch.distributed.is_initialized() else slice(None)
        inputs = batch[own].requires_grad_()
        output = norm(inputs)
        (output - target[own]).square().mean().backward()
        distributed.average_gradients(norm.parameters())
        norm.eval()
        assert norm(inputs).shape == inputs.shape
    rest = [norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var]
    assert inputs.grad is not None
    # The loss of a part is the mean over fewer values, and its gradient larger.
    gradient = inputs.grad * len(inputs) / len(batch)
    return [np.array(each.detach()) for each in (output, gradient, *rest) if each is not None]


def test_batch_norms_see_the_whole_batch(two):
    output, gradient, *rest = two.alone(normalised)
    for rank, results in enumerate(two.both(normalised)):
        expected = (output[rank::2], gradient[rank::2], *rest)
        for ours, theirs in zip(results, expected, strict=True):
            assert ours == pytest.approx(theirs)


def test_alone_nothing_changes():
    x = torch.randn(3, 2)
    assert distributed.leads()
    assert distributed.gathered(x) is x
    assert distributed.any_of_them(True)
    torch.manual_seed(0)
    drawn = distributed.rand_like(x)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand_like(x))


@pytest.mark.slow
def test_torchrun_starts_a_training_that_speaks_with_one_voice(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(RAMP).save(tmp_path / "photos" / "a.png")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = ["--simulate", "photos", "-o", "run", "--flow-steps", "2", "--spatial-steps", "2", "--batch", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "nmflowgan_cli", "train", *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "run/model.safetensors\n"), done.stderr
    assert done.stderr.count("step 4/4") == 1
