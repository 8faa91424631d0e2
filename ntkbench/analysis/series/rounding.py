"""The floor that rounding leaves: the same members in float32 and in float64, and how far their numbers are apart.

A subject labelled ``network-float64`` is the twin of ``network``: its members are those of the other before rounding.
Where a quantity is not well above the distance between the two it is rounding that is measured, and no rate is fitted
through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

TWIN = "-float64"
_ABOVE = 10.0
_SAME = ["run_id", "task", "architecture", "reference", "split_index", "member", "x"]


def without_twins(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows of members (label, x, member, value) of the networks themselves, and those of their twins."""
    twin = rows["label"].str.endswith(TWIN)
    return rows[~twin], rows[twin]


def rounding_floor(rows: pd.DataFrame, twins: pd.DataFrame) -> float | None:
    """Return the RMS distance between networks and their twins over the members that both have, None without any."""
    if rows.empty or twins.empty:
        return None
    mine = twins[twins["label"] == str(rows["label"].iloc[0]) + TWIN]
    both = rows.merge(mine[[*_SAME, "value"]], on=_SAME, suffixes=("", "_twin"))
    if both.empty:
        return None
    return float(np.sqrt(np.mean((both["value"] - both["value_twin"]) ** 2)))


def above(points: pd.DataFrame, floor: float | None) -> pd.DataFrame:
    """Return the points that are at least ten times the floor."""
    return points if floor is None else points[points["value"].abs() >= _ABOVE * floor]
