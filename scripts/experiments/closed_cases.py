"""Print the cases of the KLD whose answer is known beforehand, and the averages of the paper's Table I.

    python scripts/experiments/closed_cases.py

Independent normal noise of one std on 96x96 patches: what rounded noise of the same distribution costs, what
un-rounded noise costs beside rounded noise, and what real noise costs against itself. Then each row of Table I of
Han & Yu, https://arxiv.org/abs/2312.10112: its columns averaged plainly and by patches, beside what is printed.
"""

import numpy as np

from nmflowgan_cli.evaluation.table1 import PAPER_PATCHES, PRINTED, averages
from nmflowgan_cli.metrics.noise import PATCH, patch_kld, self_floor

PATCHES_A_SIDE = 16


def normal_noise() -> None:
    print(f"{'std':>4} {'same':>8} {'un-rounded':>11} {'itself':>8}")
    side = PATCH * PATCHES_A_SIDE
    for std in (3, 6, 12):
        random = np.random.default_rng(std)
        drawn = [random.normal(0, std, (side, side, 3)) for _ in range(3)]
        real, fake = (np.rint(values).astype(np.int16) for values in drawn[:2])
        same, unrounded = patch_kld(real, fake).mean(), patch_kld(real, drawn[2]).mean()
        print(f"{std:4} {same:8.4f} {unrounded:11.4f} {self_floor(real).mean():8.4f}")


def table1() -> None:
    print(f"\n{'':16} {'printed':>8} {'plain':>8} {'by patches':>11}")
    for name, (columns, printed) in PRINTED.items():
        row = averages(dict(zip(PAPER_PATCHES, columns, strict=True)), PAPER_PATCHES)
        print(f"{name:16} {printed:8.4f} {row.plain:8.4f} {row.paper_weighted:11.4f}")


if __name__ == "__main__":
    normal_noise()
    table1()
