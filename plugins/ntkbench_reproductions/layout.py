"""Shared by the figures: panels, legends, and the rows they draw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.plugin import StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ntkbench.plugin import Float, ResultTables


def panels(count: int, *, share_y: bool = False, width: float = 6.0) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``count`` panels side by side, each with a light grid."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * count, 5.6), layout="constrained")
    axes = list(figure.subplots(1, count, sharey=share_y, squeeze=False)[0])
    for panel in axes:
        panel.grid(visible=True, which="major", alpha=0.3)
    return figure, axes


def legend_below(figure: Figure, axes: Axes, columns: int = 4) -> None:
    """Put the legend of one panel below all of them, clear of the data."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize="small")


def measured(results: ResultTables, metric: str, *, split: str | None = None, role: str = "subject") -> pd.DataFrame:
    """Return the rows of a metric with ``width`` and ``label`` of their cells; for networks, only the members' rows.

    :raises StoreError: if there are none.
    """
    cells = results.cells[results.cells["role"] == role]
    rows = results.measurements[results.measurements["metric"] == metric]
    if split is not None:
        rows = rows[rows["split"] == split]
    if role == "subject":
        rows = rows[rows["member"].notna()]
    found: pd.DataFrame = rows.merge(cells[["cell_id", "label", "width"]], on="cell_id", how="inner")
    if found.empty:
        raise StoreError(f"no rows of {metric} by a {role} to draw")
    return found


def widths_of(rows: pd.DataFrame) -> list[int]:
    """Return the finite widths in a table, ascending."""
    return [int(width) for width in np.sort(rows["width"].dropna().unique())]


def task_parameters(results: ResultTables) -> dict[str, Any]:
    """Return the parameters of the study's one task.

    :raises StoreError: if there is no cell.
    """
    if results.cells.empty:
        raise StoreError("no cells to draw")
    parameters: dict[str, Any] = json.loads(results.cells["task_params_json"].iloc[0])
    return parameters


def grid_angles(count: int) -> Float:
    """Return the angles ``-pi + 2 pi j / M`` of the test points of ``synthetic/circle``, and pi at the end (M + 1,)."""
    return np.asarray(-np.pi + 2 * np.pi * np.arange(count + 1) / count)


def closed(values: Float) -> Float:
    """Return values on the circle's test points with the first repeated at the end."""
    return np.append(values, values[:1])


def label_angles(axes: Sequence[Axes]) -> None:
    """Label the angle of x = (cos g, sin g) in multiples of pi."""
    for panel in axes:
        panel.set_xticks(np.pi * np.array([-1, -0.5, 0, 0.5, 1]), ["−π", "−π/2", "0", "π/2", "π"])
        panel.set_xlabel("angle γ of x = (cos γ, sin γ), rad")


def by_time(rows: pd.DataFrame) -> tuple[Float, Float]:
    """Return the times (T,), ascending, and the members' values (E, T); NaN where a member has none."""
    table = rows.pivot_table(index="member", columns="time", values="value")
    return table.columns.to_numpy(dtype=float), table.to_numpy(dtype=float)
