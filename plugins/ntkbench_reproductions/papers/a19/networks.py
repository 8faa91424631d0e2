"""Rows NN of A19 Table 1: networks beside the NTK on the same data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import Page, StoreError

from ...statistics.paired import mean_interval
from .accuracies import accuracies_by_set, row_cells, table_row
from .published import ALL_SETS, ROWS, published_accuracies

if TYPE_CHECKING:
    import pandas as pd

    from ntkbench.plugin import ResultTables

_KERNEL = "ntk"


def networks(results: ResultTables) -> Page:
    """Return a row of A19 Table 1 per label, on the data sets they share; with all of them, the published rows too."""
    table = shared_accuracies(results)
    published = published_accuracies()
    lines = []
    for label in table:
        cells = row_cells(vars(table_row(table[label], published)))
        lines.append((f"{label}, here", *cells, _difference(table, str(label))))
    if len(table) == ALL_SETS:
        lines += [(name, *row_cells(numbers), "") for name, numbers in ROWS.values()]
    notes = [
        f"{len(table)} of {ALL_SETS} data sets; test accuracy in % after the last step, mean of the resamples, +- the "
        "standard deviation over data sets; P90, P95 and PMA as in A19, against published classifiers. "
        "Last column: mean difference over data sets with Student's 95 % interval.",
        f"Trained {_budget(results)}. Depth and learning rate are chosen on halves that overlap the test rows, as in "
        "A19.",
        _diverged(results),
    ]
    if published is None:
        notes.append("Rank, P90, P95 and PMA need the table of published accuracies in the data folder.")
    if len(table) < ALL_SETS:
        notes.append("The published rows cover all data sets, 2,000 steps and up to 5 hidden layers: --size full.")
    else:
        notes.append("The published rows of networks are quoted from memory: check them against the paper.")
    headings = ("classifier", "Friedman rank", "average accuracy", "P90", "P95", "PMA", f"minus {_KERNEL}")
    return Page("A19 Table 1: networks beside the NTK on the same data sets", headings, tuple(lines), tuple(notes))


def networks_by_data_set(results: ResultTables) -> Page:
    """Return the accuracy of each label on each data set, with the depth and learning rate chosen for networks."""
    table = shared_accuracies(results)
    chosen = {label: _chosen(results, str(label)) for label in table if label != _KERNEL}
    lines = []
    for name, values in table.iterrows():
        settings = [found.get(str(name), "-") for found in chosen.values()]
        lines.append((str(name), *(f"{value:.2f}" for value in values), *settings))
    headings = ("data set", *map(str, table), *(f"{label}: hidden layers, learning rate" for label in chosen))
    notes = ("Test accuracy in % after the last step, mean of the resamples.", _diverged(results))
    return Page("Networks and the NTK on each data set, and what was chosen", headings, tuple(lines), notes)


def shared_accuracies(results: ResultTables) -> pd.DataFrame:
    """Return accuracies in per cent, data sets by labels in the study's order, where every label has one.

    :raises StoreError: if there are none.
    """
    import pandas as pd

    table = pd.DataFrame({label: accuracies_by_set(results, label) for label in results.labels}).dropna()
    if table.empty:
        raise StoreError(f"no data set on which all of {', '.join(results.labels)} have an accuracy")
    return table


def _difference(table: pd.DataFrame, label: str) -> str:
    if label == _KERNEL or _KERNEL not in table:
        return ""
    difference = np.asarray(table[label] - table[_KERNEL], dtype=np.float64)
    low, high = mean_interval(difference)
    return f"{difference.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


def _chosen(results: ResultTables, label: str) -> dict[str, str]:
    """Return the depth and the learning rate chosen on each data set, from its first split."""
    rows = results.measurements[results.measurements["metric"].isin(["chosen_depth", "chosen_learning_rate"])]
    cells = results.cells[results.cells["label"] == label]
    found = rows.merge(cells[["cell_id", "task"]], on="cell_id")
    table = found[found["split_index"] == 0].pivot_table(index="task", columns="metric", values="value")
    return {
        str(task).rpartition("/")[2]: f"{row['chosen_depth']:g}, {row['chosen_learning_rate']:g}"
        for task, row in table.iterrows()
    }


def _budget(results: ResultTables) -> str:
    """Return how many steps and which widths networks were trained with, for a note."""
    steps = sorted({int(run["resolved"]["training"]["steps"]) for run in results.runs})
    widths = sorted({int(width) for width in results.cells["width"].dropna()})
    return f"{' or '.join(f'{step:,}' for step in steps)} steps at width {' or '.join(map(str, widths))}"


def _diverged(results: ResultTables) -> str:
    lost = results.cells[results.cells["status"] == "diverged"]
    if lost.empty:
        return "No chosen network diverged."
    counts = ", ".join(f"{label} {count}" for label, count in lost["label"].value_counts().items())
    return f"Chosen networks that diverged in training, left out of the means: {counts}."
