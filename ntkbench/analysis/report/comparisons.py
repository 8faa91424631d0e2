"""The comparison as a table: one row per width, what the networks did beside what the kernel says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .picked import LawErrors, PickedRows, mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...plugin.types import Float
    from ...store.read import Results
    from ..estimation.rates import FittedRate, Rates
    from ..series.keys import SeriesKey
    from ..series.records import MetricRows
    from ..verdicts.judge import Finding


class ComparedQuantity(NamedTuple):
    """A measured distance: its metric, split and record (``first`` or ``last`` step), and how it is summarised."""

    metric: str
    split: str
    record: str
    of_reference: bool
    ensemble: bool = False


COMPARED = (
    ComparedQuantity("function_distance", "test", "last", of_reference=True),
    ComparedQuantity("function_distance_of_mean", "test", "last", of_reference=True, ensemble=True),
    ComparedQuantity("ntk_distance_frobenius", "train", "first", of_reference=True),
    ComparedQuantity("ntk_change_frobenius", "train", "last", of_reference=False),
)


class JudgedRate(NamedTuple):
    """A rate by width, and what came of it where anything is expected."""

    rate: FittedRate
    finding: Finding | None


@dataclass(frozen=True)
class Comparison:
    """One subject against one reference (None: none) on one task: ``key`` says which.

    ``by_width`` has a row per width, ``rates`` are those of its quantities, ``cell_ids`` are the subject's cells by
    ascending width and ``facts`` what they have in common: the row of ``cells`` of one of them, and how many splits.
    """

    key: SeriesKey
    facts: dict[str, Any]
    splits: int
    cell_ids: tuple[str, ...]
    by_width: pd.DataFrame
    rates: tuple[JudgedRate, ...]

    def rate(self, metric: str) -> JudgedRate | None:
        """Return the rate of a quantity, None where it was not fitted."""
        return next((judged for judged in self.rates if judged.rate.metric == metric), None)


def comparisons(
    results: Results, fitted: Rates, rates: Sequence[FittedRate], found: Sequence[Finding]
) -> Iterator[Comparison]:
    """Yield a comparison for each task, architecture, subject and reference of a run, in the order of its study.

    :param rates: those by width; ``found``: what came of those that something is expected of.
    """
    cells = fitted.cells()
    if cells.frame.empty:  # nothing to compare, so nothing more to read
        return
    in_order = cells.frame.sort_values("series", key=_order(results, cells.keys), kind="stable")
    rows = _Rows(fitted.tables.measured, in_order)
    judged = _judged(rates, found)
    of_series = dict(list(results.cells.merge(in_order[["cell_id", "series"]], on="cell_id").groupby("series")))
    for number, group in in_order.groupby("series", sort=False):
        key = cells.keys[int(number)]  # type: ignore[arg-type]
        mine = of_series[number].drop(columns="series")
        for reference in rows.references(number) or [None]:
            yield Comparison(
                key=replace(key, reference=reference),
                facts={str(name): value for name, value in mine.iloc[0].items()},
                splits=mine["split_index"].nunique(),
                cell_ids=tuple(group.sort_values("width")["cell_id"]),
                by_width=rows.by_width(number, reference, mine),
                rates=tuple(each for each in judged.get(key, ()) if each.rate.key.reference in (None, reference)),
            )


def _judged(rates: Sequence[FittedRate], found: Sequence[Finding]) -> dict[SeriesKey, list[JudgedRate]]:
    """Return rates with what came of them, by series."""
    came_of = {(finding.rate.key, finding.rate.metric): finding for finding in found}
    judged: dict[SeriesKey, list[JudgedRate]] = {}
    for rate in rates:
        one = JudgedRate(rate, came_of.get((rate.key, rate.metric)))
        judged.setdefault(replace(rate.key, reference=None), []).append(one)
    return judged


def _order(results: Results, keys: Sequence[SeriesKey]) -> Callable[[pd.Series[Any]], pd.Series[Any]]:
    """Return a sort key that puts series in the order of their tasks in the study."""
    names = dict.fromkeys(entry["name"] for run in results.runs for entry in run["resolved"]["task"])
    position = {name: place for place, name in enumerate(names)}
    return lambda series: series.map(lambda number: position[keys[number].task.name])


class _Rows:
    """The measurements of a run's subjects, by series and width."""

    def __init__(self, measured: MetricRows, cells: pd.DataFrame) -> None:
        places = _in_common_splits(measured.places.merge(cells[["cell_id", "series", "width"]], on="cell_id"))
        self._members = places.groupby(["series", "width"])["member"].nunique().to_dict()
        self._last = places.groupby("series")["time"].max().to_dict()
        pairs = places[places["reference"].notna()].drop_duplicates(["series", "reference", "reference_cell_id"])
        self._used: dict[Any, list[str]] = (
            pairs.groupby(["series", "reference"], sort=False)["reference_cell_id"].agg(list).to_dict()
        )
        self._references: dict[Any, list[str | None]] = {}
        for series, reference in pairs[["series", "reference"]].drop_duplicates().itertuples(index=False):
            self._references.setdefault(series, []).append(str(reference))
        self._widths = places.groupby("series")["width"].unique().map(sorted).to_dict()
        self._picked = PickedRows(measured, cells[cells["cell_id"].isin(places["cell_id"].unique())])
        self._kernel, self._law = LawErrors(measured, "rmse"), LawErrors(measured, "rmse_of_network")

    def references(self, series: Any) -> list[str | None]:
        """Return the references that a series is compared with, in the order of its rows."""
        return self._references.get(series, [])

    def by_width(self, series: Any, reference: str | None, cells: pd.DataFrame) -> pd.DataFrame:
        """Return a row per width: members, errors and distances.

        :param cells: the rows of ``cells`` of the series.
        """
        used = self._used.get((series, reference), [])
        law_applies = all(not len(deviations) for deviations in cells["deviations"])
        last = self._last.get(series, np.nan)
        law_errors = {
            "rmse_kernel": self._kernel.nearest(used, last),
            "rmse_law": self._law.nearest(used, last) if law_applies else np.nan,
        }
        lines = [self._line(series, width, reference, law_errors) for width in self._widths.get(series, ())]
        return pd.DataFrame(lines)

    def _line(self, series: Any, width: float, reference: str | None, law_errors: dict[str, float]) -> dict[str, Any]:
        errors, members = self._picked.at("rmse", "test", "last", of_reference=False).of(series, width)
        lost = self._picked.diverged().of(series, width)[1]
        line: dict[str, Any] = {
            "width": int(width),
            "members": int(self._members[series, width] - len(np.unique(lost[~np.isnan(lost)]))),
            "rmse_members": mean(errors[~np.isnan(members)]),
            "rmse_mean": mean(errors[np.isnan(members)]),
            **law_errors,
        }
        for quantity in COMPARED:
            line |= self._distance(quantity, series, width, reference)
        return line

    def _distance(
        self, quantity: ComparedQuantity, series: Any, width: float, reference: str | None
    ) -> dict[str, float]:
        """Return a distance and its standard error: RMS over members and splits, or the ensemble's own."""
        name, split, record = quantity.metric, quantity.split, quantity.record
        place = (series, width, reference or "") if quantity.of_reference else (series, width)

        def pick(metric: str) -> tuple[Float, Float]:
            return self._picked.at(metric, split, record, of_reference=quantity.of_reference).of(*place)

        if quantity.ensemble:
            parts = (name, f"{name}_standard_error", f"{name}_floor")
            value, error, floor = (mean(pick(part)[0] ** 2) ** 0.5 for part in parts)
            return {name: value, f"{name}_se": error, f"{name}_floor": floor}
        value, error = _root_mean_square(*pick(name))
        return {name: value, f"{name}_se": error}


def _in_common_splits(places: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the splits that every width of a series has, so that all are compared on the same data."""
    there = places.groupby(["series", "split_index"])["width"].transform("nunique")
    return places[there == places.groupby("series")["width"].transform("nunique")]


def _root_mean_square(values: Float, members: Float) -> tuple[float, float]:
    """Return the root mean square over members, each averaged over its splits, and its standard error."""
    known = ~np.isnan(values)
    scale = (float(np.abs(values[known]).max()) if known.any() else np.nan) or 1.0  # so that squares cannot overflow
    names, codes = np.unique(members[~np.isnan(members)], return_inverse=True)
    kept = known[~np.isnan(members)]
    powers = (values[~np.isnan(members)][kept] / scale) ** 2
    counts, sums = (np.bincount(codes[kept], weights, len(names)) for weights in (None, powers))
    squares = sums[counts > 0] / counts[counts > 0]
    value = float(np.sqrt(squares.mean())) if len(squares) else np.nan
    spread = squares.std(ddof=1) / np.sqrt(len(names)) if len(squares) > 1 else np.nan
    return scale * value, scale * spread / (2 * value) if value > 0 else np.nan
