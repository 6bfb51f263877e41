"""Shared parts of the experiments: running the command, trainings, manifests of some of the pairs, and scores."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nmflowgan_cli.data.manifest import MANIFEST_COLUMNS

Row = Mapping[str, str]


def nmflowgan(*arguments: str | Path) -> str:
    """What the command prints on stdout; its messages pass through."""
    command = [sys.executable, "-m", "nmflowgan_cli", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def rows_of(manifest: Path) -> list[Row]:
    """The rows of a CSV manifest."""
    with manifest.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def part_of(manifest: Path, chosen: Callable[[Row], bool], to: Path, **changes: str) -> Path:
    """A CSV manifest at `to` of the rows that are `chosen`, with `changes` in every one; paths become absolute."""
    rows = [row for row in rows_of(manifest) if chosen(row)]
    folder = manifest.parent.resolve()
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in rows:
            paths = {name: str(folder / row[name]) for name in ("clean", "noisy")}
            writer.writerow({**row, **paths, **changes})
    return to


def trained(pairs: Path, run: Path, *options: str) -> Path:
    """The weights of a training on `pairs`, which is not done again where its run is there."""
    weights = run / "model.safetensors"
    if not weights.exists():
        nmflowgan("train", pairs, *options, "--seed", "0", "-o", run, "-q")
    return weights


def scores(manifest: Path, model: str | Path, *options: str) -> dict[str, Any]:
    """What `evaluate --json` says of the model, all pairs of the manifest."""
    return json.loads(nmflowgan("evaluate", manifest, "-m", model, "--json", "-q", *options))["models"][0]
