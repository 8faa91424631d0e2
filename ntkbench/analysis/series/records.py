"""Rows of ``measurements`` prepared for fits: picked by record, reduced over layers, with their errors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...plugin.types import Float, Int
    from ...store.read import Results
    from .quantities import Quantity

_COLUMNS = [
    *("run_id", "cell_id", "split_index", "split", "reference", "reference_cell_id"),
    *("member", "component", "step", "time", "value"),
]
_OF_MEMBER = ["run_id", "cell_id", "split_index", "reference", "member"]
_PAIR = ["run_id", "cell_id", "reference"]
_NOWHERE = np.empty(0, dtype=np.int64)


class MetricRows:
    """The table ``measurements`` by metric, searched once."""

    def __init__(self, parts: pd.DataFrame | Sequence[pd.DataFrame]) -> None:
        """Index the rows of each metric.

        :param parts: the table, or parts of whole cells, one at least.
        """
        self._parts = [_RowPart(part) for part in ([parts] if isinstance(parts, pd.DataFrame) else parts)]

    def of(self, metric: str, columns: Sequence[str] = _COLUMNS) -> pd.DataFrame:
        """Return the rows of a metric, in the table's order; of these columns those that there are."""
        return _joined([as_text(part) for part in self.in_parts(metric, columns)])

    def in_parts(self, metric: str, columns: Sequence[str] = _COLUMNS) -> list[pd.DataFrame]:
        """Return the same in parts of whole cells, one at least, as stored: text may be categories."""
        return [part.of(metric, columns) for part in self.parts_with(metric) or self._parts[:1]]

    @cached_property
    def places(self) -> pd.DataFrame:
        """Each cell, member and reference with any number: of these columns those that there are, and the last time."""
        return _joined([as_text(part.members()) for part in self._parts])

    def parts_with(self, metric: str) -> list[_RowPart]:
        """Return the parts that have rows of a metric."""
        return [part for part in self._parts if metric in part.places]

    def at_record(self, metric: str, quantity: Quantity, keys: list[str]) -> pd.DataFrame:
        """Return the rows of a metric at a quantity's record: keys and value."""
        parts = self.parts_with(metric) or self._parts[:1]
        return _joined([part.at_record(metric, quantity, keys) for part in parts])

    @cached_property
    def compared(self) -> pd.DataFrame:
        """Each pair of a cell and a reference: run_id, cell_id, reference, reference_cell_id."""
        return _joined([as_text(part.compared()) for part in self._parts])


class _RowPart:
    """Some rows of ``measurements``, and where those of each metric are."""

    def __init__(self, measurements: pd.DataFrame) -> None:
        self.rows = measurements[[name for name in [*_COLUMNS, "metric"] if name in measurements]]
        codes = group_codes(measurements, ["metric"])
        order = np.argsort(codes, kind="stable")
        places = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else []
        self.places = {str(measurements["metric"].iloc[own[0]]): own for own in places}
        self._of_split: dict[str | None, NDArray[np.bool_]] = {}

    @cached_property
    def _numbers(self) -> tuple[Float, Float, Int]:
        """By row: its time, 0 without one, its value, and a number per cell."""
        times, values = (self.rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in ("time", "value"))
        return np.where(np.isnan(times), 0.0, times), values, group_codes(self.rows, ["run_id", "cell_id"])

    def _is_of_split(self, split: str | None) -> NDArray[np.bool_]:
        if split not in self._of_split:
            column = self.rows["split"]
            self._of_split[split] = (column.isna() if split is None else column == split).to_numpy(dtype=bool)
        return self._of_split[split]

    def at_record(self, metric: str, quantity: Quantity, keys: list[str]) -> pd.DataFrame:
        """Return the rows of a metric at a quantity's record: keys and value."""
        times, values, cells = self._numbers
        places = self.places.get(metric, _NOWHERE)
        kept = places[self._is_of_split(quantity.split)[places] & np.isfinite(values[places])]
        extreme = _is_extreme(times[kept], cells[kept], first=quantity.record == "first")
        rows = self.rows[keys]
        if quantity.record != "max":
            return as_text(rows.take(kept[extreme])).assign(value=values[kept[extreme]])
        codes = group_codes(rows.take(kept), keys)
        largest = np.full(codes.max(initial=0) + 1, -np.inf)
        np.maximum.at(largest, codes, values[kept])
        first = first_of_each(codes)
        first = first[np.isin(codes[first], codes[extreme])]
        return as_text(rows.take(kept[first])).assign(value=largest[codes[first]])

    def of(self, metric: str, columns: Sequence[str]) -> pd.DataFrame:
        """Return the rows of a metric; they are copied only if there are others."""
        rows, places = self.rows[[name for name in columns if name in self.rows]], self.places.get(metric, _NOWHERE)
        return rows if 0 < len(places) == len(rows) else rows.take(places)

    def members(self) -> pd.DataFrame:
        """Return the first row of each cell, reference and member, with the latest time of its cell."""
        cells = group_codes(self.rows, ["run_id", "cell_id"])
        latest = np.full(cells.max(initial=0) + 1, np.nan)
        np.fmax.at(latest, cells, self.rows["time"].to_numpy(dtype=np.float64, na_value=np.nan))
        first = first_of_each(group_codes(self.rows, [*_PAIR, "member"]))
        rows = self.rows[[*_PAIR, "reference_cell_id", "split_index", "member"]].take(first)
        return rows.assign(time=latest[cells[first]])

    def compared(self) -> pd.DataFrame:
        """Return the first row of each cell and reference."""
        first = first_of_each(group_codes(self.rows, _PAIR))
        pairs = self.rows[[*_PAIR, "reference_cell_id"]].take(first)
        return pairs[pairs["reference"].notna()]


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def group_codes(rows: pd.DataFrame, names: Sequence[str]) -> Int:
    """Return a number per row, the same where all of these columns are; missing values are equal.

    The numbers are from 0 and fewer than the rows, or than a thousand.
    """
    codes, count = np.zeros(len(rows), dtype=np.int64), 1
    for name in names if len(rows) else ():
        own, values = _codes(rows[name])
        if values > 1:
            codes, count = codes * values + own, count * values
        if count > max(len(rows), 1000):
            codes, kept = pd.factorize(codes)
            count = len(kept)
    return codes


