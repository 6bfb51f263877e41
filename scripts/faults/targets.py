"""The commands that are killed: every command that writes, and every container and layout."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.faults.processes import Launcher

OUT = "out"
"""The folder that a target writes, below its own."""
NOISE = ("-c", "IP,GP", "-i", "100-800", "-w", "isp", "--device", "cpu")
TINY = ("--flow-steps", "12", "--spatial-steps", "6", "--batch", "1", "--validate-every", "6")
PLAN = {"budget": 5.0, "steps": 6}
"""Of a table of denoisers, as it is written after the first step was timed: with it, time decides nothing."""


@dataclass(frozen=True)
class Target:
    """A command that is run again after a kill until it ends."""

    name: str
    arguments: tuple[str, ...]
    verified: bool = False
    """`nmflowgan verify` knows its folder."""
    growing: tuple[str, ...] = ()
    """Patterns of files that change while the run goes on; all others appear once, as they will stay."""
    refusal: str = ""
    """What it says where an earlier run has finished; "" for a command that may be repeated blindly."""
    prepare: Callable[[Path], None] = lambda folder: None
    """Makes what stands in the folder before the first run."""


def _planned(folder: Path) -> None:
    (folder / OUT).mkdir()
    (folder / OUT / "plan.json").write_text(json.dumps(PLAN))


def _empty(folder: Path) -> None:
    (folder / OUT).mkdir()


def _pairs(name: str, *more: str) -> Target:
    given = ("make-pairs", "clean", *NOISE, "--patch", "24", "--val-share", "0.3", "--repeats", "2", "--force")
    lists = ("manifest.csv", "meta_info.txt")
    return Target(f"make-pairs {name}", (*given, *more, "-o", OUT, "--resume", "-q"), verified=True, growing=lists)


def _container(name: str, *more: str) -> Target:
    return _pairs(name, "--container", name, *more)


def _train(name: str, *more: str, refusal: str = "") -> Target:
    growing = ("checkpoint.pt", "metrics.jsonl", "best.safetensors", "grids/*")
    return Target(f"train {name}", ("train", *more, "-o", OUT, "-q"), growing=growing, refusal=refusal)


def _evaluate(name: str, *more: str, **rest: object) -> Target:
    given = ("evaluate", "pairs", "--accept-synthetic", "-w", "isp", *more, "-q")
    return Target(f"evaluate {name}", given, **{"prepare": _empty, **rest})  # type: ignore[arg-type]


TARGETS: Sequence[Target] = (
    Target("synthesize", ("synthesize", "clean", *NOISE, "--repeats", "4", "-o", OUT, "--resume", "-q"), verified=True),
    *(_pairs(f"folder {layout}", "--layout", layout) for layout in ("flat", "restormer", "nafnet", "basicsr", "sidd")),
    _container("hdf5"),
    _container("lmdb"),
    _container("webdataset", "--shard-size", "9"),
    _container("parquet", "--shard-size", "9"),
    _train("lite, simulated", "--simulate", "clean", *TINY, "--resume"),
    _train("lite, pairs", "pairs", "--accept-synthetic", *TINY, "--resume"),
    _train("dncnn", "pairs", "--accept-synthetic", "--arch", "dncnn", "--steps", "6", "--batch", "1", "--resume"),
    _train(
        "heteroscedastic",
        *("pairs", "--accept-synthetic", "--arch", "heteroscedastic"),
        refusal="holds weights already",
    ),
    _evaluate("report", "-w", "awgn", "--patch", "16", "--json", "--csv", f"{OUT}/e.csv", "--report", f"{OUT}/e.html"),
    _evaluate(
        "denoising table",
        *("--denoising-table", "--budget", "5s", "-o", OUT, "--csv", f"{OUT}/d.csv", "--json"),
        growing=("*/checkpoint.pt", "*/metrics.jsonl", "*/best.safetensors", "*/grids/*"),
        prepare=_planned,
    ),
)


def picture(path: Path, height: int, width: int, seed: int) -> None:
    """A small colourful PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (9 + 5 * c) + y / (17 - 3 * c) + seed + c) for c in range(3)]
    Image.fromarray((127 + 120 * np.stack(waves, 2)).astype(np.uint8)).save(path)


def inputs(folder: Path, launcher: Launcher) -> Path:
    """The folder that each trial begins with a copy of: clean pictures, and pairs made of larger ones."""
    for number in range(6):
        picture(folder / "clean" / ("" if number % 2 else "sub") / f"{number}.png", 66 + number, 72, number)
        picture(folder / "large" / f"{number}.png", 70, 72, number)
    made = ("make-pairs", "large", *NOISE, "--patch", "64", "--val-share", "0.34", "-o", "pairs", "-q")
    ended = launcher.run(made, folder)
    if ended.code:
        raise SystemExit(f"cannot make pairs: {ended.stderr}")
    shutil.rmtree(folder / "large")
    return folder
