"""The points of a curve: the number at each position on the axis, with its standard error over members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Hashable

_COLUMNS = ["x", "value", "standard_error", "floor", "members", "samples"]


def in_common_splits(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the splits that every position has, so that all are compared on the same data."""
    axis = "x" if "x" in rows else "width"
    places = rows.groupby("split_index")[axis].nunique()
    return rows[rows["split_index"].isin(places.index[places == rows[axis].nunique()])]


def points_of(group: pd.DataFrame, summary: Literal["members", "mean", "ensemble", "bias"]) -> pd.DataFrame:
    """Return one row per position: x, value, standard_error, floor, members, and the members' own ``samples``.

    Splits share their networks: members are averaged over them first, and the errors of an ensemble's numbers are
    taken as fully correlated.
    """
    if summary in ("members", "mean"):
        return _of_members(group, summary)
    return _of_ensembles(group, squares=summary == "bias")


def _of_members(group: pd.DataFrame, summary: str) -> pd.DataFrame:
    splits = group.groupby("x")["split_index"].nunique()
    power = 2 if summary == "members" else 1
    means = group.assign(power=group["value"] ** power).groupby(["x", "member"])["power"].agg(["mean", "size"])
    in_every_split = means["size"] == splits.reindex(means.index.get_level_values("x")).to_numpy()
    values = means.loc[in_every_split, "mean"] ** (1 / power)
    samples: dict[Hashable, Any] = {x: v.to_numpy() for x, v in values.groupby(level="x")}
    rows = [(x, *_summarised(v, summary), np.nan, len(v), v) for x, v in samples.items()]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _summarised(samples: Any, summary: str) -> tuple[float, float]:
    """Return the mean, or the root mean square, and its standard error."""
    count = len(samples)
    spread = float(samples.std(ddof=1)) / count**0.5 if count > 1 else np.nan
    if summary == "mean":
        return float(samples.mean()), spread
    scale = float(np.abs(samples).max()) or 1.0  # so that squares cannot overflow
    squares = (samples / scale) ** 2
    value = float(np.sqrt(squares.mean()))
    error = float(squares.std(ddof=1)) / count**0.5 / (2 * value) if count > 1 and value > 0 else np.nan
    return scale * value, scale * error


def _of_ensembles(group: pd.DataFrame, *, squares: bool) -> pd.DataFrame:
    if not squares:
        found = group.groupby("x")[["value", "standard_error", "floor", "members"]].mean().reset_index()
        return found.assign(samples=None)
    group = group.assign(
        square=group["value"] ** 2,
        product=group["value"] * group["standard_error"],
        floor_square=group["floor"] ** 2,
    )
    by_x = group.groupby("x")[["square", "product", "floor_square"]].mean()
    values = np.sqrt(by_x["square"].to_numpy())
    errors = np.divide(by_x["product"].to_numpy(), values, out=np.zeros_like(values), where=values > 0)
    return pd.DataFrame(
        {
            "x": by_x.index.to_numpy(dtype=np.float64),
            "value": values,
            "standard_error": errors,
            "floor": np.sqrt(by_x["floor_square"].to_numpy()),
            "members": group.groupby("x")["members"].min().to_numpy(),
            "samples": None,
        }
    )
