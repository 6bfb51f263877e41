"""Latency of models: Table VIII of Han & Yu, https://arxiv.org/abs/2312.10112, 16 pictures of 256x256.

The pictures go through a candidate one after the other, as any picture does, from bytes to bytes.
"""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.evaluation.pair_scores import Candidate

PICTURES, SIDE = 16, 256
WARM_UP = 2
ROUNDS = 5


@dataclass(frozen=True)
class Latency:
    """The time of one model for all pictures."""

    name: str
    seconds: float
    """Median of the rounds."""
    slowest: float
    fastest: float
    pixels_per_second: float
    device: str
    """Name of the device."""
    precision: str
    pictures: int = PICTURES
    side: int = SIDE
    rounds: int = ROUNDS


def latency(
    candidate: Candidate,
    condition: Condition,
    *,
    device: torch.device,
    precision: str,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """The time of a round over all pictures, after a warm-up. `device`, `precision`: those of the candidate."""
    clean = np.random.default_rng(0).integers(0, 256, (PICTURES, SIDE, SIDE, 3), np.uint8)
    for picture in clean[:WARM_UP]:
        candidate.synthesize(picture, condition, 0)
    seconds = []
    for _ in range(rounds):
        start = clock()
        for key, picture in enumerate(clean):
            candidate.synthesize(picture, condition, key)
        seconds.append(clock() - start)
    return Latency(
        name=candidate.name,
        seconds=median(seconds),
        slowest=max(seconds),
        fastest=min(seconds),
        pixels_per_second=PICTURES * SIDE**2 / median(seconds),
        device=hardware(device),
        precision="float32" if precision == "auto" else precision,
        rounds=rounds,
    )


def hardware(device: torch.device) -> str:
    """Name of the device: of the GPU, or of the CPU's architecture with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}), {threads} {'thread' if threads == 1 else 'threads'}"
