"""Print the cases of the KLD whose answer is known beforehand, and the averages of the paper's Table I.

    python scripts/closed_cases.py

Independent normal noise of one std on 96x96 patches: what rounded noise of the same distribution costs, what
un-rounded noise costs beside rounded noise, and what real noise costs against itself. Then each row of Table I of
Han & Yu, https://arxiv.org/abs/2312.10112: its columns averaged plainly and by patches, beside what is printed.
"""

import numpy as np

from nmflowgan_cli.evaluation.table1 import PAPER_PATCHES, averages
from nmflowgan_cli.metrics.noise import PATCH, patch_kld, self_floor

PATCHES_A_SIDE = 16
PRINTED = {
    "AWGN": ((0.0672, 0.1136, 0.0559, 0.1467, 0.0836), 0.0856),
    "heteroscedastic": ((0.0718, 0.1393, 0.0575, 0.1330, 0.0823), 0.0779),
    "C2N": ((0.2296, 0.4460, 0.1172, 0.2399, 0.6822), 0.3878),
    "NeCA-W": ((0.0893, 0.0867, 0.0452, 0.0847, 0.0716), 0.0706),
    "sRGBFlow": ((0.0424, 0.0669, 0.0390, 0.0528, 0.0439), 0.0477),
    "NM-FlowGAN": ((0.0389, 0.0259, 0.0164, 0.0407, 0.0334), 0.0283),
    "NeCA-W, paired": ((0.0611, 0.0260, 0.0284, 0.0435, 0.0337), 0.0344),
    "NAFlow, paired": ((0.0186, 0.0681, 0.0129, 0.0423, 0.0164), 0.0286),
}
"""Columns in the order of PAPER_PATCHES, and average, as they are printed."""


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
