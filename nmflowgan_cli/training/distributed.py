"""Several processes that train one model, each on its part of every batch; `torchrun` starts them.

All processes draw the same batch and the same random numbers, and each keeps every n-th patch of n. Gradients are
averaged, and statistics over the batch are taken over all its parts: so n processes follow one that trains alone, but
for rounding. For a process alone every function here returns what it was given.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.errors import TrainingError, UsageError

TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Variables of the environment that `torchrun` sets for each process."""


def launched() -> int:
    """How many processes `torchrun` started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in TORCHRUN) else 1


def leads() -> bool:
    """Whether this process writes the files and shows the progress: rank 0, and one that is alone."""
    return launched() == 1 or os.environ["RANK"] == "0"


@contextmanager
def processes(device: torch.device, *, batch: int) -> Iterator[None]:
    """Joins the processes that `torchrun` started, with NCCL on CUDA and Gloo on the CPU; nothing for one alone.

    Raises UsageError where `batch` patches cannot be shared out, TrainingError where another process stopped.
    """
    if launched() == 1:
        yield
        return
    if batch % launched():
        raise UsageError(f"a batch of {batch} patches has no equal parts for {launched()} processes", "another --batch")
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) if device.index is None else device.index)
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    except torch.distributed.DistError as error:
        raise _left_alone(error) from None
    except RuntimeError as error:
        if "gloo" not in str(error):
            raise
        raise _left_alone(error) from None
    finally:
        torch.distributed.destroy_process_group()


def _left_alone(error: RuntimeError) -> TrainingError:
    return TrainingError(f"another process of this training stopped: {str(error)[:120]}", "its own error says why")


def _together() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _own() -> slice:
    """The samples of a batch that are this process's part."""
    return slice(torch.distributed.get_rank(), None, torch.distributed.get_world_size())


def _on_device(values: Iterable[float]) -> Tensor:
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    return torch.tensor(list(values), dtype=torch.float64, device=device)


def part(batch: Batch) -> Batch:
    """This process's part of a batch: every n-th patch, so that each has its share of simulated and of real ones."""
    if not _together():
        return batch
    own = _own()
    rounded = None if batch.rounded is None else batch.rounded[own]
    return Batch(batch.clean[own], batch.noisy[own], batch.conditions[own], batch.phase[own], rounded, batch.names)


def rand_like(x: Tensor) -> Tensor:
    """`torch.rand_like` of a part of the batch (first dimension): this process's part of numbers drawn for all."""
    return _part_like(torch.rand_like(_for_all(x)), x)


def randn_like(x: Tensor) -> Tensor:
    """`torch.randn_like`, in the same way."""
    return _part_like(torch.randn_like(_for_all(x)), x)


def _for_all(x: Tensor) -> Tensor:
    """A tensor of the size and memory format that `x` would have if it held the whole batch."""
    return torch.cat([x] * torch.distributed.get_world_size()) if _together() else x


def _part_like(drawn: Tensor, x: Tensor) -> Tensor:
    return torch.empty_like(x).copy_(drawn[_own()]) if _together() else drawn


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """The gradients of all processes, averaged, for each of them; after `backward`."""
    if not _together():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    for gradient, average in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(average.view_as(gradient))


def mean_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The mean of each metric over the processes; NaN for all where it is for one."""
    if not _together():
        return dict(metrics)
    values = _on_device(metrics.values())
    torch.distributed.all_reduce(values)
    return dict(zip(metrics, (values / torch.distributed.get_world_size()).tolist(), strict=True))


def any_of_them(flag: bool) -> bool:  # noqa: FBT001 - like `any`
    """Whether `flag` holds for any of the processes; all get the same answer."""
    if not _together():
        return flag
    values = _on_device([flag])
    torch.distributed.all_reduce(values)
    return bool(values.item())


class _Gather(torch.autograd.Function):
    """The whole batch from its parts; each part's gradient is the sum of what all processes made of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x = x.contiguous()
        parts = [torch.empty_like(x) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, x)
        return torch.stack(parts, 1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        gradient = gradient.contiguous().clone()
        torch.distributed.all_reduce(gradient)
        return gradient[_own()]


def gathered(x: Tensor) -> Tensor:
    """The whole batch of which `x` is this process's part (first dimension); gradients flow back to all parts.

    With `average_gradients` they come out as for one process: there each loss counts by its share of the batch.
    """
    return _Gather.apply(x) if _together() else x  # pyright: ignore[reportReturnType]


def mean_over_parts(x: Tensor) -> Tensor:
    """The mean of `x` over all processes, whose gradients flow back."""
    return gathered(x[None]).mean(0) if _together() else x


@torch.no_grad()
def deviation(x: Tensor) -> Tensor:
    """The standard deviation of all values of the whole batch."""
    if not _together():
        return x.std()
    mean, square = mean_over_parts(torch.stack([x.mean(), x.square().mean()]))
    values = x.numel() * torch.distributed.get_world_size()
    return ((square - mean.square()) * values / (values - 1)).sqrt()


def share_batch_norms(model: nn.Module) -> None:
    """In training the batch norms of `model` take mean and variance of the whole batch; their inputs are small."""
    if not _together():
        return
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.register_forward_pre_hook(_whole_input)
            norm.register_forward_hook(_own_output)


def _whole_input(norm: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (gathered(inputs[0]),) if norm.training else inputs


def _own_output(norm: nn.Module, _: tuple[Tensor], output: Tensor) -> Tensor:
    return output[_own()] if norm.training else output
