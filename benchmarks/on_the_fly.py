"""`AddCameraNoise` on one thread: patches a second of processor time, by size, batch and precision.

Each number is the fastest of the calls within some seconds. To compare versions, run both in turn, more than once.

    python benchmarks/on_the_fly.py [--weights sidd-lite] [--seconds 2]
"""

import argparse
import time

import numpy as np
import torch

from nmflowgan_cli import AddCameraNoise

SHAPES = ((64, 1), (64, 16), (64, 64), (256, 1), (256, 16))
"""Side of the patches, and how many go together."""


def rate(noise: AddCameraNoise, side: int, count: int, seconds: float) -> float:
    """Patches a second."""
    clean = np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype(np.uint8)
    noise(clean, index=range(count))
    least, until = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.process_time()
        noise(clean, index=range(count))
        least = min(least, time.process_time() - began)
    return count / least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="sidd-lite")
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for precision in ("float32", "fast"):
        noise = AddCameraNoise(arguments.weights, precision=precision)
        rates = [f"{count} x {side}: {rate(noise, side, count, arguments.seconds):.0f}/s" for side, count in SHAPES]
        print(f"{arguments.weights}, {precision}: {', '.join(rates)}")


if __name__ == "__main__":
    main()
