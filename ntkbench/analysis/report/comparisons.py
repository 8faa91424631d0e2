"""The comparison as a table: one row per width, what the networks did beside what the kernel says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ..series.points import in_common_splits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...store.read import Results
    from ..estimation.rates import FittedRate, Rates
    from ..series.keys import SeriesKey
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
    measurements = fitted.tables.measured.everything()
    measured = measurements.merge(in_order[["cell_id", "width"]], on="cell_id", how="inner")
    came_of = {(finding.rate.key, finding.rate.metric): finding for finding in found}
    judged = [JudgedRate(rate, came_of.get((rate.key, rate.metric))) for rate in rates]
    for number, group in in_order.groupby("series", sort=False):
        key = cells.keys[int(number)]  # type: ignore[arg-type]
        rows = in_common_splits(measured[measured["cell_id"].isin(group["cell_id"])])
        mine = [each for each in judged if replace(each.rate.key, reference=None) == key]
        named: list[str | None] = [str(name) for name in rows["reference"].dropna().unique()]
        of_series = results.cells[results.cells["cell_id"].isin(group["cell_id"])]
        for reference in named or [None]:
            yield Comparison(
                key=replace(key, reference=reference),
                facts={str(name): value for name, value in of_series.iloc[0].items()},
                splits=of_series["split_index"].nunique(),
                cell_ids=tuple(group.sort_values("width")["cell_id"]),
                by_width=_by_width(rows, _law_errors(measurements, rows, reference, of_series), reference),
                rates=tuple(each for each in mine if each.rate.key.reference in (None, reference)),
            )


def _order(results: Results, keys: Sequence[SeriesKey]) -> Callable[[pd.Series[Any]], pd.Series[Any]]:
    """Return a sort key that puts series in the order of their tasks in the study."""
    names = dict.fromkeys(entry["name"] for run in results.runs for entry in run["resolved"]["task"])
    position = {name: place for place, name in enumerate(names)}
    return lambda series: series.map(lambda number: position[keys[number].task.name])


def _law_errors(
    measurements: pd.DataFrame, rows: pd.DataFrame, reference: str | None, cells: pd.DataFrame
) -> dict[str, float]:
    """Return the reference's own test RMSE, and what it expects of one network, if these networks are of its law."""
    used = rows.loc[rows["reference"] == reference, "reference_cell_id"].unique()
    own = measurements[(measurements["split"] == "test") & measurements["cell_id"].isin(used)]
    law_applies = all(not len(deviations) for deviations in cells["deviations"])
    return {
        "rmse_kernel": _nearest(own[own["metric"] == "rmse"], rows["time"].max()),
        "rmse_law": _nearest(own[own["metric"] == "rmse_of_network"], rows["time"].max()) if law_applies else np.nan,
    }


def _nearest(errors: pd.DataFrame, time: float) -> float:
    """Return the errors at the recorded time nearest to ``time``, mean over splits."""
    apart = (errors["time"] - time).abs()
    return float(errors.loc[apart == apart.groupby(errors["cell_id"]).transform("min"), "value"].mean())


def _by_width(rows: pd.DataFrame, law_errors: dict[str, float], reference: str | None) -> pd.DataFrame:
    table = []
    for width in sorted(rows["width"].unique()):
        group = rows[rows["width"] == width]
        errors = _pick(group, "rmse", "test", "last")
        survivors = group["member"].nunique() - group.loc[group["metric"] == "diverged_step", "member"].nunique()
        line: dict[str, Any] = {
            "width": int(width),
            "members": int(survivors),
            "rmse_members": errors.loc[errors["member"].notna(), "value"].mean(),
            "rmse_mean": errors.loc[errors["member"].isna(), "value"].mean(),
            **law_errors,
        }
        for quantity in COMPARED:
            line |= _distance(group, quantity, reference)
        table.append(line)
    return pd.DataFrame(table)


def _pick(rows: pd.DataFrame, metric: str, split: str, record: str) -> pd.DataFrame:
    """Return the rows of a metric at the first or last time of each cell."""
    rows = rows[(rows["metric"] == metric) & (rows["split"] == split)]
    times = rows.groupby("cell_id")["time"]
    return rows[rows["time"] == times.transform("min" if record == "first" else "max")]


def _distance(group: pd.DataFrame, quantity: ComparedQuantity, reference: str | None) -> dict[str, float]:
    """Return a distance at one width and its standard error: RMS over members and splits, or the ensemble's own."""
    if quantity.of_reference:
        group = group[group["reference"] == reference]
    name = quantity.metric
    picked = _pick(group, name, quantity.split, quantity.record)
    if quantity.ensemble:
        error = _pick(group, f"{name}_standard_error", quantity.split, quantity.record)
        floor = _pick(group, f"{name}_floor", quantity.split, quantity.record)
        return {name: _rms(picked), f"{name}_se": _rms(error), f"{name}_floor": _rms(floor)}
    scale = float(picked["value"].abs().max()) or 1.0  # so that squares cannot overflow
    squares = (picked["value"] / scale).pow(2).groupby(picked["member"]).mean()
    value = float(np.sqrt(squares.mean())) if len(squares) else np.nan
    spread = squares.std(ddof=1) / np.sqrt(len(squares)) if len(squares) > 1 else np.nan
    return {name: scale * value, f"{name}_se": scale * spread / (2 * value) if value > 0 else np.nan}


def _rms(rows: pd.DataFrame) -> float:
    return float(np.sqrt(rows["value"].pow(2).mean()))
