"""Rows of ``measurements`` as they are fitted: at which record, over which layers, with which errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from .quantities import Quantity


def recorded(stored: str, quantity: Quantity, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell, reference, member and layer: the values at the first or last record, or the largest.

    A member without a finite value at the last record has diverged, and has no largest value either.
    """
    split = measurements["split"]
    of_split = split.isna() if quantity.split is None else split == quantity.split
    chosen = (measurements["metric"] == stored) & of_split
    keys = ["run_id", "cell_id", "split_index", "reference", "member"]
    keys += ["component"] if quantity.layers else []
    rows = measurements.loc[chosen, [*keys, "time", "value"]].astype({"time": "float64", "value": "float64"})
    rows = rows[np.isfinite(rows["value"])].fillna({"time": 0.0})
    times = rows["time"].groupby([rows["run_id"], rows["cell_id"]])
    at_record = rows[rows["time"] == times.transform("min" if quantity.record == "first" else "max")]
    if quantity.record == "max":
        largest = rows.groupby(keys, dropna=False, as_index=False)["value"].max()
        at_record = largest.merge(at_record[keys], on=keys, how="inner")
    found: pd.DataFrame = at_record[[*keys, "value"]]
    return found


def over_layers(rows: pd.DataFrame, layers: Literal["first", "last", "middle", "all", "each"] | None) -> pd.DataFrame:
    """Return one row per cell, split and member: the root mean square over layers, of which ``depth`` is the last.

    ``each`` component is kept, and named in the label.
    """
    if layers is None:
        return rows
    if layers == "each":
        return rows.assign(label=[f"{a}, component {b}" for a, b in zip(rows["label"], rows["component"], strict=True)])
    chosen = {
        "first": rows["component"] == 0,
        "last": rows["component"] == rows["depth"],
        "middle": (rows["component"] > 0) & (rows["component"] < rows["depth"]),
        "all": rows["component"].notna(),
    }[layers]
    squares = rows[chosen].assign(value=rows["value"] ** 2).drop(columns="component")
    others = [name for name in squares.columns if name != "value"]
    found = squares.groupby(others, dropna=False, sort=False)["value"].mean().reset_index()
    return found.assign(value=np.sqrt(found["value"]))


def with_errors(rows: pd.DataFrame, quantity: Quantity, measurements: pd.DataFrame) -> pd.DataFrame:
    """Add the columns ``standard_error`` and ``floor`` of an ensemble's number, and count the members that survived."""
    keys = ["run_id", "cell_id", "split_index", "reference"]
    keys += ["component"] if quantity.layers == "each" else []
    for name in ("standard_error", "floor"):
        extra = recorded(f"{quantity.stored}_{name}", quantity, measurements)[[*keys, "value"]]
        rows = rows.merge(extra.rename(columns={"value": name}), on=keys, how="left")
    if "_of_mean" not in quantity.stored:
        return rows
    per_member = recorded(quantity.stored.partition("_of_mean")[0], quantity, measurements)
    survivors = per_member.groupby(keys, dropna=False)["member"].count().rename("survivors").reset_index()
    rows = rows.merge(survivors, on=keys, how="left")
    return rows.assign(members=rows["survivors"].fillna(rows["members"]))
