"""The 8x8 blocks of JPEG, at whose edges the noise of a camera's own pictures is slightly stronger, less correlated.

Every block is quantised apart from its neighbours. Wallace, "The JPEG Still Picture Compression Standard" (1992),
https://doi.org/10.1109/30.125072.
"""

import torch
from torch import Tensor

BLOCK = 8
"""Side of a block, pixels."""
EDGES = 4
"""Features of a pixel: on the first and last column, on the first and last row of its block."""


def edge_map(samples: int, height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Edges of its block that a pixel lies on: float32 (samples, 4, height, width), 0 or 1; blocks start at 0, 0."""
    rows = torch.arange(height, device=device)[:, None].expand(height, width) % BLOCK
    columns = torch.arange(width, device=device).expand(height, width) % BLOCK
    edges = torch.stack([columns == 0, columns == BLOCK - 1, rows == 0, rows == BLOCK - 1])
    return edges.float().expand(samples, EDGES, height, width)
