"""The fall of the cost (C12): its decrease in a step, against the squared norm of the training direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .table import frame, made, series

if TYPE_CHECKING:
    import pandas as pd

    from ..series.records import Tables


def descent_residual(tables: Tables) -> pd.DataFrame:
    """Return each member's ``(dC / eta + |d|^2) / |d|^2`` of its first step.

    dC is the change of the cost in one step and ``|d|^2`` the squared norm of the direction under the member's own
    kernel: 0 under flow, O(eta) per step of descent. The first step starts from the same members at every rate.
    """
    costs = {(k["cell_id"], k["split_index"]): (m, s, v) for k, m, s, v in series(tables, "loss", "train")}
    rates = dict(zip(tables.cells["cell_id"], tables.cells["learning_rate"].astype(float), strict=True))
    rows: list[dict[str, Any]] = []
    for key, members, steps, norms in series(tables, "cost_rate", "train"):
        if isinstance(key["reference"], str) or (key["cell_id"], key["split_index"]) not in costs:
            continue
        alive, at, values = costs[key["cell_id"], key["split_index"]]
        if not (np.array_equal(at, steps) and np.array_equal(alive, members)):
            continue
        if tuple(steps[:2]) == (0, 1):
            lowered = (values[:, 0] - values[:, 1]) / rates[key["cell_id"]]
            rows += made("descent_residual", key, "train", np.abs(1 - lowered / norms[:, 0]), members)
    return frame(rows)


def limit_rate_distance(tables: Tables) -> pd.DataFrame:
    """Return, by member and reference, the distance between ``|d|^2`` under the member's own kernel and the limit.

    Relative to the latter; RMS over recorded steps.
    """
    own = {(k["cell_id"], k["split_index"]): v for k, _, _, v in _rates(tables) if not isinstance(k["reference"], str)}
    rows: list[dict[str, Any]] = []
    for key, members, _, values in _rates(tables):
        mine = own.get((key["cell_id"], key["split_index"]))
        if isinstance(key["reference"], str) and mine is not None and mine.shape == values.shape:
            rows += made(
                "limit_rate_distance", key, "train", np.sqrt(np.mean((mine / values - 1) ** 2, axis=1)), members
            )
    return frame(rows)


def _rates(tables: Tables) -> list[Any]:
    return list(series(tables, "cost_rate", "train"))


def cost_left(tables: Tables) -> pd.DataFrame:
    """Return log10 of each member's last training cost over its first."""
    rows: list[dict[str, Any]] = []
    for key, members, _, values in series(tables, "loss", "train"):
        rows += made("log10_cost_left", key, "train", np.log10(values[:, -1] / values[:, 0]), members)
    return frame(rows)
