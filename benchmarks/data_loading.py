"""Patches a second that the sources of training data give, against what a training step of `lite` takes.

Sources: the simulator; real pairs that all fit in memory; real pairs of which few fit, decoded while the training goes
on (as for SIDD). Pairs are packaged photographs, enlarged, with Gaussian noise. All seconds are of one processor core.
Then steps of training on the last source, and the resident memory meanwhile.

    python benchmarks/data_loading.py [--steps 1000] [--batches 40] [--rounds 5]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.batches import BatchSource
from nmflowgan_cli.data.folders import read_folder_pair
from nmflowgan_cli.data.patches import PairSource
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator, load_clean
from nmflowgan_cli.training.nmflowgan import recipe
from nmflowgan_cli.training.nmflowgan.adversarial import AdversarialStep
from nmflowgan_cli.training.nmflowgan.likelihood import LikelihoodStep
from nmflowgan_cli.training.run import open_learner

PHOTOS = Path(__file__).parents[1] / "photos"
SIZE = (2000, 1500)
PAIRS = 8
SHOWN = 4
"""Pairs that fit in the small memory."""


def make_pairs(folder: Path) -> None:
    """`PAIRS` pairs of `SIZE` below `folder`."""
    photos = sorted(path for path in PHOTOS.iterdir() if path.suffix == ".png")
    rng = np.random.default_rng(0)
    for number in range(PAIRS):
        clean = np.asarray(Image.open(photos[number % len(photos)]).convert("RGB").resize(SIZE))
        noisy = (clean + 5 * rng.standard_normal(clean.shape, np.float32)).round().clip(0, 255).astype(np.uint8)
        for name, picture in (("clean", clean), ("noisy", noisy)):
            (folder / name).mkdir(exist_ok=True)
            Image.fromarray(picture).save(folder / name / f"{number}.png", compress_level=1)


def seconds(work: Callable[[], object], times: int) -> float:
    """Processor time of `work`, whatever else the machine does meanwhile."""
    began = time.process_time()
    for _ in range(times):
        work()
    return time.process_time() - began


def resident() -> float:
    """MiB of memory that this process occupies (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


class Steps:
    """Steps of `lite`: the flow's, or the game's."""

    def __init__(self, source: BatchSource) -> None:
        self.recipe = recipe.lite()
        header = Header(architecture="lite", options={}, vocabulary=source.vocabulary(1))
        self.learner = open_learner(self.recipe, header, torch.device("cpu"))
        self.parts = {
            "flow": LikelihoodStep(self.learner, self.recipe),
            "game": AdversarialStep(self.learner, self.recipe),
        }

    def step(self, part: str, source: BatchSource) -> Callable[[], object]:
        """A step on one batch again and again: the step alone."""
        batch = source.batch(self.recipe.batch, np.random.default_rng(0))
        first = self.recipe.spatial_from if part == "game" else 0
        numbers = count(first)
        return lambda: self.parts[part](self.learner.complete(batch), next(numbers))


def report_rates(sources: dict[str, BatchSource], batches: int, rounds: int) -> None:
    """Rounds of steps and of sources take turns; the median of each is told."""
    steps, rng = Steps(sources["simulator"]), np.random.default_rng(0)
    size = steps.recipe.batch
    work: dict[str, Callable[[], object]] = {part: steps.step(part, sources["simulator"]) for part in ("flow", "game")}
    work |= {name: partial(source.batch, size, rng) for name, source in sources.items()}
    spent: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, once in work.items():
            spent[name].append(seconds(once, batches))
    # Without the first round, in which networks warm up and all that fits is decoded.
    rates = {name: size * batches / statistics.median(times[1:]) for name, times in spent.items()}
    for part in steps.parts:
        print(f"a step of the {part} takes {rates[part]:.0f} patches/s")
    for name in sources:
        ratios = ", ".join(f"{rates[name] / rates[part]:.1f} times what the {part} takes" for part in steps.parts)
        print(f"{name}: {rates[name]:.0f} patches/s, {ratios}", flush=True)


def report_memory(source: BatchSource, number: int) -> None:
    """Resident memory over `number` steps of the flow."""
    steps, rng = Steps(source), np.random.default_rng(0)
    for done in range(number + 1):
        if done % max(1, number // 10) == 0:
            print(f"after {done} steps of training: {resident():.0f} MiB resident", flush=True)
        batch = source.batch(steps.recipe.batch, rng)
        steps.parts["flow"](steps.learner.complete(batch), done % steps.recipe.flow_until)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batches", type=int, default=40, help="in a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    patch = recipe.lite().patch
    with tempfile.TemporaryDirectory() as folder:
        make_pairs(Path(folder))
        pairs = read_folder_pair(Path(folder), Condition("IP", 800))
        few = 2 * 3 * SIZE[0] * SIZE[1] * (SHOWN + 1)
        sources: dict[str, BatchSource] = {
            "simulator": Simulator(load_clean(PHOTOS, smallest=patch), camera_profiles(), patch),
            "pairs in memory": PairSource(pairs, patch),
            f"pairs, {SHOWN} of {PAIRS} in memory": PairSource(pairs, patch, memory=few),
        }
        report_rates(sources, arguments.batches, arguments.rounds)
        report_memory(PairSource(pairs, patch, memory=few), arguments.steps)


if __name__ == "__main__":
    main()
