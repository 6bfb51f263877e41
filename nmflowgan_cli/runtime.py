"""Device, precision and determinism: the global settings of torch, set and restored."""

import ctypes
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from nmflowgan_cli import interruption
from nmflowgan_cli.errors import UsageError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of glibc's `mallopt`, as in its malloc.h."""
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


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
    """Autocast of the convolutions to `precision`; "auto" and "float32" leave everything in float32.

    Raises UsageError for a name that is not in PRECISIONS.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}", f"one of {', '.join(PRECISIONS)}")
    if precision in ("auto", "float32"):
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision))


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
