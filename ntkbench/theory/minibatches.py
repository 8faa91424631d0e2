"""Mini-batches: the points of a step depend only on a seed, and are the same for networks and kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_STREAM = 2**31  # distinct from the streams that draw networks


def mini_batches(points: int, size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows (size,) of one batch after the other, without end.

    Each epoch is a new permutation; an incomplete last batch is dropped.
    """
    epoch = 0
    while True:
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAM, epoch))))
        order = generator.permutation(points)
        for start in range(0, points - size + 1, size):
            yield order[start : start + size]
        epoch += 1
