"""Reflection at the borders of a picture, for arrays and tensors alike."""

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Index = TypeVar("Index", "NDArray[np.intp]", "Tensor")


def reflected(index: Index, size: int) -> Index:
    """Whole numbers as indices of `size` rows, reflected at both ends without repeating these: .. 1 0 1 2 1 0 1 ..

    Any distance works, and a single row repeats itself, where the padding of numpy and torch has limits. An index keeps
    its parity, and so a pixel its site of the Bayer pattern.
    """
    last = size - 1
    return last - abs(last - index % max(2 * last, 1))  # pyright: ignore[reportReturnType]
