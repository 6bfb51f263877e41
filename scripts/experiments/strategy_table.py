"""Tables II and VII of the paper in miniature: strategies and ablations of `lite`, each trained for the same time.

Time is processor time on one thread, which does not change with whatever else the machine is doing. Each variant is
timed for a few steps first; its number of steps then fills the budget (two-stage: half of the time for the flow, half
for the spatial network). All learn from the same simulated pairs and are judged on the same real ones. Prints a
Markdown table.

    OMP_NUM_THREADS=1 python scripts/experiments/strategy_table.py CLEAN MANIFEST.csv --seconds 400 --runs runs/table
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from tables import nmflowgan, scores

PROBE = 40
"""Steps that a variant is timed for."""


@dataclass(frozen=True)
class Variant:
    """A line of the table: what `nmflowgan train` is given besides its steps."""

    name: str
    options: tuple[str, ...] = ()

    @property
    def together(self) -> bool:
        """Whether flow and spatial network learn in the same steps."""
        return "--strategy" in self.options

    @property
    def flow_only(self) -> bool:
        return "gan" in self.options


VARIANTS = [
    Variant("two-stage (usual)"),
    Variant("simultaneous", ("--strategy", "simultaneous")),
    Variant("joint", ("--strategy", "joint")),
    Variant("two-stage, without SAL", ("--ablate", "sal")),
    Variant("two-stage, without SDL", ("--ablate", "sdl")),
    Variant("flow alone, without GAN", ("--ablate", "gan")),
]


def train(variant: Variant, clean: Path, run: Path, flow: int, spatial: int) -> list[str]:
    """Train it, and give the arguments that did."""
    steps = ["--flow-steps", str(flow)] + ([] if variant.flow_only else ["--spatial-steps", str(spatial)])
    arguments = ["train", "--simulate", str(clean), *variant.options, *steps, "--seed", "0", "-o", str(run), "-q"]
    nmflowgan(*arguments, "--validate-every", "1000000")
    return arguments


def seconds(variant: Variant, clean: Path, run: Path, flow: int, spatial: int) -> float:
    """Processor time of the training."""
    before = os.times()
    train(variant, clean, run, flow, spatial)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def steps_for(variant: Variant, clean: Path, folder: Path, budget: float) -> tuple[int, int]:
    """Steps of flow and spatial network that take `budget` seconds; start-up is timed and taken off."""
    start = seconds(variant, clean, folder / "start", 1, 1)
    if variant.together or variant.flow_only:
        each = (seconds(variant, clean, folder / "probe", PROBE, PROBE) - start) / (PROBE - 1)
        return round(budget / each), round(budget / each)
    flow = (seconds(variant, clean, folder / "flow", PROBE, 1) - start) / (PROBE - 1)
    spatial = (seconds(variant, clean, folder / "spatial", 1, PROBE) - start) / (PROBE - 1)
    return round(budget / 2 / flow), round(budget / 2 / spatial)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--lines", type=int, nargs="+", default=range(len(VARIANTS)), help="which ones, from 0")
    parser.add_argument("--runs", type=Path, required=True)
    arguments = parser.parse_args()
    print("| variant | steps: flow, spatial | seconds | KLD | lag 1, made (real) | red-green, made (real) |")
    print("|---|---|---|---|---|---|", flush=True)
    for variant in (VARIANTS[line] for line in arguments.lines):
        folder = arguments.runs / "-".join(["lite", *variant.options]).replace("--", "")
        flow, spatial = steps_for(variant, arguments.clean, folder, arguments.seconds)
        took = seconds(variant, arguments.clean, folder / "run", flow, spatial)
        weights = str(folder / "run" / "model.safetensors")
        found = scores(arguments.pairs, weights)["mean_of_cameras"]
        lag = f"{found['lags_fake'][0]:.2f} ({found['lags_real'][0]:.2f})"
        colours = f"{found['channels_fake'][0]:.2f} ({found['channels_real'][0]:.2f})"
        taken = f"{flow}, {'none' if variant.flow_only else spatial}"
        print(f"| {variant.name} | {taken} | {took:.0f} | {found['kld']:.4f} | {lag} | {colours} |", flush=True)


if __name__ == "__main__":
    main()