def _codes(column: pd.Series[Any]) -> tuple[Any, int]:
    """Return a number from 0 per value of a column, and how many numbers there may be."""
    if _coded(column.dtype):
        numbers = column.cat.codes.to_numpy()
    elif pd.api.types.is_integer_dtype(column.dtype) and not column.hasnans:
        numbers = column.to_numpy(dtype=np.int64)
    else:
        numbers = pd.factorize(column, use_na_sentinel=False)[0]
    lowest, count = numbers.min(), int(numbers.max()) - int(numbers.min()) + 1
    return (numbers - lowest, count) if count <= len(numbers) else (pd.factorize(numbers)[0], len(numbers))


def first_of_each(codes: Int) -> Int:
    """Return the place of the first of each number of :func:`group_codes`, in order of appearance."""
    places = np.full(codes.max(initial=0) + 1, -1)
    places[codes[::-1]] = np.arange(len(codes))[::-1]  # of several, the one that is written last stays
    return np.sort(places[places >= 0])


def as_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with categories converted to text."""
    return rows.assign(**{str(name): _text(rows[name]) for name, kind in rows.dtypes.items() if _coded(kind)})


def _coded(kind: Any) -> bool:
    return isinstance(kind, pd.CategoricalDtype)


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
        parts = getattr(self._results, "measurement_parts", None)
        return MetricRows(self._results.measurements if parts is None else parts)


def recorded(stored: str, quantity: Quantity, measurements: MetricRows) -> pd.DataFrame:
    """Return one row per cell, reference, member and layer: the value at the first or last record, or the largest.

    A member without a finite value at the last record has diverged, and has no largest value either.
    """
    keys = [*_OF_MEMBER, *(["component"] if quantity.layers else [])]
    rows = measurements.at_record(stored, quantity, keys)
    return rows.sort_values(keys, ignore_index=True) if quantity.record == "max" else rows


def _is_extreme(times: Float, cells: Int, *, first: bool) -> NDArray[np.bool_]:
    """Return which times are the first, or else the last, of their cells."""
    signed = -times if first else times
    largest = np.full(cells.max(initial=0) + 1, -np.inf)
    np.maximum.at(largest, cells, signed)
    extreme: NDArray[np.bool_] = signed == largest[cells]
    return extreme


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
    rows = rows[chosen].drop(columns="component")
    codes = group_codes(rows, _OF_MEMBER)
    first = first_of_each(codes)
    squares, counts = np.bincount(codes, rows["value"].to_numpy() ** 2), np.bincount(codes)
    of_each = codes[first]
    return rows.take(first).assign(value=np.sqrt(squares[of_each] / counts[of_each])).reset_index(drop=True)


def with_errors(rows: pd.DataFrame, quantity: Quantity, measurements: MetricRows) -> pd.DataFrame:
    """Add the columns ``standard_error`` and ``floor`` of an ensemble's number, and count the members that survived."""
    keys = ["run_id", "cell_id", "split_index", "reference"]
    keys += ["component"] if quantity.layers == "each" else []
    for name in ("standard_error", "floor"):
        stored = f"{quantity.stored}_{name}"
        if not measurements.parts_with(stored):
            rows = rows.assign(**{name: np.nan})
            continue
        extra = recorded(stored, quantity, measurements)[[*keys, "value"]]
        rows = rows.merge(extra.rename(columns={"value": name}), on=keys, how="left")
    if "_of_mean" not in quantity.stored:
        return rows
    per_member = recorded(quantity.stored.partition("_of_mean")[0], quantity, measurements)
    survivors = per_member.groupby(keys, dropna=False)["member"].count().rename("survivors").reset_index()
    rows = rows.merge(survivors, on=keys, how="left")
    return rows.assign(members=rows["survivors"].fillna(rows["members"]))
