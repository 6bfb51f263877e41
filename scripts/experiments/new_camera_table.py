"""A new camera from few pairs: its profile, fine-tuning, and training from scratch, on the same pairs.

A pair is a crop of 512x512 at native resolution; with --pairs 1 4 16 the first is of one picture, and the others go
around the camera's training pictures. Judged on its validation pictures whose ISO all of them have seen. Prints a
Markdown table.

    OMP_NUM_THREADS=1 python scripts/experiments/new_camera_table.py MANIFEST.csv --camera D800 --iso 6400 --runs runs
"""

import argparse
import csv
from pathlib import Path

from PIL import Image
from tables import Row, part_of, rows_of, scores, trained

from nmflowgan_cli.data.manifest import MANIFEST_COLUMNS
from nmflowgan_cli.profiles.files import write_profile
from nmflowgan_cli.profiles.likeness import of_pairs

CROP = 512
STARTS = ("profile", "sidd-lite", "from scratch")


def crops(manifest: Path, rows: list[Row], number: int, folder: Path) -> Path:
    """`number` pairs of crops, their pictures in turn, as a manifest in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, MANIFEST_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for index in range(number):
            row, place = rows[index % len(rows)], CROP * (index // len(rows))
            names = {kind: f"{index:02}_{kind}.png" for kind in ("clean", "noisy")}
            for kind, name in names.items():
                with Image.open(manifest.parent / row[kind]) as picture:
                    picture.crop((place, CROP // 2, place + CROP, CROP // 2 + CROP)).save(folder / name)
            writer.writerow({**row, **names})
    return folder / "manifest.csv"


def profiled(pairs: Path, run: Path, rendered: str) -> Path:
    """The profile of the pairs, in a file."""
    path = run / "profile.json"
    run.mkdir(parents=True, exist_ok=True)
    write_profile(path, of_pairs(pairs, rendered=rendered))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--camera", required=True)
    parser.add_argument("--iso", required=True)
    parser.add_argument("--pairs", type=int, nargs="+", default=(1, 4, 16))
    parser.add_argument("--steps", type=int, nargs=2, default=(300, 150), help="of flow and spatial network")
    parser.add_argument("--rate", default="0.5", help="factor on the learning rates of fine-tuning")
    parser.add_argument("--rendered", default="plain", choices=("plain", "camera"), help="of the profile")
    parser.add_argument("--starts", nargs="+", default=STARTS, choices=STARTS)
    parser.add_argument("--runs", type=Path, required=True)
    arguments = parser.parse_args()
    wanted = (arguments.camera, arguments.iso)
    rows = [row for row in rows_of(arguments.manifest) if (row["camera"], row["iso"]) == wanted]
    known = [row for row in rows if row["split"] == "train"]
    held_out = part_of(
        arguments.manifest, lambda row: row in rows and row["split"] == "val", arguments.runs / "held_out.csv"
    )
    steps = ["--flow-steps", str(arguments.steps[0]), "--spatial-steps", str(arguments.steps[1])]
    print("| pairs | start | KLD | std ratio | lag 1, made (real) | channels, difference |")
    print("|---|---|---|---|---|---|", flush=True)
    for number in arguments.pairs:
        pairs = crops(arguments.manifest, known, number, arguments.runs / f"{number}-pairs")
        for start in arguments.starts:
            run = arguments.runs / f"{number}-{start.replace(' ', '-')}"
            options = ["--init", start, "--rate", arguments.rate] if start == "sidd-lite" else []
            profile = start == "profile"
            model = profiled(pairs, run, arguments.rendered) if profile else trained(pairs, run, *steps, *options)
            found = scores(held_out, model)["mean_of_cameras"]
            lag = f"{found['lags_fake'][0]:.2f} ({found['lags_real'][0]:.2f})"
            print(
                f"| {number} | {start} | {found['kld']:.4f} | {found['std_ratio']:.3f} | {lag} "
                f"| {found['channels_difference']:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
