"""The time in which component 2 is learned, over that of each network's own linearization and of the limit (C15).

From ``component_learning``'s shares of the initial residual. A network that does not reach a level within the recorded
steps is censored: its time is at least the last step's. Medians over members allow for this; means do not.
"""

from __future__ import annotations

import math
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .decay import DecayLaws
from .medians import Between, median, median_error
from .table import frame, made, series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from ...plugin.types import Float
    from ..series.records import Tables

_LEVELS = {"": math.exp(-1), "_early": 0.8, "_late": 0.1}
"""The shares of the initial residual at which times are read, as ends of names."""


class Learning(NamedTuple):
    """One ensemble along component 2: key, members (E,), their T / T_linearized at 1/e, and their kernels' growth."""

    key: dict[str, Any]
    members: Float
    ratios: Between
    growth: Float


def times(steps: Float, shares: Float, level: float) -> Between:
    """Return each member's first step at which shares (E, T), 1 at first, fall to a level.

    Interpolated between records in the logarithm, which is exact for exponentials; linearly to a share below 0.
    """
    low, high = np.full(len(shares), float(steps[-1])), np.full(len(shares), np.inf)
    for member, line in enumerate(shares):
        if (below := np.flatnonzero(line <= level)).size and (i := int(below[0])) > 0:
            before, after, to = line[i - 1], line[i], level
            if after > 0:
                before, after, to = np.log(before), np.log(after), math.log(level)
            share = (before - to) / (before - after)
            low[member] = high[member] = steps[i - 1] + share * (steps[i] - steps[i - 1])
    return Between(low, high)


def learning(tables: Tables) -> Iterator[Learning]:
    """Yield every ensemble whose learning along component 2 was measured; members that diverged are left out."""
    for key, members, steps, network, linear, kernel in _measured(tables):
        ratios = times(steps, network, math.exp(-1)).over(times(steps, linear, math.exp(-1)))
        yield Learning(key, members, ratios, kernel[:, -1] / kernel[:, 0])


def time_over_linearization(tables: Tables, end: str = "") -> pd.DataFrame:
    """Return each ensemble's median of a member's time to a level over that of its own linearization."""
    rows: list[dict[str, Any]] = []
    for key, _, steps, network, linear, _ in _measured(tables):
        ratios = times(steps, network, _LEVELS[end]).over(times(steps, linear, _LEVELS[end]))
        rows += _median(f"time_over_linearization{end}", key, ratios)
    return frame(rows)


def speed_over_linearization(tables: Tables) -> pd.DataFrame:
    """Return each ensemble's median of T_linearized / T to 1/e, whose expansion in 1 / width is the shorter one."""
    rows: list[dict[str, Any]] = []
    for key, _, ratios, _ in learning(tables):
        rows += _median("speed_over_linearization", key, Between(1 / ratios.high, _inverse(ratios.low)))
    return frame(rows)


def time_to_residual(tables: Tables, end: str = "") -> pd.DataFrame:
    """Return each ensemble's median time to 1/e over the limit kernel's own; ``_linearization``: its linearizations'.

    The latter differs from 1 by the random initial kernel alone.
    """
    rows: list[dict[str, Any]] = []
    laws = DecayLaws(tables)
    for key, _, steps, network, linear, _ in _measured(tables):
        if (law := laws.of(key)) is not None:
            own = times(steps, linear if end else network, math.exp(-1))
            limit = np.full(len(own.low), -1 / law.per_step[int(key["component"])])
            rows += _median(f"time_to_residual{end}", key, own.over(Between(limit, limit)))
    return frame(rows)


def component_growth_ratio(tables: Tables) -> pd.DataFrame:
    """Return each ensemble's median of ``d' Theta_t d`` at the last step over that at initialization."""
    rows: list[dict[str, Any]] = []
    for key, _, _, growth in learning(tables):
        rows += _median("component_growth_ratio", key, Between(growth, growth))
    return frame(rows)


LEARNING_TIMES: dict[str, Callable[[Tables], pd.DataFrame]] = {
    **{f"time_over_linearization{end}": partial(time_over_linearization, end=end) for end in _LEVELS},
    "speed_over_linearization": speed_over_linearization,
    **{f"time_to_residual{end}": partial(time_to_residual, end=end) for end in ("", "_linearization")},
    "component_growth_ratio": component_growth_ratio,
}


def _measured(tables: Tables) -> Iterator[tuple[dict[str, Any], Float, Float, Float, Float, Float]]:
    """Yield key, members (E,), steps (T,), and (E, T) each: shares of networks, of linearizations, kernels along d."""
    others = [
        {_place(key): (members, values) for key, members, _, values in series(tables, metric, "train")}
        for metric in ("component_share_linearization", "component_growth")
    ]
    for key, members, steps, values in series(tables, "component_share_network", "train"):
        parts = [(members, values), *(other[_place(key)] for other in others if _place(key) in other)]
        if len(parts) > len(others):
            common = reduce(np.intersect1d, [own for own, _ in parts])
            network, linear, kernel = (table[np.isin(own, common)] for own, table in parts)
            yield key, common, steps, network, linear, kernel


def _place(key: dict[str, Any]) -> tuple[Any, ...]:
    return key["run_id"], key["cell_id"], key["split_index"], key["reference"]


def _inverse(numbers: Float) -> Float:
    with np.errstate(divide="ignore"):
        inverse: Float = 1 / numbers
    return inverse


def _median(metric: str, key: dict[str, Any], numbers: Between) -> list[dict[str, Any]]:
    return made(metric, key, "train", (median(numbers), median_error(numbers)), None)
