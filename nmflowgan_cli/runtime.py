"""Device, precision and determinism: the global settings of torch, set and restored."""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache

import torch

from nmflowgan_cli import interruption
from nmflowgan_cli.errors import UsageError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of glibc's `mallopt`, as in its malloc.h."""
PRECISIONS = ("auto", "float32", "bfloat16", "float16", "fast")
PAYS = 0.75
"""Share of the time in float32 that bfloat16 may take for `fast` to choose it. Processors without it take twice as
long, those with it about half: nothing lies near."""


def resolve_device(name: str = "auto") -> torch.device:
    """The device that "auto", "cpu", "cuda" or "cuda:N" means; "auto" is CUDA where there is one.

    Under torchrun, "auto" is the CUDA device of the process's LOCAL_RANK.
    Raises UsageError for another name, and where the CUDA device asked for does not exist.
    """
    if name == "auto":
        rank = os.environ.get("LOCAL_RANK", "0")
        name = f"cuda:{int(rank) % torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not (kind == "cuda" and index.isdecimal())):
        raise UsageError(f"unknown device {name!r}", "one of auto, cpu, cuda, cuda:N")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if int(index or 0) >= count:
        raise UsageError(f"device {name!r} is not there: {count} CUDA devices are visible", "use --device cpu")
    return torch.device(name)


def precision_context(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Autocast of the convolutions to a `precision` as from `resolve_precision`; float32 leaves everything as it is."""
    name = resolve_precision(precision, device)
    return nullcontext() if name == "float32" else torch.autocast(device.type, getattr(torch, name))


def resolve_precision(precision: str, device: torch.device, *, bears_bfloat16: bool = False) -> str:
    """The floating point type that `precision` means on `device`: "auto" is float32, "fast" what is faster there.

    `bears_bfloat16`: of the model, without which "fast" is float32.

    Raises UsageError for a name that is not in PRECISIONS.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", f"one of {', '.join(PRECISIONS)}")
    if precision == "fast":
        return "bfloat16" if bears_bfloat16 and (device.type == "cuda" or bfloat16_pays()) else "float32"
    return "float32" if precision == "auto" else precision


@cache
def bfloat16_pays() -> bool:
    """Whether convolutions in bfloat16 are faster on this processor: the shortest of some runs of one thread, by the
    processor's time, so that other work on the machine decides nothing."""
    with lanes("cpu", 1) as lane:
        seconds = {
            dtype: lane.submit(_convolution_seconds, dtype).result() for dtype in (torch.float32, torch.bfloat16)
        }
    return seconds[torch.bfloat16] < PAYS * seconds[torch.float32]


def _convolution_seconds(dtype: torch.dtype) -> float:
    picture = torch.ones(1, 64, 48, 48, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight, taken = torch.ones(64, 64, 3, 3, dtype=dtype), []
    for _ in range(12):
        start = time.thread_time()
        with torch.inference_mode():
            torch.nn.functional.conv2d(picture, weight, padding=1)
        taken.append(time.thread_time() - start)
    return min(taken)


def keep_freed_memory() -> None:
    """Make glibc keep up to 256 MiB of what tensors free; elsewhere nothing.

    By default it gives the memory of every large tensor back, and a third of a tile's time goes into fetching it anew.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_TRIM_THRESHOLD, 256 * 2**20)
        mallopt(M_MMAP_THRESHOLD, 32 * 2**20)


def reproducible() -> AbstractContextManager[None]:
    """CUDA convolutions take the same algorithm whenever they meet the same shape, and keep all bits of float32."""
    cudnn = torch.backends.cudnn
    return cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


@contextmanager
def lanes(device: torch.device | str, count: int | None = None) -> Iterator[Executor]:
    """Threads for the work on `device`: `count`, or as many as torch would use on the CPU, and one on CUDA.

    Each lane computes with one thread of its own, since the last bit of a convolution depends on how many take part:
    so results are the same whatever the number of cores. Waiting work is dropped when the context is left, and work
    that has begun is not waited for after a signal.
    """
    keep_freed_memory()
    before = torch.get_num_threads()
    count = count or (before if torch.device(device).type == "cpu" else 1)
    pool = ThreadPoolExecutor(count, "lane", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=not interruption.asked(), cancel_futures=True)
        torch.set_num_threads(before)  # a lane's setting is also the one that later threads begin with
