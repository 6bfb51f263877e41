"""Random fields against `torch.randn` and `torch.rand` on one thread: nanoseconds of processor time a value.

Fields are drawn in windows of 296 pixels, as the tiles of `lite` are, and their blocks only once.

    python benchmarks/random_fields.py
"""

import time
from collections.abc import Callable

import torch

from nmflowgan_cli.randomness import PictureFields, picture_key

SIDE, WINDOW, BORDER = 1024, 296, 20
ROUNDS = 5


def nanoseconds(work: Callable[[], object], values: int) -> float:
    """Of a value, in the fastest of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        work()
        taken.append(time.process_time_ns() - began)
    return min(taken) / values


def windows(name: str) -> None:
    """All windows of a picture of SIDE pixels."""
    draw = getattr(PictureFields(picture_key(0, "picture.png", 0)), name)
    for top in range(0, SIDE, WINDOW - 2 * BORDER):
        for left in range(0, SIDE, WINDOW - 2 * BORDER):
            draw(top - BORDER, left - BORDER, WINDOW, WINDOW)


def main() -> None:
    torch.set_num_threads(1)
    shape = (3, SIDE, SIDE)
    for name, draw in (("latent", torch.randn), ("uniform", torch.rand)):
        field = nanoseconds(lambda name=name: windows(name), 3 * SIDE * SIDE)
        plain = nanoseconds(lambda draw=draw: draw(shape), 3 * SIDE * SIDE)
        print(f"{name}: {field:.1f} ns, torch.{draw.__name__} {plain:.1f} ns: {field / plain:.1f} times")


if __name__ == "__main__":
    main()
