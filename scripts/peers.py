"""The table of docs/peers.md: noise models trained for equal processor time on the same pairs, judged by one yardstick.

    python -m scripts.peers sidd/native --minutes 8 --jobs 2 -o runs/peers-8 [--page docs/peers.md]
    python -m scripts.peers sidd/native --simulate photos --minutes 8 -o runs/peers-simulated

A run that was interrupted goes on where it stopped. Every training has one thread. How many steps take the minutes is
measured once, in processor time, and kept in plan.json. The train pairs teach, the val pairs judge.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from nmflowgan_cli.checkpoints.build import parameter_count
from nmflowgan_cli.checkpoints.cards import with_part
from nmflowgan_cli.checkpoints.format import Header, read_header
from nmflowgan_cli.data.manifest import Pair
from nmflowgan_cli.errors import ConditionError
from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.models.registry import ARCHITECTURES
from nmflowgan_cli.report.crops import telling_place
from nmflowgan_cli.synthesis.api import load
from nmflowgan_cli.training.nmflowgan.recipe import NMFlowGANRecipe
from nmflowgan_cli.training.recipe import Recipe, open_recipe
from nmflowgan_cli.training.run import model_options, open_learner
from nmflowgan_cli.training.sources import DataOptions, open_source, read_splits

SIMULATOR = "isp"
FITTED = ("awgn", "heteroscedastic")
NEEDS = {
    "lite": "camera, ISO",
    "paper": "camera, ISO",
    "c2n": "nothing",
    "srgbflow": "camera, ISO",
    "neca": "camera, ISO (as published: a noisy picture)",
    "naflow": "camera, ISO (as published: the noisy partner)",
    SIMULATOR: "camera, ISO; calibrated before, not trained here",
    "awgn": "camera, ISO",
    "heteroscedastic": "camera, ISO",
}
"""The models, and what each needs beside the clean picture."""
CHANGES: dict[str, dict[str, Any]] = {"paper": {"batch": 4}}
"""Changes to the first preset of a model; the paper's own batch of 128 leaves a CPU no steps."""
TRIAL_STEPS, TRIAL_SECONDS = 16, 60.0
MEGAPIXEL = 1024
SIDE, ZOOM, COLUMNS, GAP, LABEL = 128, 2, 4, 6, 20
"""Of the picture: side of its crops in pixels, their magnification, how many stand in a row, and the space around."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, and where."""

    data: Path
    runs: Path
    models: Sequence[str]
    minutes: float
    jobs: int
    simulate: Path | None

    @property
    def teaching(self) -> DataOptions:
        return DataOptions(simulate=self.simulate) if self.simulate else DataOptions(pairs=self.data)

    def weights(self, name: str) -> str:
        """What the command line calls a trained model."""
        return SIMULATOR if name == SIMULATOR else str(self.runs / name / "model.safetensors")


def remembered(path: Path, make: Callable[[], Any]) -> Any:
    """The JSON value of a file; made and written where there is none."""
    if not path.is_file():
        value = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    return json.loads(path.read_text())


