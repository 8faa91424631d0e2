"""How long a run takes: expected before it starts, and left while it goes on."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..plugin.cell import Cell

_CELL_FLOPS = 2e9  # the cost of starting, scoring and writing a cell, as flops
_EFFICIENCY = 1 / 3
_EARLIEST_SECONDS = 2.0


def expected_seconds(cells: Iterable[Cell], rate: float) -> float:
    """Return about how long cells take one after another, in seconds, on a machine that multiplies at ``rate``.

    Small networks reach about a third of the rate of large products (``benchmarks/networks``).
    """
    return sum(cell.estimate.flops + _CELL_FLOPS for cell in cells) / (rate * _EFFICIENCY)


class Progress:
    """The planned work of a run in flops, the part that is done, and an estimate of the time left."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        """Count the work of ``cells``."""
        self._weight = {cell.cell_id: cell.estimate.flops + _CELL_FLOPS for cell in cells}
        self._fraction = dict.fromkeys(self._weight, 0.0)
        self._total = sum(self._weight.values())
        self._done = 0.0
        self._started = time.monotonic()

    def progress(self, cell_id: str, fraction: float) -> None:
        """Note that a cell has done ``fraction`` of its work."""
        fraction = min(1.0, max(fraction, self._fraction[cell_id]))
        self._done += (fraction - self._fraction[cell_id]) * self._weight[cell_id]
        self._fraction[cell_id] = fraction

    @property
    def fraction(self) -> float:
        """The fraction of all work that is done, from 0 to 1."""
        return min(1.0, self._done / self._total) if self._total else 1.0

    @property
    def elapsed_seconds(self) -> float:
        """Time since the start, s."""
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Estimated time left at the rate so far, s; None while it is too early to estimate."""
        if self.elapsed_seconds < _EARLIEST_SECONDS or self.fraction < 0.005:
            return None
        return self.elapsed_seconds * (1 - self.fraction) / self.fraction
