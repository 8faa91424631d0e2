"""What the functions of this package share: rows of a metric by member and step, and rows to return."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from ...plugin.types import Float
    from ...store.read import Results

_KEYS = ["run_id", "cell_id", "split_index", "reference", "component"]
_COLUMNS = [*_KEYS, "metric", "split", "member", "step", "time", "value"]


def series(results: Results, metric: str, split: str | None) -> Iterator[tuple[dict[str, Any], Float, Float, Float]]:
    """Yield, per cell, split, reference and component: the key, members (E,), steps (T,) and values (E, T).

    Members that lack a finite value at some step are left out.
    """
    rows = results.measurements
    of_split = rows["split"].isna() if split is None else rows["split"] == split
    rows = rows[(rows["metric"] == metric) & of_split & rows["member"].notna()]
    rows = rows.astype({"member": "float64", "step": "float64", "value": "float64"})
    for key, group in rows.groupby(_KEYS, dropna=False, sort=False):
        table = group.pivot_table(index="member", columns="step", values="value").dropna()
        if len(table):
            yield dict(zip(_KEYS, key, strict=True)), table.index.to_numpy(), table.columns.to_numpy(), table.to_numpy()


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
