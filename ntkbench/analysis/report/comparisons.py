"""The comparison as a table: one row per width, what the networks did beside what the kernel says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...store.read import Results, load
from ..estimation.rates import convergence_rates, in_common_splits, subject_cells
from ..verdicts.judge import judged_rates


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


@dataclass(frozen=True)
class Comparison:
    """One subject against one reference (None: none) on one task.

    ``by_width`` has a row per width, ``rates`` one per fitted quantity, ``cell_ids`` are the subject's cells by
    ascending width and ``facts`` what they have in common.
    """

    task: str
    architecture: str
    label: str
    reference: str | None
    facts: dict[str, Any]
    cell_ids: tuple[str, ...]
    by_width: pd.DataFrame
    rates: pd.DataFrame


def comparisons(results: Results) -> Iterator[Comparison]:
    """Yield a comparison for each run, task, architecture, subject and reference, in the order of the study."""
    for path in results.paths:
        yield from _of_one_run(results if len(results.paths) == 1 else load(path))


def _of_one_run(results: Results) -> Iterator[Comparison]:
    cells = subject_cells(results.cells).sort_values("task", key=_order(results), kind="stable")
    if cells.empty:  # nothing to compare, so nothing more to read
        return
    measured = results.measurements.merge(cells[["cell_id", "width"]], on="cell_id", how="inner")
    judged = _judged(results)
    for key, group in cells.groupby(["task", "architecture", "label"], sort=False):
        task, architecture, label = map(str, key)
        rows = in_common_splits(measured[measured["cell_id"].isin(group["cell_id"])])
        mine = judged[(judged["task"] == task) & (judged["architecture"] == architecture) & (judged["label"] == label)]
        named: list[str | None] = [str(name) for name in rows["reference"].dropna().unique()]
        for reference in named or [None]:
            yield Comparison(
                task=task,
                architecture=architecture,
                label=label,
                reference=reference,
                facts=_facts(results.cells[results.cells["cell_id"].isin(group["cell_id"])]),
                cell_ids=tuple(group.sort_values("width")["cell_id"]),
                by_width=_by_width(rows, _kernel_error(results.measurements, rows, reference), reference),
                rates=mine[mine["reference"].isna() | (mine["reference"] == reference)],
            )


def _order(results: Results) -> Callable[[pd.Series[Any]], pd.Series[Any]]:
    """Return a sort key that puts tasks in the order of the study."""
    names = dict.fromkeys(entry["name"] for run in results.runs for entry in run["resolved"]["task"])
    position = {name: place for place, name in enumerate(names)}
    return lambda tasks: tasks.map(lambda task: position[task.split()[0]])


def _judged(results: Results) -> pd.DataFrame:
    """Return the fitted exponents beside what is expected of them, where anything is."""
    keys = ["task", "architecture", "label", "reference", "metric"]
    verdicts = judged_rates(results).rename(columns={"quantity": "metric"})
    expected = verdicts[[*keys, "claim", "expected", "band_low", "band_high", "verdict", "reason"]]
    return convergence_rates(results).merge(expected, on=keys, how="left")


def _facts(cells: pd.DataFrame) -> dict[str, Any]:
    first = cells.iloc[0]
    names = ("n_train", "n_test", "n_features", "n_outputs", "steps", "learning_rate", "seed", "dtype")
    return {name: first[name] for name in names} | {"splits": cells["split_index"].nunique()}


def _kernel_error(measurements: pd.DataFrame, rows: pd.DataFrame, reference: str | None) -> float:
    """Return the reference's own test RMSE at the time nearest to the networks' last, mean over splits."""
    used = rows.loc[rows["reference"] == reference, "reference_cell_id"].unique()
    errors = measurements[
        (measurements["metric"] == "rmse") & (measurements["split"] == "test") & measurements["cell_id"].isin(used)
    ]
    apart = (errors["time"] - rows["time"].max()).abs()
    return float(errors.loc[apart == apart.groupby(errors["cell_id"]).transform("min"), "value"].mean())


def _by_width(rows: pd.DataFrame, kernel_error: float, reference: str | None) -> pd.DataFrame:
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
            "rmse_kernel": kernel_error,
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