def nmflowgan(*arguments: str, program: Sequence[str] = ("-m", "nmflowgan_cli")) -> str:
    """What a command prints, with one thread; raises CalledProcessError."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *program, *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def train_all(this: Comparison) -> None:
    """Train all models that have no weights yet, `jobs` at a time, those that take memory first."""
    learned = [name for name in this.models if name not in (SIMULATOR, *FITTED)]
    plan = {
        name: remembered(this.runs / name / "plan.json", lambda name=name: steps_of(this, name)) for name in learned
    }
    with ThreadPoolExecutor(this.jobs) as pool:
        list(pool.map(lambda name: train(this, name, plan.get(name, {})), (n for n in this.models if n != SIMULATOR)))


def train(this: Comparison, name: str, steps: Mapping[str, int]) -> None:
    """One training, from its beginning or its last checkpoint."""
    if Path(this.weights(name)).is_file():
        return
    data = ["--simulate", str(this.simulate)] if this.simulate else [str(this.data)]
    changes = {**CHANGES.get(name, {}), **steps}
    options = [text for key, value in changes.items() for text in (f"--{key.replace('_', '-')}", str(value))]
    resume = [] if name in FITTED else ["--resume", "--device", "cpu", "--validate-every", str(sum(steps.values()))]
    nmflowgan("train", *data, "--model", name, *options, *resume, "-q", "-o", str(this.runs / name))


def steps_of(this: Comparison, name: str) -> dict[str, int]:
    """Options with as many steps of each part as take the minutes, in the proportions of the recipe."""
    recipe = open_recipe(name, **CHANGES.get(name, {}))
    factor = 60 * this.minutes / (recipe.steps * seconds_a_step(this, name, recipe))
    parts = {"steps": recipe.steps}
    if name == "lite":
        flow = cast(NMFlowGANRecipe, recipe).flow_until
        parts = {"flow_steps": flow, "spatial_steps": recipe.steps - flow}
    return {part: max(1, round(steps * factor)) for part, steps in parts.items()}


def seconds_a_step(this: Comparison, name: str, recipe: Recipe) -> float:
    """Mean processor time of steps that are drawn from all of a training, after one to warm up."""
    source, _ = open_source(recipe.data(this.teaching), recipe.patch)
    vocabulary = source.vocabulary(recipe.steps * recipe.batch)
    header = Header(architecture=name, options=model_options(name, recipe), vocabulary=vocabulary)
    learner, rng = open_learner(recipe, header, torch.device("cpu")), np.random.default_rng(0)
    times: list[float] = []
    for step in (0, *sorted(rng.integers(0, recipe.steps, TRIAL_STEPS))):
        began = time.process_time()
        learner.step(source.batch(recipe.batch, rng), int(step))
        times.append(time.process_time() - began)
        if len(times) > 3 and sum(times) > TRIAL_SECONDS:
            break
    return float(np.mean(times[1:]))


def cost(weights: str) -> dict[str, float]:
    """Seconds and MiB for a megapixel of noise; in a process of its own, for its memory is that of the process."""
    noise, ramp = load(weights, device="cpu"), np.linspace(0, 255, MEGAPIXEL * MEGAPIXEL * 3)
    clean = ramp.astype(np.uint8).reshape(MEGAPIXEL, MEGAPIXEL, 3)
    vocabulary = noise.model.vocabulary
    camera = next(camera for camera in vocabulary.cameras if vocabulary.trained_isos(camera))
    began = time.perf_counter()
    noise.synthesize(clean, camera=camera, iso=vocabulary.trained_isos(camera)[0])
    return {
        "seconds": (time.perf_counter() - began) / (MEGAPIXEL / 1000) ** 2,
        "mebibytes": peak_mebibytes(),
    }


def peak_mebibytes() -> float:
    """The most memory that this program has held; what getrusage has is also that of the process which started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def evaluated(this: Comparison, name: str) -> list[dict[str, Any]]:
    """The scores of a model on the val pairs, for each camera and ISO that it knows."""
    chosen = ["-w", this.weights(name), "--split", "val", "--skip-unknown", "--nll"]
    told = nmflowgan("evaluate", str(this.data), *chosen, "--device", "cpu", "--json", "-q")
    return json.loads(told)["models"][0]["cells"]


def code(cell: Mapping[str, Any]) -> tuple[str, int]:
    return cell["camera"], cell["iso"]


def mean_of_cameras(cells: Sequence[Mapping[str, Any]], score: str) -> Any:
    """The mean of each camera's ISOs, then of the cameras: a number, or an array; None for a score without values."""
    if any(cell[score] is None for cell in cells):
        return None
    cameras = sorted({cell["camera"] for cell in cells})
    return np.mean([np.mean([c[score] for c in cells if c["camera"] == camera], 0) for camera in cameras], 0)


def table(this: Comparison) -> str:
    """All models on the cameras and ISOs that they all know, best KLD first, as Markdown."""
    scores = {n: remembered(this.runs / n / "scores.json", lambda n=n: evaluated(this, n)) for n in this.models}
    common = set.intersection(*({code(cell) for cell in cells} for cells in scores.values()))
    scores = {name: [cell for cell in cells if code(cell) in common] for name, cells in scores.items()}
    titles = "model|KLD|AKLD|lags 1, 2, 3|channels RG, RB, GB|NLL, bits a value|parameters|s a megapixel|MiB|needs"
    head = [f"| {' | '.join(titles.split('|'))} |", "|---" * 10 + "|"]
    ranked = sorted(scores, key=lambda name: mean_of_cameras(scores[name], "kld"))
    return "\n".join([*head, real_row(scores[ranked[0]]), *(row(this, name, scores[name]) for name in ranked)]) + "\n"


