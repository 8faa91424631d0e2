"""The points of a curve: the number at each position on the axis, with its standard error over members."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

_COLUMNS = ["x", "value", "standard_error", "floor", "members", "samples"]


def in_common_splits(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the splits that every position has, so that all are compared on the same data."""
    axis = "x" if "x" in rows else "width"
    if has_one_split(rows):
        return rows
    places = rows.groupby("split_index")[axis].nunique()
    return rows[rows["split_index"].isin(places.index[places == rows[axis].nunique()])]


def has_one_split(rows: pd.DataFrame) -> bool:
    """Return whether all rows are of the same split."""
    splits = rows["split_index"].to_numpy()
    return bool((splits == splits[:1]).all())


def points_of(group: pd.DataFrame, summary: Literal["members", "mean", "ensemble", "bias"]) -> pd.DataFrame:
    """Return one row per position: x, value, standard_error, floor, members, and the members' own ``samples``.

    Splits share their networks: members are averaged over them first, and the errors of an ensemble's numbers are
    taken as fully correlated.
    """
    if summary in ("members", "mean"):
        return _of_members(group, summary)
    return _of_ensembles(group, squares=summary == "bias")


def _of_members(group: pd.DataFrame, summary: str) -> pd.DataFrame:
    power = 2 if summary == "members" else 1
    samples = {x: powers ** (1 / power) for x, powers in _over_splits(group, group["value"] ** power).items()}
    rows = [(x, *_summarised(v, summary), np.nan, len(v), v) for x, v in samples.items()]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _over_splits(group: pd.DataFrame, powers: pd.Series[float]) -> dict[float, Any]:
    """Return, by position, the mean over splits of the powers of each member that has every split, in their order."""
    x, member, means = group["x"].to_numpy(), group["member"].to_numpy(), powers.to_numpy()
    order = np.lexsort((member, x))
    repeated = (np.diff(x[order]) == 0) & (np.diff(member[order]) == 0)
    if not has_one_split(group) or repeated.any():
        splits = group.groupby("x")["split_index"].nunique()
        found = group.assign(power=powers).groupby(["x", "member"])["power"].agg(["mean", "size"]).reset_index()
        found = found[found["size"] == found["x"].map(splits)]
        x, means, order = found["x"].to_numpy(), found["mean"].to_numpy(), np.arange(len(found))
    places, first = np.unique(x[order], return_index=True)
    return dict(zip(places.tolist(), np.split(means[order], first[1:]), strict=True))


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
        return _at_each_place(group, ["value", "standard_error", "floor", "members"]).assign(samples=None)
    group = group.assign(
        square=group["value"] ** 2,
        product=group["value"] * group["standard_error"],
        floor_square=group["floor"] ** 2,
    )
    means = _at_each_place(group, ["square", "product", "floor_square"])
    values = np.sqrt(means["square"].to_numpy())
    errors = np.divide(means["product"].to_numpy(), values, out=np.zeros_like(values), where=values > 0)
    return pd.DataFrame(
        {
            "x": means["x"].to_numpy(dtype=np.float64),
            "value": values,
            "standard_error": errors,
            "floor": np.sqrt(means["floor_square"].to_numpy()),
            "members": group.groupby("x")["members"].min().to_numpy(),
            "samples": None,
        }
    )


def _at_each_place(group: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return, by position, the means of columns over splits."""
    if group["x"].is_unique:
        return group[["x", *columns]].astype("float64").sort_values("x", ignore_index=True)
    return group.groupby("x")[columns].mean().reset_index()
