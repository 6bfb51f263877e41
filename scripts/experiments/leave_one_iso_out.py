"""Interpolation between ISOs: `lite` trained with and without some ISOs, judged on the pairs of these.

Two trainings on the same real pairs with the same steps and seed: one sees all cells, the other lacks one ISO of each
camera, for which it then interpolates. Judged on all pairs of a cell, most of which the first model learned from: a
comparison that favours it. Prints a Markdown table.

    OMP_NUM_THREADS=1 python scripts/experiments/leave_one_iso_out.py MANIFEST.csv GP:3200 S6:1600 --runs runs/left-out
"""

import argparse
from pathlib import Path

from tables import Row, part_of, rows_of, scores, trained


def cell(row: Row) -> str:
    return f"{row['camera']}:{row['iso']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("cells", nargs="+", help="CAMERA:ISO to leave out")
    parser.add_argument("--steps", type=int, nargs=2, default=(900, 300), help="of flow and spatial network")
    parser.add_argument("--runs", type=Path, required=True)
    arguments = parser.parse_args()
    known = {cell(row) for row in rows_of(arguments.manifest) if row["split"] == "train"}
    if unknown := set(arguments.cells) - known:
        raise SystemExit(f"no training pairs of {', '.join(sorted(unknown))}: leaving them out changes nothing")
    left_out = part_of(
        arguments.manifest, lambda row: cell(row) not in arguments.cells, arguments.runs / "left_out.csv"
    )
    steps = ("--flow-steps", str(arguments.steps[0]), "--spatial-steps", str(arguments.steps[1]))
    informed = trained(arguments.manifest, arguments.runs / "all", *steps)
    interpolating = trained(left_out, arguments.runs / "left-out", *steps)
    print("| left out | pairs | KLD, trained | KLD, interpolated | ratio | std ratio, trained | interpolated |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.cells:
        pairs = part_of(arguments.manifest, lambda row, name=name: cell(row) == name, arguments.runs / "cell.csv")
        seen, unseen = (scores(pairs, weights)["mean_of_cells"] for weights in (informed, interpolating))
        klds = f"{seen['kld']:.4f} | {unseen['kld']:.4f} | {unseen['kld'] / seen['kld']:.2f}"
        ratios = f"{seen['std_ratio']:.3f} | {unseen['std_ratio']:.3f}"
        print(f"| {name} | {seen['pictures']} | {klds} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()
