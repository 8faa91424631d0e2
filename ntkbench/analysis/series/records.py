"""Rows of ``measurements`` prepared for fits: picked by record, reduced over layers, with their errors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ...store.read import Results
    from .quantities import Quantity

_COLUMNS = [
    *("run_id", "cell_id", "split_index", "split", "reference", "reference_cell_id"),
    *("member", "component", "step", "time", "value"),
]


class MetricRows:
    """The table ``measurements`` by metric, searched once."""

    def __init__(self, measurements: pd.DataFrame) -> None:
        """Index the rows of each metric."""
        self._rows = measurements[[name for name in _COLUMNS if name in measurements]]
        codes, metrics = pd.factorize(measurements["metric"])
        ends = np.cumsum(np.bincount(codes, minlength=len(metrics)))
        order = np.argsort(codes, kind="stable")
        self._places = dict(zip(map(str, metrics), np.split(order, ends[:-1]), strict=True)) if len(metrics) else {}

    def of(self, metric: str) -> pd.DataFrame:
        """Return the rows of a metric, in the table's order."""
        return as_text(self.coded(metric))

    def coded(self, metric: str) -> pd.DataFrame:
        """Return the rows of a metric as stored; text may be categories."""
        return self._rows.take(self._places.get(metric, np.empty(0, dtype=np.intp)))

    def everything(self) -> pd.DataFrame:
        """Return the rows of all metrics, with the column ``metric``."""
        metrics = np.empty(len(self._rows), dtype=object)
        for metric, places in self._places.items():
            metrics[places] = metric
        return as_text(self._rows).assign(metric=metrics)

    @cached_property
    def compared(self) -> pd.DataFrame:
        """Each pair of a cell and a reference: run_id, cell_id, reference, reference_cell_id."""
        names = ["run_id", "cell_id", "reference"]
        codes = np.zeros(len(self._rows), dtype=np.int64)
        for name in names:
            own, values = pd.factorize(self._rows[name], use_na_sentinel=False)
            codes = codes * len(values) + own
        pairs = self._rows[[*names, "reference_cell_id"]].take(np.unique(codes, return_index=True)[1])
        return as_text(pairs[pairs["reference"].notna()])


def as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with categories converted to text."""
    coded = [name for name in rows if isinstance(rows[name].dtype, pd.CategoricalDtype)]
    return rows.astype(dict.fromkeys(coded, "str"))


class Tables:
    """The tables of one or several runs for analysis, each read once."""

    def __init__(self, results: Results) -> None:
        """Take the results; nothing is read yet."""
        self._results = results

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell."""
        return self._results.cells

    @property
    def spectra(self) -> pd.DataFrame:
        """One row per eigenvalue kept."""
        return self._results.spectra

    @cached_property
    def measured(self) -> MetricRows:
        """The measurements by metric."""
        coded = getattr(self._results, "coded_measurements", None)
        return MetricRows(self._results.measurements if coded is None else coded)


def recorded(stored: str, quantity: Quantity, measurements: MetricRows) -> pd.DataFrame:
    """Return one row per cell, reference, member and layer: the value at the first or last record, or the largest.

    A member without a finite value at the last record has diverged, and has no largest value either.
    """
    found = measurements.coded(stored)
    of_split = found["split"].isna() if quantity.split is None else found["split"] == quantity.split
    keys = ["run_id", "cell_id", "split_index", "reference", "member"]
    keys += ["component"] if quantity.layers else []
    rows = found.loc[of_split, [*keys, "time", "value"]].astype({"time": "float64", "value": "float64"})
    rows = rows[np.isfinite(rows["value"])].fillna({"time": 0.0})
    times = rows["time"].groupby([rows["run_id"], rows["cell_id"]])
    at_record = rows[rows["time"] == times.transform("min" if quantity.record == "first" else "max")]
    at_record = as_text(at_record)
    if quantity.record == "max":
        rows = as_text(rows)
        largest = rows.groupby(keys, dropna=False, as_index=False)["value"].max()
        at_record = largest.merge(at_record[keys], on=keys, how="inner")
    chosen: pd.DataFrame = at_record[[*keys, "value"]]
    return chosen


def over_layers(rows: pd.DataFrame, layers: Literal["first", "last", "middle", "all", "each"] | None) -> pd.DataFrame:
    """Return one row per cell, split and member: the root mean square over the layers chosen.

    ``each`` keeps every component.
    """
    if layers is None or layers == "each":
        return rows
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


def with_errors(rows: pd.DataFrame, quantity: Quantity, measurements: MetricRows) -> pd.DataFrame:
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
