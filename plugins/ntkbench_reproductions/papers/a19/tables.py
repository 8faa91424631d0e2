"""Pages of the NTK classifier: its row of Table 1, each data set, and the leakage from choosing on test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import Page

from ...statistics.paired import mean_interval
from .accuracies import PREFIX, accuracies_by_set, row_cells, split_counts, table_row
from .published import ALL_SETS, FILE, KERNEL_ROW, ROWS, published_accuracies

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ntkbench.plugin import ResultTables

_NAMED = 10  # data sets


def table_1(results: ResultTables) -> Page:
    """Return the NTK row of A19 Table 1; with all data sets, the published row and the difference too."""
    accuracy = accuracies_by_set(results, "ntk")
    published = published_accuracies()
    found = table_row(accuracy, published)
    ours = {name: getattr(found, name) for name in KERNEL_ROW}
    lines = [("ntk, here", *row_cells(ours))]
    if found.sets == ALL_SETS:
        lines.append((ROWS["ntk"][0], *row_cells(KERNEL_ROW)))
        difference = {name: ours[name] - KERNEL_ROW[name] for name in KERNEL_ROW}
        lines.append(("difference", *(f"{difference[name]:+.2f}" for name in ("rank", "average", "p90", "p95", "pma"))))
    notes = [
        f"{found.sets} of {ALL_SETS} data sets; test accuracy in %, mean of "
        f"{split_counts(results, 'a19', accuracy.index)} resamples, +- the standard deviation over data sets. "
        "P90, P95: % of data sets with at least 90, 95 % of the best published accuracy; PMA: accuracy in % of it.",
        "Depth, fixed layers and C are chosen on halves of each data set that overlap its test rows, as in A19.",
        _cut_short(results),
    ]
    if published is None:
        notes.append(f"Rank, P90, P95 and PMA need the published accuracies, {FILE}, in the data folder.")
    if found.sets < ALL_SETS:
        notes.append("The published row covers all data sets: --size full.")
    headings = ("classifier", "Friedman rank", "average accuracy", "P90", "P95", "PMA")
    return Page("A19 Table 1: the NTK classifier on small UCI data sets", headings, tuple(lines), tuple(notes))


def by_data_set(results: ResultTables) -> Page:
    """Return the accuracy on each data set with the chosen settings, beside the best published classifier."""
    headings = ("data set", "accuracy", "best published", "by", "depth p", "fixed layers q", "C")
    notes = ("Test accuracy in %, mean of the resamples; best published: of 179 classifiers on that data set.",)
    return Page("The NTK classifier on each data set, and what it chose", headings, tuple(_set_lines(results)), notes)


def _set_lines(results: ResultTables) -> Iterator[tuple[str, ...]]:
    accuracy, published = accuracies_by_set(results, "ntk"), published_accuracies()
    chosen = results.measurements[results.measurements["metric"].str.startswith("chosen_")]
    chosen = chosen.merge(results.cells[["cell_id", "task"]], on="cell_id")
    table = chosen[chosen["split_index"] == 0].pivot_table(index="task", columns="metric", values="value")
    for name, value in accuracy.items():
        settings = table.loc[[f"{PREFIX}{name}"]]
        depth, fixed, c = (float(settings[f"chosen_{key}"].iloc[0]) for key in ("depth", "fixed_layers", "c"))
        best = ("-", "-") if published is None else _best(published.T[str(name)])
        yield str(name), f"{value:.2f}", *best, f"{depth:g}", f"{fixed:g}", f"{c:g}"


def _best(accuracies: pd.Series[float]) -> tuple[str, str]:
    return f"{accuracies.max():.1f}", str(accuracies.idxmax())


def leakage(results: ResultTables) -> Page:
    """Return the average accuracy under both protocols, and their difference paired by data set."""
    protocols = {name: accuracies_by_set(results, "ntk", name) for name in ("a19", "nested")}
    both = sorted(set(protocols["a19"].index) & set(protocols["nested"].index))
    difference = (protocols["a19"] - protocols["nested"]).loc[both]
    low, high = mean_interval(np.asarray(difference, dtype=np.float64))
    lines = [
        (name, str(len(both)), split_counts(results, name, both), f"{found.loc[both].mean():.2f}", "")
        for name, found in protocols.items()
    ]
    lines.append(("a19 minus nested", str(len(both)), "", f"{difference.mean():+.2f}", f"[{low:+.2f}, {high:+.2f}]"))
    return Page(
        "Leakage: how much choosing on test rows raises the accuracy of the NTK classifier",
        ("protocol", "data sets", "splits", "average accuracy", "95 % interval"),
        tuple(lines),
        (
            "Test accuracy in %, mean over splits, then over data sets. The interval is Student's t over the "
            "differences of the data sets, which include the noise of different test rows.",
            _cut_short(results),
        ),
    )


def _cut_short(results: ResultTables) -> str:
    rows = results.measurements[results.measurements["metric"] == "fits_cut_short"]
    rows = rows.merge(results.cells[["cell_id", "task"]], on="cell_id")
    cut = rows[rows["value"] > 0]
    names = sorted(cut["task"].str.removeprefix(PREFIX).unique())
    if not names:
        return "libsvm converged in every fit."
    where = ", ".join(names) if len(names) <= _NAMED else "see the metric fits_cut_short of each cell"
    return f"libsvm stopped at max_iter in some fits on {len(names)} data sets ({where})."
