"""Early stopping (C10): the time of the smallest test error, for networks and for the kernel's predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...plugin.statistics import jackknife_error
from .table import frame, made, series

if TYPE_CHECKING:
    import pandas as pd

    from ...plugin.types import Float
    from ..series.records import Tables


def early_stopping(tables: Tables) -> pd.DataFrame:
    """Return ``log(t_network / t_kernel)`` of each ensemble, the times of the smallest mean squared test error.

    Both curves are means over members, the kernel's from each member's own initial function. The minimum is that of a
    parabola in log time through the smallest recorded value and its neighbours. A curve that is smallest at its first
    or last record has its least error outside of the recorded times: that ensemble has no ratio.
    """
    rows: list[dict[str, Any]] = []
    for key, steps, network, kernel in _curves(tables):
        if not all(0 < int(squares.mean(axis=0).argmin()) < len(steps) - 1 for squares in (network, kernel)):
            continue
        ours, theirs = (_least_without_each(steps, squares) for squares in (network, kernel))
        value = _least(steps, network.mean(axis=0)) - _least(steps, kernel.mean(axis=0))
        rows += made("early_stopping_ratio", key, "test", (value, float(jackknife_error(ours - theirs))), None)
    return frame(rows)


def late_excess_network(tables: Tables) -> pd.DataFrame:
    """Return log of the networks' last mean squared test error over the least before it (C10).

    Above 0, stopping early helps; below 0, the error still falls at the end.
    """
    return _late_excess(tables, "late_excess_network")


def late_excess_kernel(tables: Tables) -> pd.DataFrame:
    """Return the same of the kernel's predictions."""
    return _late_excess(tables, "late_excess_kernel")


def _late_excess(tables: Tables, metric: str) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for key, _, network, kernel in _curves(tables):
        squares = network if metric == "late_excess_network" else kernel
        least = int(squares[:, :-1].mean(axis=0).argmin())
        without = squares.sum(axis=0) - squares
        value = float(np.log(squares[:, -1].sum() / squares[:, least].sum()))
        error = float(jackknife_error(np.log(without[:, -1] / without[:, least])))
        rows += made(metric, key, "test", (value, error), None)
    return frame(rows)


def _curves(tables: Tables) -> Any:
    """Yield key, steps (T,) after 0, and squared test errors (E, T) of networks and of predictions for them."""
    errors = {(k["cell_id"], k["split_index"]): (s, v) for k, _, s, v in series(tables, "rmse", "test")}
    for key, _, steps, predicted in series(tables, "prediction_rmse", "test"):
        found = errors.get((key["cell_id"], key["split_index"]))
        if found is not None and found[1].shape == predicted.shape:
            yield key, steps[1:], found[1][:, 1:] ** 2, predicted[:, 1:] ** 2


def _least(steps: Float, curve: Float) -> float:
    """Return the log of the step at which a curve is smallest."""
    logs, i = np.log(steps), int(curve.argmin())
    if not 0 < i < len(curve) - 1:
        return float(logs[i])
    a, b, _ = np.polyfit(logs[i - 1 : i + 2] - logs[i], curve[i - 1 : i + 2], 2)
    return float(logs[i] - b / (2 * a)) if a > 0 else float(logs[i])


def _least_without_each(steps: Float, squares: Float) -> Float:
    total = squares.sum(axis=0)
    return np.array([_least(steps, total - own) for own in squares])
