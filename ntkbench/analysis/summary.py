"""The comparison as a table: one row per width, what the networks did beside what the kernel says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .rates import architecture_name, convergence_rates
from .verdicts import judged_rates

if TYPE_CHECKING:
    from ..store.read import Results


class Quantity(NamedTuple):
    """A measured distance: its metric, split and record (``first`` or ``last`` step), and how it is summarised."""

    metric: str
    split: str
    record: str
    of_reference: bool
    ensemble: bool = False


QUANTITIES = (
    Quantity("function_distance", "test", "last", of_reference=True),
    Quantity("function_distance_of_mean", "test", "last", of_reference=True, ensemble=True),
    Quantity("ntk_distance_frobenius", "train", "first", of_reference=True),
    Quantity("ntk_change_frobenius", "train", "last", of_reference=False),
)


@dataclass(frozen=True)
class Comparison:
    """One subject against one reference on one task: ``by_width`` has a row per width, ``rates`` one per quantity."""

    task: str
    architecture: str
    label: str
    reference: str
    facts: dict[str, Any]
    by_width: pd.DataFrame
    rates: pd.DataFrame


def comparisons(results: Results) -> Iterator[Comparison]:
    """Yield a comparison for each task, architecture, subject and reference among the cells that are ok."""
    cells = results.cells[results.cells["status"] == "ok"].copy()
    if cells.empty:
        return
    cells["architecture"] = [architecture_name(row) for _, row in cells.iterrows()]
    measured = results.measurements.merge(
        cells[["cell_id", "task", "architecture", "label", "role", "width"]], on="cell_id", how="inner"
    )
    rates, judged = convergence_rates(results), judged_rates(results)
    subjects = cells[(cells["role"] == "subject") & cells["width"].notna()].sort_values("task", key=_order(results))
    for (task, architecture, label), group in subjects.groupby(["task", "architecture", "label"], sort=False):
        rows = measured[(measured["task"] == task) & (measured["architecture"] == architecture)]
        own = rows[rows["label"] == label]
        for reference in own["reference"].dropna().unique():
            yield Comparison(
                task=task,
                architecture=architecture,
                label=label,
                reference=reference,
                facts=_facts(group),
                by_width=_by_width(own, rows, group, reference),
                rates=_rates(rates, judged, {"task": task, "architecture": architecture, "label": label}, reference),
            )


def _order(results: Results) -> Callable[[pd.Series[Any]], pd.Series[Any]]:
    """Return a sort key that puts tasks in the order of the studies."""
    names = dict.fromkeys(entry["name"] for run in results.runs for entry in run["resolved"]["task"])
    position = {name: place for place, name in enumerate(names)}
    return lambda tasks: tasks.map(position)


def _facts(group: pd.DataFrame) -> dict[str, Any]:
    first = group.iloc[0]
    names = ("n_train", "n_test", "n_features", "n_outputs", "steps", "learning_rate", "seed", "dtype")
    return {name: first[name] for name in names} | {"splits": group["split_index"].nunique()}


def _by_width(own: pd.DataFrame, rows: pd.DataFrame, cells: pd.DataFrame, reference: str) -> pd.DataFrame:
    kernel = _pick(rows[rows["label"] == reference], "rmse", "test", "last")["value"].mean()
    table = []
    for width, group in own.groupby("width"):
        errors = _pick(group, "rmse", "test", "last")
        line: dict[str, Any] = {
            "width": int(width),
            "members": int(cells.loc[cells["width"] == width, "members"].iloc[0]),
            "rmse_members": errors.loc[errors["member"].notna(), "value"].mean(),
            "rmse_mean": errors.loc[errors["member"].isna(), "value"].mean(),
            "rmse_kernel": kernel,
        }
        for quantity in QUANTITIES:
            line |= _distance(group, quantity, reference)
        table.append(line)
    return pd.DataFrame(table).sort_values("width", ignore_index=True)


def _pick(rows: pd.DataFrame, metric: str, split: str, record: str) -> pd.DataFrame:
    """Return the rows of a metric at the first or last time of each cell."""
    rows = rows[(rows["metric"] == metric) & (rows["split"] == split)]
    times = rows.groupby("cell_id")["time"]
    return rows[rows["time"] == times.transform("min" if record == "first" else "max")]


def _distance(group: pd.DataFrame, quantity: Quantity, reference: str) -> dict[str, float]:
    """Return a distance at one width and its standard error: RMS over members, or the ensemble's own."""
    picked = _pick(group, quantity.metric, quantity.split, quantity.record)
    if quantity.of_reference:
        picked = picked[picked["reference"] == reference]
    name = quantity.metric
    if quantity.ensemble:
        error = _pick(group, f"{name}_standard_error", quantity.split, quantity.record)
        floor = _pick(group, f"{name}_floor", quantity.split, quantity.record)
        return {
            name: picked["value"].mean(),
            f"{name}_se": error.loc[error["reference"] == reference, "value"].mean(),
            f"{name}_floor": floor.loc[floor["reference"] == reference, "value"].mean(),
        }
    squares = picked.assign(square=picked["value"] ** 2).groupby("member")["square"].mean()
    value = float(np.sqrt(squares.mean())) if len(squares) else np.nan
    spread = squares.std(ddof=1) / np.sqrt(len(squares)) if len(squares) > 1 else np.nan
    return {name: value, f"{name}_se": spread / (2 * value) if value else np.nan}


def _rates(rates: pd.DataFrame, judged: pd.DataFrame, subject: dict[str, str], reference: str) -> pd.DataFrame:
    """Return the fitted exponents of one comparison beside what is expected of them."""
    mine = rates[rates["reference"].isna() | (rates["reference"] == reference)]
    for key, value in subject.items():
        mine = mine[mine[key] == value]
    keys = ["task", "architecture", "label", "reference", "metric"]
    verdicts = judged.rename(columns={"quantity": "metric"})
    expected = verdicts[[*keys, "claim", "expected", "band_low", "band_high", "verdict"]]
    return mine.merge(expected, on=keys, how="left")
