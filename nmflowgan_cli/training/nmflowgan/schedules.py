"""How learning rates fall over a training."""

import math

from nmflowgan_cli.training.nmflowgan.recipe import Schedule

FLOOR = 0.003
"""Where the flow's smooth schedule ends."""


def flow_factor(schedule: Schedule, share: float) -> float:
    """The factor on the flow's rate when `share` (0 to 1) of its steps are done: along a cosine, or by halves."""
    if schedule == "halving":
        return _halved(share)
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * share))


def game_factor(schedule: Schedule, share: float) -> float:
    """The factor on the rates of spatial network and critic: linearly to zero, or by halves."""
    return _halved(share) if schedule == "halving" else 1 - share


def _halved(share: float) -> float:
    """Half as much after each quarter: every 10 of the paper's 40 epochs (https://arxiv.org/abs/2312.10112)."""
    return 0.5 ** min(3, int(4 * share))
