"""Measurements at one record, looked up by series, width and reference: what a comparison's table is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from ...plugin.types import Float
    from ..series.records import MetricRows

_COLUMNS = ["run_id", "cell_id", "split", "reference", "member", "time", "value"]
_PLACE = ["series", "width"]


class PickedRows:
    """The rows of a run's subjects by metric, of the splits that all widths of their series have."""

    def __init__(self, measured: MetricRows, cells: pd.DataFrame) -> None:
        """Take the measurements, and the cells in series: cell_id, series, width."""
        self._measured = measured
        self._cells = cells[["cell_id", *_PLACE]]
        self._cache: dict[Any, _ByPlace] = {}

    def at(self, metric: str, split: str, record: str, *, of_reference: bool) -> _ByPlace:
        """Return the rows of a metric at the first or last time of each cell, or of each cell and reference."""
        key = (metric, split, record, of_reference)
        if key not in self._cache:
            rows = self._of(metric)
            rows = rows[rows["split"] == split]
            groups = ["cell_id", "reference"] if of_reference else ["cell_id"]
            times = rows.groupby(groups, dropna=False, sort=False)["time"]
            rows = rows[rows["time"] == times.transform("min" if record == "first" else "max")]
            self._cache[key] = _ByPlace(rows, [*_PLACE, "reference"] if of_reference else _PLACE)
        return self._cache[key]

    def diverged(self) -> _ByPlace:
        """Return the rows of members that diverged."""
        key = "diverged_step"
        if key not in self._cache:
            self._cache[key] = _ByPlace(self._of(key), _PLACE)
        return self._cache[key]

    def _of(self, metric: str) -> pd.DataFrame:
        return self._measured.of(metric, _COLUMNS).merge(self._cells, on="cell_id", how="inner")


class _ByPlace:
    """Rows by series and width, and by reference if they are told apart."""

    def __init__(self, rows: pd.DataFrame, keys: list[str]) -> None:
        keyed = rows.assign(reference=rows["reference"].fillna("")) if "reference" in keys else rows
        self._places: Mapping[Any, Any] = keyed.groupby(keys, sort=False).indices
        self._values = rows["value"].to_numpy(dtype=np.float64)
        self._members = rows["member"].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)

    def of(self, *place: Any) -> tuple[Float, Float]:
        """Return the values and members (NaN: of no member) at a place, in the table's order."""
        found = self._places.get(place, slice(0))
        return self._values[found], self._members[found]


class LawErrors:
    """The test errors of references, by cell."""

    def __init__(self, measured: MetricRows, metric: str) -> None:
        rows = measured.of(metric, ["cell_id", "split", "time", "value"])
        rows = rows[rows["split"] == "test"]
        self._places: Mapping[Any, Any] = rows.groupby("cell_id", sort=False).indices
        self._times, self._values = (rows[name].to_numpy(dtype=np.float64) for name in ("time", "value"))

    def nearest(self, cell_ids: Iterable[str], time: float) -> float:
        """Return the errors of cells at the recorded time nearest to ``time``, mean over splits."""
        found: list[Float] = []
        for places in (self._places[cell_id] for cell_id in cell_ids if cell_id in self._places):
            apart = np.abs(self._times[places] - time)
            known = apart[~np.isnan(apart)]
            found.append(self._values[places[apart == known.min()]] if len(known) else known)
        return mean(np.concatenate(found)) if found else np.nan


def mean(values: Float) -> float:
    """Return the mean of the values that are numbers, NaN without any."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else np.nan
