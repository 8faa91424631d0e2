"""Random initialization: member k is the same network on every device and in every ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 2**20  # numbers drawn per block: 8 MiB


def draw_layer(target: Tensor, *, seed: int, widths: tuple[int, ...], layer: int, member: int) -> None:
    """Fill one member's layer, in place, with standard normal numbers.

    Each layer of each member has its own random stream, seeded by (seed, hidden widths, layer, member). The rows of W^T
    are drawn first, then the bias, in float64 on the CPU; a float32 network is the float64 network rounded.

    :param target: (n_l + 1, n_{l+1}), of any device and dtype: W^T with the bias as last row.
    :param widths: of the hidden layers.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(len(widths), *widths, layer, member))
    generator = np.random.Generator(np.random.PCG64(sequence))
    rows, columns = target.shape
    height = min(rows, max(1, _BLOCK // columns))
    block = np.empty((height, columns))
    for start in range(0, rows, height):
        part = generator.standard_normal(out=block[: min(height, rows - start)])
        target[start : start + height].copy_(torch.from_numpy(part))
