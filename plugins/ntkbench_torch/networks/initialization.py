"""The draw of networks at initialization: member k is the same network on every device and in every company."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 2**20  # numbers drawn at a time: 8 MiB


def draw_layer(target: Tensor, *, seed: int, widths: tuple[int, ...], layer: int, member: int) -> None:
    """Fill one member's layer, in place, with standard normal numbers.

    ``target`` (n_l + 1, n_{l+1}), of any device and dtype: the weights W^T and, as the last row, the bias. Every layer
    of every member has a stream of its own, seeded by (seed, hidden widths, layer, member): W is drawn first, in
    float64 on the CPU, row by row of W^T, then the bias; float32 networks are float64 networks, rounded.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(len(widths), *widths, layer, member))
    generator = np.random.Generator(np.random.PCG64(sequence))
    rows, columns = target.shape
    height = min(rows, max(1, _BLOCK // columns))
    block = np.empty((height, columns))
    for start in range(0, rows, height):
        part = generator.standard_normal(out=block[: min(height, rows - start)])
        target[start : start + height].copy_(torch.from_numpy(part))
