"""Patches a second that the sources of training data give, against what a training step of `lite` takes.

Sources: the simulator; real pairs that all fit in memory; real pairs of which few fit, decoded while the training goes
on (as for SIDD). Pairs are packaged photographs, enlarged, with Gaussian noise. Then steps of training on the last
source, and the resident memory meanwhile.

    python benchmarks/data_loading.py [--steps 1000] [--batches 200]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.folders import read_folder_pair
from nmflowgan_cli.data.patches import PairSource
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator, Source, load_clean
from nmflowgan_cli.training import recipe
from nmflowgan_cli.training.steps import AdversarialStep, LikelihoodStep
from nmflowgan_cli.training.trainees import trainee

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


def patches_per_second(source: Source, batch: int, batches: int) -> float:
    rng = np.random.default_rng(0)
    for _ in range(20):  # by then all that fits has been decoded
        source.batch(batch, rng)
    began = time.perf_counter()
    for _ in range(batches):
        source.batch(batch, rng)
    return batch * batches / (time.perf_counter() - began)


def resident() -> float:
    """MiB of memory that this process occupies (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


class Steps:
    """Steps of `lite`: the flow's, or the game's."""

    def __init__(self, source: Source) -> None:
        self.recipe = recipe.lite()
        self.learner = trainee(self.recipe, source.vocabulary(1))
        self.parts = {
            "flow": LikelihoodStep(self.learner, self.recipe),
            "game": AdversarialStep(self.learner, self.recipe),
        }
        for module in (self.learner.model, self.learner.critic):
            module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def rate(self, part: str, source: Source, steps: int) -> float:
        """Patches a second on one batch again and again: the step alone."""
        batch = source.batch(self.recipe.batch, np.random.default_rng(0))
        first = self.recipe.spatial_from if part == "game" else 0
        began = 0.0
        for number in range(-3, steps):
            began = time.perf_counter() if number == 0 else began
            self.parts[part](self.learner.complete(batch), first + max(number, 0))
        return self.recipe.batch * steps / (time.perf_counter() - began)


def report_rates(sources: dict[str, Source], batches: int) -> None:
    taken: dict[str, float] = {}
    steps = Steps(sources["simulator"])
    for part in ("flow", "game"):
        taken[part] = steps.rate(part, sources["simulator"], 40)
        print(f"a step of the {part} takes {taken[part]:.0f} patches/s")
    for name, source in sources.items():
        rate = patches_per_second(source, steps.recipe.batch, batches)
        ratios = ", ".join(f"{rate / value:.1f} times what the {part} takes" for part, value in taken.items())
        print(f"{name}: {rate:.0f} patches/s, {ratios}", flush=True)


def report_memory(source: Source, number: int) -> None:
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
    parser.add_argument("--batches", type=int, default=200)
    arguments = parser.parse_args()
    patch = recipe.lite().patch
    with tempfile.TemporaryDirectory() as folder:
        make_pairs(Path(folder))
        pairs = read_folder_pair(Path(folder), Condition("IP", 800))
        few = 2 * 3 * SIZE[0] * SIZE[1] * (SHOWN + 1)
        sources: dict[str, Source] = {
            "simulator": Simulator(load_clean(PHOTOS, smallest=patch), camera_profiles(), patch),
            "pairs in memory": PairSource(pairs, patch),
            f"pairs, {SHOWN} of {PAIRS} in memory": PairSource(pairs, patch, memory=few),
        }
        report_rates(sources, arguments.batches)
        report_memory(PairSource(pairs, patch, memory=few), arguments.steps)


if __name__ == "__main__":
    main()
