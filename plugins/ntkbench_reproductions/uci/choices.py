"""Which hyperparameters were chosen, and how often the choice was at the edge of its grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import Page, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from ntkbench.plugin import ResultTables

_CHOSEN, _AT_GRID_EDGE = "chosen_", "_at_grid_edge"
_NO_GRID = "-"
_NAMES = {"depth": "hidden layers", "weight_std": "σ_w", "bias_std": "σ_b", "gamma": "γ of the RBF kernel"}


def choices(results: ResultTables) -> Page:
    """Return a row per data set and method: of each hyperparameter the range over splits, and choices at a grid's edge.

    :raises StoreError: if no backend recorded a choice.
    """
    rows = results.measurements
    rows = rows[rows["metric"].str.endswith(_AT_GRID_EDGE) | rows["metric"].str.startswith(_CHOSEN)]
    rows = rows.merge(results.cells[["cell_id", "task", "label"]], on="cell_id")
    settings = sorted({name.removesuffix(_AT_GRID_EDGE) for name in rows["metric"] if name.endswith(_AT_GRID_EDGE)})
    if not settings:
        raise StoreError("no choice among several values was recorded")
    lines = []
    for task in sorted(rows["task"].unique()):
        for label in (name for name in results.labels if ((rows["task"] == task) & (rows["label"] == name)).any()):
            mine = rows[(rows["task"] == task) & (rows["label"] == label)]
            found = [_range(mine, setting) for setting in settings]
            if any(text != _NO_GRID for text in found):
                lines.append((task.removeprefix("uci/"), label, *found))
    return Page(
        "Hyperparameters chosen on validation rows",
        ("data set", "method", *(_NAMES.get(name, name.replace("_", " ")) for name in settings)),
        tuple(lines),
        (
            "Smallest to largest choice over splits; in brackets the splits whose choice was at an edge of the grid, "
            "beyond which a better value may lie; - where there was no grid.",
        ),
    )


def _range(rows: pd.DataFrame, setting: str) -> str:
    chosen = rows[rows["metric"] == _CHOSEN + setting]["value"]
    edges = rows[rows["metric"] == setting + _AT_GRID_EDGE]["value"]
    if edges.empty:
        return _NO_GRID
    low, high = chosen.min(), chosen.max()
    text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{text} ({int(edges.sum())} of {len(edges)} at an edge)" if edges.any() else text
