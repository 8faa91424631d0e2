"""Rows of ``measurements`` prepared for fits: picked by record, reduced over layers, with their errors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ...store.read import Results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...plugin.types import Int
    from .quantities import Quantity

_COLUMNS = [
    *("run_id", "cell_id", "split_index", "split", "reference", "reference_cell_id"),
    *("member", "component", "step", "time", "value"),
]
_PAIR = ["run_id", "cell_id", "reference"]
_LARGEST_CODE = 2**62


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

    def coded(self, metric: str, columns: Sequence[str] = _COLUMNS) -> pd.DataFrame:
        """Return columns of the rows of a metric as stored, those that there are; text may be categories."""
        places = self._places.get(metric, np.empty(0, dtype=np.intp))
        return self._rows[[name for name in columns if name in self._rows]].take(places)

    def in_parts(self, metric: str, columns: Sequence[str] = _COLUMNS) -> Iterator[pd.DataFrame]:
        """Yield the same in parts of whole cells, one at least."""
        yield self.coded(metric, columns)

    def everything(self) -> pd.DataFrame:
        """Return the rows of all metrics, with the column ``metric``."""
        metrics = np.empty(len(self._rows), dtype=object)
        for metric, places in self._places.items():
            metrics[places] = metric
        return as_text(self._rows).assign(metric=metrics)

    @cached_property
    def compared(self) -> pd.DataFrame:
        """Each pair of a cell and a reference: run_id, cell_id, reference, reference_cell_id."""
        return _pairs(self._rows)


class StoredRows(MetricRows):
    """The stored measurements by metric, of which only the rows and columns that are asked for are converted."""

    def __init__(self, results: Results) -> None:
        """Take the results; nothing is read yet."""
        self._results = results

    def coded(self, metric: str, columns: Sequence[str] = _COLUMNS) -> pd.DataFrame:
        """Return columns of the rows of a metric, text as categories."""
        return self._results.of_metric(metric, columns)

    def in_parts(self, metric: str, columns: Sequence[str] = _COLUMNS) -> Iterator[pd.DataFrame]:
        """Yield the same in parts of whole cells, one at least, so that large tables are never converted as a whole."""
        return self._results.of_metric_in_parts(metric, columns)

    def everything(self) -> pd.DataFrame:
        """Return the rows of all metrics, with the column ``metric``."""
        return as_text(self._results.coded_measurements)[[*_COLUMNS, "metric"]]

    @cached_property
    def compared(self) -> pd.DataFrame:
        """Each pair of a cell and a reference: run_id, cell_id, reference, reference_cell_id."""
        return _pairs(self._results.compared)


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the first row of each cell and reference."""
    pairs = rows.loc[rows["reference"].notna(), [*_PAIR, "reference_cell_id"]].drop_duplicates(_PAIR)
    return as_text(pairs)


def group_codes(rows: pd.DataFrame, names: Sequence[str]) -> Int:
    """Return a number per row, the same where all of these columns are; missing values are equal."""
    codes, count = np.zeros(len(rows), dtype=np.int64), 1
    for name in names:
        own, values = _codes(rows[name])
        if count * values > _LARGEST_CODE:
            codes, kept = pd.factorize(codes)
            count = len(kept)
        codes, count = codes * values + own, count * values
    return codes


def _codes(column: pd.Series[Any]) -> tuple[Int, int]:
    """Return a number per value of a column, and a bound on these numbers."""
    if _is_coded(column):
        own, values = column.cat.codes.to_numpy(dtype=np.int64) + 1, column.cat.categories
    else:
        own, values = pd.factorize(column, use_na_sentinel=False)
    return np.asarray(own, dtype=np.int64), len(values) + 1


def as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with categories converted to text."""
    return rows.assign(**{str(name): _text(rows[name]) for name in rows if _is_coded(rows[name])})


def _is_coded(column: pd.Series[Any]) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)


def _text(coded: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of categories as text: each category is converted once, not each row."""
    texts = coded.cat.categories.astype("str").array
    return pd.Series(texts.take(coded.cat.codes.to_numpy(), allow_fill=True), index=coded.index)


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
        stored = isinstance(self._results, Results)
        return StoredRows(self._results) if stored else MetricRows(self._results.measurements)


def recorded(stored: str, quantity: Quantity, measurements: MetricRows) -> pd.DataFrame:
    """Return one row per cell, reference, member and layer: the value at the first or last record, or the largest.

    A member without a finite value at the last record has diverged, and has no largest value either.
    """
    keys = ["run_id", "cell_id", "split_index", "reference", "member"]
    keys += ["component"] if quantity.layers else []
    parts = measurements.in_parts(stored, [*keys, "split", "time", "value"])
    rows = pd.concat([_at_record(part, quantity, keys) for part in parts], ignore_index=True)
    return rows.sort_values(keys, ignore_index=True) if quantity.record == "max" else rows


def _at_record(found: pd.DataFrame, quantity: Quantity, keys: list[str]) -> pd.DataFrame:
    """Return the rows of whole cells, of one metric, at a quantity's record: keys and value."""
    of_split = found["split"].isna() if quantity.split is None else found["split"] == quantity.split
    finite = np.isfinite(found["value"].to_numpy(dtype=np.float64))
    rows = found.loc[of_split.to_numpy() & finite, [*keys, "time", "value"]].astype({"value": "float64"})
    times = rows["time"].astype("float64").fillna(0.0)
    of_cell = times.groupby(group_codes(rows, ["run_id", "cell_id"]))
    at_record = rows.loc[times == of_cell.transform("min" if quantity.record == "first" else "max"), [*keys, "value"]]
    if quantity.record != "max":
        return as_text(at_record)
    largest = rows.groupby(keys, dropna=False, sort=False, observed=True, as_index=False)["value"].max()
    return as_text(largest).merge(as_text(at_record[keys]), on=keys, how="inner")


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
