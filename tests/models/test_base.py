"""Rounding to counts."""

import torch

from nmflowgan_cli.models.base import to_bytes, to_counts


def test_counts_are_rounded_half_up_and_clipped() -> None:
    values = torch.tensor([-7.0, -0.5, 0.49, 0.5, 1.5, 2.5, 254.49, 254.5, 300.0], dtype=torch.float64)
    before = values.clone()
    assert to_counts(values).tolist() == [0, 0, 0, 1, 2, 3, 254, 255, 255]
    assert to_counts(values).dtype == torch.float32
    assert to_bytes(values).dtype == torch.uint8
    assert torch.equal(to_bytes(values).float(), to_counts(values))
    assert torch.equal(values, before)
