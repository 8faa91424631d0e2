"""Brackets around thresholds in the learning rate: first a grid of rates, then bisection in log rate."""

from __future__ import annotations

from math import ceil, isfinite, log, log1p, log2
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import DataError

if TYPE_CHECKING:
    from ntkbench.plugin import Float

    from .trials import Criterion, Flags, TrialRuns

_COARSEST = 1.0  # resolution


class RateGrid:
    """The grid of rates in units of the limit, from 1 up and down, and the number of halvings of its steps."""

    def __init__(self, resolution: float, lowest: float, highest: float, factor: float) -> None:
        if not 0 < resolution < _COARSEST:
            raise DataError(f"resolution is {resolution}: expected a number between 0 and {_COARSEST:g}, exclusive")
        if not (isfinite(factor) and factor > 1):
            raise DataError(f"factor is {factor}: expected a finite number above 1")
        if not (0 < lowest <= 1 <= highest and isfinite(highest)):
            raise DataError(f"rates from {lowest} to {highest} limits: expected 0 < lowest <= 1 <= highest < inf")
        self.up = factor ** np.arange(_powers(highest, factor) + 1)
        self.down = factor ** -np.arange(1, _powers(1 / lowest, factor) + 1, dtype=np.float64)
        self.halvings = max(0, ceil(log2(log(factor) / log1p(resolution)) - 1e-9))


def _powers(ratio: float, factor: float) -> int:
    """Return the largest j with ``factor^j <= ratio``, up to rounding."""
    return int(log(ratio) / log(factor) + 1e-9)


def sweep(runs: TrialRuns, grid: RateGrid) -> None:
    """Train all members at the grid's rates from the limit up, and at those below it where needed."""
    for rate in grid.up:
        runs.train(np.full(runs.members, rate))
    needs_less, needs_goal = runs.exceeded[0].copy(), ~runs.reached[0] & runs.has_goal
    for rate in grid.down:
        active = needs_less | needs_goal
        if not active.any():
            return
        runs.train(np.where(active, rate, np.nan))
        needs_less &= runs.exceeded[-1]
        needs_goal &= ~runs.reached[-1]


def bisect(runs: TrialRuns, grid: RateGrid, criterion: Criterion) -> tuple[Float, Float]:
    """Return the ends (E,) of every member's bracket: the lower is not above the threshold, the upper is."""
    rates, above, below = runs.sides(criterion)
    ends = [_bracket(rates[:, k], above[:, k], below[:, k], criterion == "reached") for k in range(runs.members)]
    lower, upper = np.array(ends).T
    closed = np.isfinite(upper) & (lower > 0)
    for _ in range(grid.halvings if closed.any() else 0):
        middle = np.sqrt(lower * upper, out=np.full(runs.members, np.nan), where=closed)
        runs.train(middle)
        last = runs.sides(criterion)[1][-1]
        upper = np.where(closed & last, middle, upper)
        lower = np.where(closed & ~last, middle, lower)
    return lower, upper


def _bracket(rates: Float, above: Flags, below: Flags, either_side: bool) -> tuple[float, float]:
    """Return neighbouring rates (R,) of one member: the first change from ``below`` to ``above``, going up from 1.

    ``(highest, inf)`` if it is never above again. If it is above everywhere: ``(0, lowest)``, or nan twice with
    ``either_side``.
    """
    low, high = rates[below & (rates <= 1)], rates[below & (rates > 1)]
    if len(low):
        start = low.max()
    elif either_side and len(high):
        start = high.min()
    else:
        return (np.nan, np.nan) if either_side else (0.0, float(np.nanmin(rates)))
    upper = rates[above & (rates > start)].min(initial=np.inf)
    return float(rates[below & (rates < upper)].max()), float(upper)
