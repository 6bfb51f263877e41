"""`lite` against `paper`, and the engine against the plain model: medians of seconds, ratios of one run.

`paper` has random weights, which does not change its speed.

    python benchmarks/architectures.py
"""

import time
from collections.abc import Callable

import numpy as np
import torch

from nmflowgan_cli.checkpoints.build import load_model
from nmflowgan_cli.checkpoints.hub import resolve
from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.models.base import Fields, encode
from nmflowgan_cli.models.nmflowgan.paper import PaperNMFlowGAN
from nmflowgan_cli.synthesis.engine import synthesize

CONDITION = Condition("IP", 800)
ROUNDS = 3


def seconds(work: Callable[[], object]) -> float:
    """The median of some rounds, after one to warm up."""
    work()
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


def plain(model: PaperNMFlowGAN, rgb: np.ndarray) -> Callable[[], object]:
    """The model by itself: float32, the picture in one piece."""
    clean = torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None].float()
    fields, code = Fields(torch.randn_like(clean), torch.rand_like(clean)), encode(model.vocabulary, [CONDITION])

    @torch.no_grad()
    def sample() -> object:
        return model.sample(clean, code, fields, model.statistics(lambda: [(clean, fields)], code))

    return sample


def main() -> None:
    torch.manual_seed(0)
    lite = load_model(resolve("sidd-lite"))
    paper = PaperNMFlowGAN(lite.vocabulary).eval()
    large = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3)).astype(np.uint8)
    medium, small = large[:512, :512], large[:256, :256]
    of_lite, of_paper = (
        seconds(lambda model=model: synthesize(model, medium, CONDITION, 1)) for model in (lite, paper)
    )
    print(f"512x512: lite {of_lite:.2f} s, paper {of_paper:.2f} s: {of_paper / of_lite:.1f} times")
    for rgb in (small, large):
        eager = seconds(plain(paper, rgb))
        for precision in ("float32", "bfloat16"):
            engine = seconds(lambda rgb=rgb, p=precision: synthesize(paper, rgb, CONDITION, 1, precision=p))
            times = f"plain {eager:.2f} s, engine in {precision} {engine:.2f} s: {eager / engine:.2f} times"
            print(f"{len(rgb)}x{len(rgb)}, paper: {times}", flush=True)


if __name__ == "__main__":
    main()
