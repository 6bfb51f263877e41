"""Commands in the pages, really run one after the other in a folder with tiny data.

A page's commands share a folder, since later ones use what earlier ones made. Trainings get few steps, see `extra`.
"""

import os
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from fakes import photograph
from pages import OPERATORS, Command, Page, page
from places import FIXTURES
from raw_files import dng

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.profiles import default_isp
from nmflowgan_cli.imaging import Picture, write
from nmflowgan_cli.synthesis.engine import synthesize

RUN = ("README.md", "docs/guide.md", "docs/new-camera.md", "weights/README.md")
"""Pages whose commands run; those of the others are only parsed (test_commands.py), as they name large data sets."""
ONLY_PARSED = ("torchrun",)
"""First words of lines that take too long: the joint training of the 31 M parameters of `paper`."""
PLACEHOLDERS = {"NAME": "sidd-lite", "512": "128", "384": "96"}
"""Words of the pages, and what stands for them here: a name of weights; patches that fit into tiny pictures."""
FEW_STEPS = ("--flow-steps", "2", "--spatial-steps", "2", "--batch", "2", "--validate-every", "2")
WRITTEN = ("-o", "--output", "--report", "--csv", "--runs", ">")
CLEAN_SIDES = 272, 288
PAIR_SIDES = 112, 128
SIDD = {"0011_001_S6_00800_00350_3200_L": 4.0, "0054_003_S6_00800_00350_3200_L": 5.0}
"""A scene instance to train on and one to test on, and the standard deviation of their noise in counts."""


def extra(arguments: list[str]) -> tuple[str, ...]:
    """Options that make a command small; the last of two on a line counts."""
    if arguments[0] == "train" and not {"--arch", "--model"} & set(arguments):
        return FEW_STEPS
    if arguments[0] == "train" and "dncnn" in arguments:
        return ("--steps", "2", "--batch", "2")
    return ("--budget", "1s") if "--denoising-table" in arguments else ()


def shell_line(command: Command) -> str:
    """The line for a shell, with placeholders replaced and small numbers."""
    words: list[str] = []
    for part in command.parts:
        known = [PLACEHOLDERS.get(word, word) for word in part]
        small = extra(known[1:]) if known[0] == "nmflowgan" else ()
        words += [shlex.join([*known, *small])]
    operators = [word for word in command.words if word in OPERATORS]
    line = " ".join(word for pair in zip(words, [*operators, ""], strict=True) for word in pair)
    return line.replace("nmflowgan ", f"{sys.executable} -m nmflowgan_cli ", 1)


def written(command: Command) -> list[str]:
    """The files and folders that a command says it writes."""
    if "--dry-run" in command.words:
        return []
    return [name for flag, name in pairwise(command.words) if flag in WRITTEN]


def picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, Picture(pixels))


def pair(clean: Path, noisy: Path, seed: int, deviation: float) -> None:
    """A smooth picture, and the same with Gaussian noise."""
    pixels = photograph(*PAIR_SIDES, seed)
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    picture(clean, pixels)
    picture(noisy, (pixels + noise).round().clip(0, 255).astype(np.uint8))


def pairs(folder: Path, conditions: list[tuple[str, int]]) -> None:
    """Three scenes of each camera and ISO with a manifest; the last scene is held out."""
    rows = ["clean,noisy,camera,iso,scene,split,noise"]
    for camera, iso in conditions:
        for number, split in enumerate(("train", "train", "val")):
            scene = f"{camera}-{iso}-{number}"
            names = f"clean-{scene}.png", f"noisy-{scene}.png"
            pair(folder / names[0], folder / names[1], number, 6.0)
            rows.append(f"{names[0]},{names[1]},{camera},{iso},{scene},{split},real")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")


def noisy_pictures(folder: Path) -> None:
    """A noisy photograph and a burst of gradients, and a DNG of tags alone."""
    down, right = np.mgrid[:192, :256]
    clean = np.stack([20 + right * 0.7, 30 + down * 0.9, 220 - right * 0.4 - down * 0.3], 2).astype(np.uint8)
    for number, name in enumerate(("noisy.jpg", "burst/1.png", "burst/2.png", "burst/3.png")):
        picture(folder / name, synthesize(default_isp(), clean, Condition("GP", 3200), number))
    dng(folder / "phone.dng", (3.7e-3, 2e-6))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with everything that the pages take as given."""
    for number, name in enumerate(("a.png", "b.jpg", "sub/c.png")):
        picture(tmp_path / "clean" / name, photograph(*CLEAN_SIDES, number))
    picture(tmp_path / "photo.jpg", photograph(*PAIR_SIDES))
    noisy_pictures(tmp_path)
    pairs(tmp_path / "real-pairs", [("IP", 800), ("GP", 3200)])
    pairs(tmp_path / "my-pairs", [("X100", 3200)])
    for instance, deviation in SIDD.items():
        folder = tmp_path / "SIDD_Medium_Srgb" / "Data" / instance
        names = [f"{instance[:4]}_{kind}_SRGB_010.PNG" for kind in ("GT", "NOISY")]
        pair(folder / names[0], folder / names[1], int(instance[:4]), deviation)
    shutil.copy(FIXTURES / "official_small.pth", tmp_path / "NMFlowGAN.pth")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("given", [page(name) for name in RUN], ids=lambda page: page.name)
def test_the_commands_of_a_page_run(given: Page, place: Path) -> None:
    commands = [command for command in given.commands() if command.words[0] not in ONLY_PARSED]
    assert commands
    for command in commands:
        line = shell_line(command)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=place,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {line}\n{done.stderr}"
        missing = [name for name in written(command) if not (place / name).exists()]
        assert not missing, f"{command}: {line}\nmade no {missing}"
