"""Write the numbers of an evaluation into the header of a weights file, and print them as the tables of its card.

nmflowgan evaluate DATA -m WEIGHTS.safetensors --json > report.json
python scripts/record_metrics.py WEIGHTS.safetensors report.json --command "nmflowgan evaluate DATA ..."
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from nmflowgan_cli.checkpoints.format import load, save

ESSENTIAL = ("pictures", "patches", "kld", "std_ratio", "lags_real", "lags_fake", "channels_real", "channels_fake")


def essentials(scores: dict[str, Any]) -> dict[str, Any]:
    """The numbers worth carrying in a header, rounded."""
    rounded = {name: scores[name] for name in ESSENTIAL}
    return json.loads(json.dumps(rounded), parse_float=lambda text: round(float(text), 4))


def row(name: str, scores: dict[str, Any]) -> str:
    """A line of the card's tables."""
    lags = " / ".join(
        f"{fake:.2f} ({real:.2f})" for fake, real in zip(scores["lags_fake"], scores["lags_real"], strict=True)
    )
    red_green = f"{scores['channels_fake'][0]:.2f} ({scores['channels_real'][0]:.2f})"
    numbers = f"{scores['pictures']} | {scores['patches']} | {scores['kld']:.4f} | {scores['std_ratio']:.3f}"
    return f"| {name} | {numbers} | {lags} | {red_green} | {scores['std_curve']:.2f} | {scores['mean_curve']:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--command", required=True, help="the command that made the report")
    arguments = parser.parse_args()
    (model,) = json.loads(arguments.report.read_text(encoding="utf-8"))["models"]
    state, header = load(arguments.weights)
    means = {"mean_of_cameras": model["mean_of_cameras"], "mean_of_cells": model["mean_of_cells"], **model["cameras"]}
    metrics = {"command": arguments.command, **{name: essentials(scores) for name, scores in means.items()}}
    save(arguments.weights, state, replace(header, metrics=metrics))
    print("| | pairs | patches | KLD | std ratio | lags 1 / 2 / 3, made (real) | red-green | std curve | mean curve |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, scores in means.items():
        print(row(name.replace("_", " "), scores))
    for cell in model["cells"]:
        print(row(f"{cell['camera']} {cell['iso']}", cell))


if __name__ == "__main__":
    main()