def real_row(cells: Sequence[Mapping[str, Any]]) -> str:
    """The line of real noise; its KLD is that of two samples of one distribution."""
    floor, lags, channels = (mean_of_cameras(cells, score) for score in ("self_floor", "lags_real", "channels_real"))
    return f"| *real noise* | {floor:.4f} |  | {listed(lags)} | {listed(channels)} |  |  |  |  |  |"


def row(this: Comparison, name: str, cells: Sequence[Mapping[str, Any]]) -> str:
    """A model's line."""
    weights, likelihood = this.weights(name), mean_of_cameras(cells, "nll")
    expense = remembered(
        this.runs / name / "cost.json",
        lambda: json.loads(nmflowgan("--cost", weights, program=("-m", "scripts.peers"))),
    )
    values = [
        f"`{name}`",
        f"{mean_of_cameras(cells, 'kld'):.4f}",
        f"{mean_of_cameras(cells, 'akld'):.3f}",
        listed(mean_of_cameras(cells, "lags_fake")),
        listed(mean_of_cameras(cells, "channels_fake")),
        "" if likelihood is None else f"{likelihood:.3f}",
        "" if name == SIMULATOR else f"{parameter_count(read_header(Path(weights))):,}",
        f"{expense['seconds']:.2f}",
        f"{expense['mebibytes']:.0f}",
        NEEDS[name],
    ]
    return f"| {' | '.join(values)} |"


def listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


def side_by_side(this: Comparison) -> Image.Image:
    """One crop: clean, real, and made by all models."""
    noises = {name: load(this.weights(name), device="cpu") for name in this.models}
    pair = next(
        pair for pair in by_level(this) if all(n.model.vocabulary.knows(pair.condition) for n in noises.values())
    )
    clean, real = pair.load()
    top, left = telling_place(clean, SIDE)
    crop = np.s_[top : top + SIDE, left : left + SIDE]
    condition = pair.condition
    made = {n: noise.synthesize(clean, camera=condition.camera, iso=condition.iso)[crop] for n, noise in noises.items()}
    return sheet({"clean": clean[crop], f"real, {condition}": real[crop], **made})


def by_level(this: Comparison) -> list[Pair]:
    """The val pairs, those of the highest ISO first."""
    pairs = [pair for pair in read_splits(DataOptions(pairs=this.data))["val"] if isinstance(pair, Pair)]
    if not pairs:
        raise ConditionError(f"{this.data} has no val pairs of single pictures", "a folder or a manifest has")
    return sorted(pairs, key=lambda pair: -pair.condition.iso)


def sheet(crops: Mapping[str, Bytes]) -> Image.Image:
    """Magnified crops in rows, each below its name."""
    side, rows = SIDE * ZOOM, -(-len(crops) // COLUMNS)
    across, down = side + GAP, side + LABEL + GAP
    page = Image.new("RGB", (COLUMNS * across + GAP, rows * down + GAP), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(size=14)
    for number, (name, crop) in enumerate(crops.items()):
        left, top = GAP + number % COLUMNS * across, GAP + number // COLUMNS * down
        pen.text((left + side / 2, top + LABEL / 2), name, "black", font, anchor="mm")
        page.paste(Image.fromarray(crop).resize((side, side), Image.Resampling.NEAREST), (left, top + LABEL))
    return page


def main() -> None:
    known = [name for name in NEEDS if name == SIMULATOR or name in ARCHITECTURES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="paired data with train and val")
    parser.add_argument("-o", "--runs", type=Path, help="folder of trainings, results and picture")
    parser.add_argument("--minutes", type=float, default=8.0, help="processor time of each training")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--simulate", type=Path, help="train on simulated pairs of this folder of clean photographs")
    parser.add_argument("--models", nargs="+", choices=known, default=known, help="only these")
    parser.add_argument("--page", type=Path, help="page with a place for the table: a comment with kind and minutes")
    parser.add_argument("--cost", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.cost:
        print(json.dumps(cost(given.cost)))
        return
    if given.data is None or given.runs is None:
        parser.error("DATA and --runs are needed")
    models = [name for name in given.models if not (given.simulate and name in FITTED)]
    this = Comparison(
        data=given.data, runs=given.runs, models=models, minutes=given.minutes, jobs=given.jobs, simulate=given.simulate
    )
    train_all(this)
    made = table(this)
    side_by_side(this).save(this.runs / "side_by_side.png", optimize=True)
    if given.page:
        place = f"{'simulated' if given.simulate else 'real'} pairs, {given.minutes:g} minutes"
        given.page.write_text(with_part(given.page.read_text(), place, made))
    print(made)


if __name__ == "__main__":
    main()
