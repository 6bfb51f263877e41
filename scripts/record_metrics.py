"""Write the numbers of an evaluation into the header of a weights file, and as tables into its card.

nmflowgan evaluate DATA --split val -m NAME -m awgn -m heteroscedastic --json > val.json
python scripts/record_metrics.py weights/NAME.safetensors val.json --part val --command "nmflowgan evaluate DATA ..."

The first model of the evaluation is that of the weights, the others are compared with it. The card is
cards/NAME.md beside the file; in it, what stands between the comments <!-- metrics PART --> and
<!-- end of metrics PART --> is replaced, and the table of cameras between <!-- cameras --> and <!-- end of cameras -->.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nmflowgan_cli.checkpoints.cards import with_part
from nmflowgan_cli.checkpoints.format import load_weights, save_weights
from nmflowgan_cli.files import write_whole
from nmflowgan_cli.training.card import camera_table

Scores = Mapping[str, Any]

ESSENTIAL = (
    *("pictures", "patches", "kld", "kld_interval", "akld", "std_ratio", "std_curve", "mean_curve"),
    *("lags_real", "lags_fake", "lags_difference", "channels_real", "channels_fake", "channels_difference"),
)
MODEL_COLUMNS = ("KLD", "95 % interval", "AKLD", "std error", "std curve", "mean curve", "lags", "channels")
CELL_COLUMNS = (
    *("pairs", "patches", "KLD", "95 % interval", "AKLD", "std ratio", "std curve", "mean curve"),
    *("lags 1 / 2 / 3", "RG / RB / GB"),
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("report", type=Path, help="what evaluate --json printed")
    parser.add_argument("--command", required=True, help="the command that made the report")
    parser.add_argument("--part", required=True, help="what it was measured on, like val: names the part of the card")
    return parser.parse_args()


def essentials(scores: Scores) -> dict[str, Any]:
    """The numbers worth carrying in a header, rounded."""
    return json.loads(
        json.dumps({name: scores[name] for name in ESSENTIAL}), parse_float=lambda text: round(float(text), 4)
    )


def measured(model: Mapping[str, Any]) -> dict[str, Scores]:
    """The scores of a model by what they are of: means first, then cameras."""
    means = {name.replace("_", " "): model[name] for name in ("mean_of_cameras", "mean_of_cells")}
    return {**means, **model["cameras"]}


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def interval(scores: Scores) -> str:
    low, high = scores["kld_interval"]
    return "-" if low is None else f"{low:.4f} to {high:.4f}"


def made_and_real(made: Iterable[float | None], real: Iterable[float | None]) -> str:
    """Correlations of made noise, with the real ones in brackets."""
    return " / ".join(f"{number(one, 2)} ({number(other, 2)})" for one, other in zip(made, real, strict=True))


def cell_row(name: str, scores: Scores) -> list[str]:
    """A line below CELL_COLUMNS."""
    return [
        name,
        *(str(scores[count]) for count in ("pictures", "patches")),
        *(number(scores["kld"], 4), interval(scores), number(scores["akld"], 3), number(scores["std_ratio"], 3)),
        *(number(scores[curve], 2) for curve in ("std_curve", "mean_curve")),
        made_and_real(scores["lags_fake"], scores["lags_real"]),
        made_and_real(scores["channels_fake"], scores["channels_real"]),
    ]


def model_row(model: Mapping[str, Any], name: str) -> list[str]:
    """A line below MODEL_COLUMNS: the mean of cameras."""
    scores = model["mean_of_cameras"]
    differences = (number(scores[kind], 3) for kind in ("akld", "std_error", "std_curve", "mean_curve"))
    correlations = (number(scores[f"{kind}_difference"], 3) for kind in ("lags", "channels"))
    note = f" ({model['note']})" if model["note"] else ""
    return [f"{name}{note}", number(scores["kld"], 4), interval(scores), *differences, *correlations]


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; the column of names has no heading."""
    columns = ["", *columns]
    return "\n".join(f"| {' | '.join(row)} |" for row in [columns, ["---"] * len(columns), *rows])


def tables(models: Iterable[Mapping[str, Any]], name: str, command: str) -> str:
    """The part of the card: the models beside each other, then the first by camera, and by camera and ISO."""
    first, *others = models
    floor = number(first["mean_of_cameras"]["self_floor"], 4)
    compared = [model_row(first, f"**{name}**"), *(model_row(other, other["name"]) for other in others)]
    cells = [cell_row(f"{cell['camera']} {cell['iso']}", cell) for cell in first["cells"]]
    by_camera = [cell_row(camera, scores) for camera, scores in measured(first).items()]
    left_out = first["skipped_pairs"] + first["failed_pairs"]
    return "\n\n".join(
        [
            f"```\n{command}\n```",
            f"Mean of cameras{f', {left_out} pairs left out' if left_out else ''}; "
            f"real noise against itself has a KLD of {floor}:",
            table(MODEL_COLUMNS, compared),
            f"{name} by camera, then by camera and ISO; correlations made (real):",
            table(CELL_COLUMNS, [*by_camera, *cells]),
        ]
    )


def main() -> None:
    options = arguments()
    models = json.loads(options.report.read_text(encoding="utf-8"))["models"]
    state, header = load_weights(options.weights)
    name = header.name or options.weights.stem
    card = options.weights.parent / "cards" / f"{name}.md"
    text = with_part(card.read_text(encoding="utf-8"), "cameras", camera_table(header.vocabulary))
    text = with_part(text, f"metrics {options.part}", tables(models, name, options.command))
    part = {"command": options.command, **{key: essentials(scores) for key, scores in measured(models[0]).items()}}
    earlier = {key: value for key, value in header.metrics.items() if isinstance(value, dict) and "command" in value}
    save_weights(options.weights, state, replace(header, metrics={**earlier, options.part: part}))
    write_whole(card, text.encode())
    print(f"{options.weights} and {card}: {options.part}")


if __name__ == "__main__":
    main()
