"""What was chosen among lists of values, split by split, and how often that was the end of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import Page, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from ntkbench.plugin import ResultTables

_CHOSEN, _AT_GRID_EDGE = "chosen_", "_at_grid_edge"
_NO_LIST = "-"


def choices(results: ResultTables) -> Page:
    """Return a row per set and method that had lists: of each setting the range over splits, and the ends taken.

    :raises StoreError: where no backend says what it chose.
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
            if any(text != _NO_LIST for text in found):
                lines.append((task.removeprefix("uci/"), label, *found))
    return Page(
        "What was chosen on the rows for validation",
        ("data set", "method", *settings),
        tuple(lines),
        (
            "Least to greatest over splits; in brackets in how many of them the choice was the least or the greatest "
            "value of its list, beyond which a better one may lie; - where there was no list.",
        ),
    )


def _range(rows: pd.DataFrame, setting: str) -> str:
    chosen = rows[rows["metric"] == _CHOSEN + setting]["value"]
    ends = rows[rows["metric"] == setting + _AT_GRID_EDGE]["value"]
    if ends.empty:
        return _NO_LIST
    low, high = chosen.min(), chosen.max()
    text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{text} ({int(ends.sum())} of {len(ends)} at an end)" if ends.any() else text
