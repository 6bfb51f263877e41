"""Parity fixtures of other authors' noise models: arrays, weights by their formula, agreement."""

import re
import zlib

import numpy as np
import pytest
import torch
from places import SHARED

PAGE = SHARED / "fixtures" / "BASELINES.md"
RULES = {
    "lin": lambda n, a, s: a + s * n,
    "fan": lambda n, a, s: a + s / np.sqrt(np.prod(n.shape[1:])) * n,
    "exp": lambda n, a, s: np.exp(a + s * n),
    "fill": lambda n, a: np.full(n.shape, a),
    "int": lambda n, a: np.full(n.shape, a),
    "eye": lambda n: np.eye(len(n)),
    "sign": lambda n: np.where(n >= 0, 1.0, -1.0),
}
"""Values of a tensor from its normal draws, by the words of the page."""


def arrays(name: str) -> dict[str, np.ndarray]:
    """The arrays of a fixture; skips the test where it is not at hand."""
    path = SHARED / "fixtures" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"the parity fixture is not at {path}")
    return dict(np.load(path))


def table(net: str) -> list[list[str]]:
    """Pattern, word and numbers of a network, a line each, as they stand on the page."""
    block = re.search(rf"```\nnet {net}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block, net
    return [line.split() for line in block[1].strip().splitlines()]


def draws(net: str, key: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(f"{net}/{key}".encode()) + seed))
    return generator.standard_normal(shape, dtype=np.float32).astype(np.float64)


def weight(net: str, key: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """A tensor of a network by the formula."""
    word, *numbers = next(line[1:] for line in table(net) if re.fullmatch(line[0], key))
    if word == "perm":
        order = draws(net, key, shape[:1], seed).argsort(kind="stable")
        return torch.from_numpy(np.eye(len(order), dtype=np.float32)[order])
    values = RULES[word](draws(net, key, shape, seed), *map(float, numbers))
    return torch.from_numpy(np.asarray(values, np.int64 if word == "int" else np.float32))


def weights(net: str, shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    """All tensors of a network."""
    return {key: weight(net, key, shape, seed) for key, shape in shapes.items()}


def relative(value: torch.Tensor, expected: np.ndarray) -> float:
    """max|a - b| / max|b|."""
    difference = value.detach().numpy().astype(np.float64) - expected
    return float(np.abs(difference).max() / np.abs(expected).max())
