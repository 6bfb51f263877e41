"""Pairs through `make-pairs` into every container and layout, and what the readers get back."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from fakes import photograph
from typer.testing import CliRunner, Result

from nmflowgan_cli.cli import app
from nmflowgan_cli.data.containers import CONTAINERS
from nmflowgan_cli.data.layouts import LAYOUTS
from nmflowgan_cli.data.reading import Paired
from nmflowgan_cli.imaging import Picture, write

WRITERS = {
    **{f"folder-{layout}": ("--layout", layout) for layout in LAYOUTS},
    **{f"lmdb-{name}": ("--container", "lmdb", "--layout", name) for name, one in LAYOUTS.items() if one.databases},
    **{name: ("--container", name, "--shard-size", "5") for name in CONTAINERS[1:] if name != "lmdb"},
}
"""Options of `make-pairs`, by a name for each container and layout."""
ISP = ("--weights", "isp", "--camera", "IP,GP", "--iso", "100-800", "--seed", "5", "--device", "cpu")
"""Options that make noise for clean pictures."""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def made(output: Path, *arguments: object) -> Path:
    """The folder that `make-pairs` has written, also with cameras and ISOs that NM-FlowGAN's own code cannot know."""
    done = call("make-pairs", *arguments, "-o", output, "-q", "--force")
    assert done.exit_code == 0, done.stderr
    return output


def photographs(folder: Path, names: Iterable[str]) -> Path:
    """Clean pictures of 66 x 80 pixels, four patches of 64 at a step of 16."""
    for number, name in enumerate(names):
        write(folder / name, Picture(photograph(66, 80, number)))
    return folder


def pictures(pair: Paired) -> list[tuple[bytes, bytes]]:
    """The pixels of each clean and noisy picture of a pair."""
    clean, noisy = (side.reshape(-1, *side.shape[-3:]) for side in pair.load())
    assert clean.shape == noisy.shape == (*pair.size(), 3)
    assert clean.dtype == noisy.dtype == np.uint8
    return [(one.tobytes(), other.tobytes()) for one, other in zip(clean, noisy, strict=True)]
