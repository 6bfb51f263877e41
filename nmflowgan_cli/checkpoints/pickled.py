"""PyTorch's pickled files (.pth, .pt) of unknown origin: only tensors, numbers and containers, sizes checked first.

Nothing in the file is executed (`weights_only`).
"""

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_map_only

from nmflowgan_cli.errors import NmflowganError, WeightsError
from nmflowgan_cli.schemas import reason

NOT_PLAIN = "it is damaged, has a wrong suffix or holds more than tensors, and is not executed"


def load_pickled(path: Path, error: type[NmflowganError]) -> Any:
    """The content of a file of `torch.save`, on the CPU; raises `error` in one line, whatever is wrong with it."""
    try:
        is_zip = zipfile.is_zipfile(path)
        if is_zip:
            _refuse_entries(path)
        if is_zip and path.suffix != ".safetensors":  # torch goes by that suffix
            # Mapped: torch copies a storage from its entry without comparing the sizes of the two.
            mapped = torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
            return tree_map_only(torch.Tensor, _owned, mapped)
        if is_zip:
            raise pickle.UnpicklingError
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise error(f"no such file: {path}") from None
    except pickle.UnpicklingError:
        raise error(f"{path} is not a plain PyTorch checkpoint", NOT_PLAIN) from None
    except Exception as problem:  # noqa: BLE001 - torch raises many kinds for a damaged file
        raise error(f"cannot read {path}: {reason(problem)}", "the file is damaged?") from None


def load_tensors(path: Path, *keys: str) -> dict[str, torch.Tensor]:
    """The tensors of a network by name: those under the first of `keys` that the file has, or the file itself.

    Raises WeightsError for anything else.
    """
    content = load_pickled(path, WeightsError)
    table = next((content[key] for key in keys if isinstance(content, Mapping) and key in content), content)
    if not isinstance(table, Mapping) or not table or not all(map(is_plain, table.values())):
        raise WeightsError(f"{path} is not a table of tensors", f"expected it bare, or under {' or '.join(keys)}")
    return {str(name): tensor for name, tensor in table.items()}


def names_in(content: object) -> Iterator[str]:
    """The names of a checkpoint, those of the tables in it included."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield str(name)
            yield from names_in(value)


def is_plain(value: object) -> bool:
    """Whether a value is a dense tensor of numbers with memory of its own."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not (value.is_complex() or value.is_quantized)
    )


def _owned(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in aligned memory: the bits of an optimiser's step depend on that. ValueError where it would swell."""
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError("a tensor is larger than its storage")
    return tensor.clone()


def _refuse_entries(path: Path) -> None:
    """Raise ValueError for entries that are compressed, larger than the file, or damaged: torch stores them as is."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(
            entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size for entry in entries
        ):
            raise ValueError("it has compressed entries, which torch does not write")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("its entries are larger than the file")
        damaged = archive.testzip()
    if damaged:
        raise ValueError(f"its entry {damaged[:80]!r} is damaged")
