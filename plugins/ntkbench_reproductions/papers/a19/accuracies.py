"""Accuracies by data set, and the row of Table 1 that they make."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from ntkbench.plugin import ResultTables

PREFIX = "uci/a19/"


@dataclass(frozen=True)
class TableRow:
    """A classifier's row of the table, in per cent except for ``rank``; nan where published accuracies are missing.

    ``average``: mean accuracy over ``sets`` data sets, with the standard deviation ``sd`` (ddof 1). ``p90``, ``p95``:
    the share of data sets on which it reaches 90 and 95 % of the best published accuracy. ``pma``: its accuracy as a
    percentage of that best one, mean and standard deviation. ``rank``: its mean (Friedman) rank among the published
    classifiers.
    """

    sets: int
    average: float
    sd: float
    rank: float = np.nan
    p90: float = np.nan
    p95: float = np.nan
    pma: float = np.nan
    pma_sd: float = np.nan


def accuracies_by_set(results: ResultTables, label: str, protocol: str = "a19") -> pd.Series[float]:
    """Return the mean test accuracy over splits in per cent, by the data set's name, under a protocol.

    Networks count after their last step; networks that diverged are left out.

    :raises StoreError: if there are none.
    """
    means: pd.Series[float] = 100 * _accuracy_rows(results, label, protocol).groupby("set")["value"].mean()
    return means


def split_counts(results: ResultTables, protocol: str, sets: Iterable[str]) -> str:
    """Return how many splits of these data sets have an accuracy of the NTK: "4", or "2 to 4" where they differ."""
    counts = _accuracy_rows(results, "ntk", protocol).groupby("set")["split_index"].nunique().loc[list(sets)]
    shown = sorted(set(counts))
    return " to ".join(str(count) for count in shown[:1] + shown[1:][-1:])


def _accuracy_rows(results: ResultTables, label: str, protocol: str) -> pd.DataFrame:
    """Return a row per data set and split: ``set``, ``split_index`` and ``value``, the test accuracy as a fraction.

    :raises StoreError: if there are none.
    """
    cells = results.cells[(results.cells["label"] == label) & results.cells["task"].str.startswith(PREFIX)]
    cells = cells[[json.loads(text).get("protocol") == protocol for text in cells["task_params_json"]]]
    rows = results.measurements
    rows = rows[(rows["metric"] == "accuracy") & (rows["split"] == "test") & rows["member"].isna()]
    found: pd.DataFrame = rows.merge(cells[["cell_id", "task"]], on="cell_id")
    found = found[found["step"].isna() | (found["step"] == found["step"].max())].copy()
    if found.empty:
        raise StoreError(f"no test accuracies of {label} on the A19 data sets under the protocol {protocol}")
    found["set"] = found["task"].str.removeprefix(PREFIX)
    return found[["set", "split_index", "value"]]


def table_row(accuracy: pd.Series[float], published: pd.DataFrame | None) -> TableRow:
    """Return the row of a classifier with these accuracies in per cent, by data set.

    :raises StoreError: if the published table lacks one of the data sets.
    """
    average, sd = float(accuracy.mean()), float(accuracy.std(ddof=1))
    if published is None:
        return TableRow(len(accuracy), average, sd)
    if unknown := sorted(set(accuracy.index) - set(published.index)):
        raise StoreError(f"the published accuracies have no set {unknown[0]}")
    others = published.loc[accuracy.index]
    share = accuracy / others.max(axis=1)
    ranks = others.assign(**{"": accuracy}).rank(axis=1, ascending=False)[""]
    return TableRow(
        sets=len(accuracy),
        average=average,
        sd=sd,
        rank=float(ranks.mean()),
        p90=100 * float((share >= 0.9).mean()),
        p95=100 * float((share >= 0.95).mean()),
        pma=100 * float(share.mean()),
        pma_sd=100 * float(share.std(ddof=1)),
    )


def row_cells(values: Mapping[str, float]) -> tuple[str, ...]:
    """Return the cells of a row of the table: rank, average accuracy, P90, P95 and PMA; - for nan."""

    def text(value: float, spread: float | None = None) -> str:
        if np.isnan(value):
            return "-"
        return f"{value:.2f}" if spread is None else f"{value:.2f} +- {text(spread)}"

    return (
        text(values["rank"]),
        text(values["average"], values["sd"]),
        text(values["p90"]),
        text(values["p95"]),
        text(values["pma"], values["pma_sd"]),
    )
