"""The rounding floor: the distance between numbers of the same members in float32 and in float64.

The twin of a float32 subject shares all of its facts but the floating-point type, and its members are the same
networks before rounding (:func:`.cells.series_cells` finds it). If a quantity is not well above the distance between
the two, it measures rounding, and the fit leaves it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_ABOVE = 10.0
_SAME = ["run_id", "reference", "split_index", "member", "x"]


def rounding_floor(rows: pd.DataFrame, twins: pd.DataFrame) -> float | None:
    """Return the RMS distance between networks and their twins over the members that both have, or None."""
    if rows.empty or twins.empty:
        return None
    both = rows.merge(twins[[*_SAME, "value"]], on=_SAME, suffixes=("", "_twin"))
    if both.empty:
        return None
    return float(np.sqrt(np.mean((both["value"] - both["value_twin"]) ** 2)))


def above(points: pd.DataFrame, floor: float | None) -> pd.DataFrame:
    """Return the points that are at least ten times the floor."""
    return points if floor is None else points[points["value"].abs() >= _ABOVE * floor]
