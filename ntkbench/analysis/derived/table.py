"""Shared by the functions of this package: rows of a metric by member and step, and rows to return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ...plugin.types import Float, Int
    from ..series.records import Tables

_KEYS = ["run_id", "cell_id", "split_index", "reference", "component"]
_COLUMNS = [*_KEYS, "metric", "split", "member", "step", "time", "value"]


def series(tables: Tables, metric: str, split: str | None) -> Iterator[tuple[dict[str, Any], Float, Float, Float]]:
    """Yield, per cell, split, reference and component: the key, members (E,), steps (T,) and values (E, T).

    Members that lack a finite value at some step are left out.
    """
    rows = tables.measured.coded(metric)
    of_split = rows["split"].isna() if split is None else rows["split"] == split
    rows = rows.loc[of_split & rows["member"].notna(), [*_KEYS, "member", "step", "value"]]
    numbers = rows[["member", "step", "value"]].astype("float64").to_numpy()
    for first, places in _groups(rows):
        members, steps, values = _by_member_and_step(numbers[places])
        if len(members):
            yield {name: rows[name].iloc[first] for name in _KEYS}, members, steps, values


def _groups(rows: pd.DataFrame) -> Iterator[tuple[int, Int]]:
    """Yield, in order of appearance, the first row of each combination of keys and all of its rows.

    Like ``DataFrame.groupby``, without a copy of every column of each group's rows.
    """
    codes = np.zeros(len(rows), dtype=np.int64)
    for name in _KEYS:
        own, values = pd.factorize(rows[name], use_na_sentinel=False)
        codes = pd.factorize(codes * len(values) + own)[0]
    order = np.argsort(codes, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else ():
        yield int(places[0]), places


def _by_member_and_step(rows: Float) -> tuple[Float, Float, Float]:
    """Return members (E,), steps (T,) and values (E, T) of rows (member, step, value), without incomplete members."""
    rows = rows[~np.isnan(rows).any(axis=1)]
    members, member = np.unique(rows[:, 0], return_inverse=True)
    steps, step = np.unique(rows[:, 1], return_inverse=True)
    table = np.full((len(members), len(steps)), np.nan)
    table[member, step] = rows[:, 2]
    complete = ~np.isnan(table).any(axis=1)
    return members[complete], steps, table[complete]


def made(
    metric: str, key: dict[str, Any], split: str | None, values: Iterable[float], members: Iterable[float] | None
) -> list[dict[str, Any]]:
    """Return rows of a metric: one per member, or those of the ensemble (value, then its standard error)."""
    if members is None:
        value, error = values
        return [
            {**key, "metric": name, "split": split, "member": None, "step": None, "time": 0.0, "value": number}
            for name, number in ((metric, value), (f"{metric}_standard_error", error))
        ]
    return [
        {**key, "metric": metric, "split": split, "member": int(m), "step": None, "time": 0.0, "value": float(v)}
        for m, v in zip(members, values, strict=True)
    ]


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a part of the table ``measurements``."""
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table["member"] = table["member"].astype("Int64")
    table["component"] = table["component"].astype("Int64")
    return table.drop(columns="step")
