"""Figures 1 to 3 of Jacot, Gabriel and Hongler 2018 (arXiv:1806.07572), of the studies ``j18-fig1`` to ``j18-fig3``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.plugin import BAND_COLOUR, COLOURS, DASHES, THEORY_COLOUR, StoreError

from ..layout import (
    by_time,
    closed,
    grid_angles,
    label_angles,
    legend_below,
    measured,
    panels,
    task_parameters,
    widths_of,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ntkbench.plugin import Float, ResultTables

_TENTH = 1.2815515655446004  # the normal distribution's 90th percentile, in standard deviations


def kernel_slice(results: ResultTables) -> Figure:
    """Return J18 Fig. 1: Theta(x_0, x) on the circle for networks before and after training, and the limit (C2, C4).

    One panel per width. It draws the metric ``ntk_slice`` of networks and of a reference; ``component`` is the test
    point.

    :raises StoreError: if the metric is missing.
    """
    rows, limit = measured(results, "ntk_slice"), _limit_slice(results)
    widths = widths_of(rows)
    figure, axes = panels(len(widths), share_y=True)
    for panel, width in zip(axes, widths, strict=True):
        mine = rows[rows["width"] == width]
        first, last = mine["time"].min(), mine["time"].max()
        _draw_slices(panel, mine[mine["time"] == first], COLOURS[0], "--", f"networks, t = {first:g}")
        if last > first:
            _draw_slices(panel, mine[mine["time"] == last], COLOURS[1], "-", f"networks, t = {last:g}")
        panel.plot(grid_angles(len(limit)), closed(limit), color=THEORY_COLOUR, linewidth=2, label="limit Θ, n = ∞")
        panel.set_title(f"n = {width}, {mine['member'].nunique()} networks")
    axes[0].set_ylabel("tangent kernel Θ(x₀, x), x₀ = (1, 0)")
    label_angles(axes)
    legend_below(figure, axes[0])
    figure.suptitle("J18 Fig. 1: the tangent kernel before and after training")
    return figure


def _limit_slice(results: ResultTables) -> Float:
    rows = measured(results, "ntk_slice", role="reference")
    one = rows[rows["cell_id"] == rows["cell_id"].iloc[0]].drop_duplicates("component")
    values: Float = one.sort_values("component")["value"].to_numpy(dtype=float)
    return values


def _draw_slices(panel: Axes, rows: pd.DataFrame, colour: str, dashes: str, label: str) -> None:
    for count, (_, one) in enumerate(rows.groupby("member")):
        values = one.sort_values("component")["value"].to_numpy(dtype=float)
        style: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 0.9, "alpha": 0.8}
        panel.plot(grid_angles(len(values)), closed(values), label=label if count == 0 else None, **style)


def function_law(results: ResultTables) -> Figure:
    """Return J18 Fig. 2: trained networks on the circle, with the median and percentiles of the limit's law (C8).

    One panel per width; the 10th and 90th percentiles are the law's mean -+ 1.2816 standard deviations.

    :raises StoreError: if there are no predictions of networks, or no reference with a variance.
    """
    median, spread = _law(results)
    networks = _last_outputs(results, "subject")
    widths = widths_of(networks)
    figure, axes = panels(len(widths), share_y=True)
    angles = grid_angles(len(median))
    for panel, width in zip(axes, widths, strict=True):
        low, high = closed(median - _TENTH * spread), closed(median + _TENTH * spread)
        panel.fill_between(angles, low, high, color=BAND_COLOUR, alpha=0.6, label="limit: 10th to 90th percentile")
        _draw_networks(panel, networks[networks["width"] == width])
        for edge in (low, high):
            panel.plot(angles, edge, color=THEORY_COLOUR, linestyle=":", linewidth=1)
        panel.plot(angles, closed(median), color=THEORY_COLOUR, linestyle="--", linewidth=2, label="limit: median")
        _draw_training_points(panel, results)
    axes[0].set_ylabel("network function f(x), target units")
    label_angles(axes)
    legend_below(figure, axes[0])
    time = networks["time"].iloc[0]
    figure.suptitle(f"J18 Fig. 2: network functions near convergence, t = {time:g}, and the law of the limit")
    return figure


def _draw_networks(panel: Axes, rows: pd.DataFrame) -> None:
    for count, (_, one) in enumerate(rows.groupby("member")):
        values = one.sort_values("point")["value"].to_numpy(dtype=float)
        label = "networks" if count == 0 else None
        panel.plot(grid_angles(len(values)), closed(values), color=COLOURS[1], linewidth=0.9, alpha=0.8, label=label)
    panel.set_title(f"n = {int(rows['width'].iloc[0])}, {rows['member'].nunique()} networks")


def _draw_training_points(panel: Axes, results: ResultTables) -> None:
    """Mark the training points if the task's parameters determine them: even angles, no noise."""
    parameters = task_parameters(results)
    if parameters.get("angles") != "even" or parameters.get("noise"):
        return
    angles = -np.pi + 2 * np.pi * (np.arange(parameters["n_train"]) + 0.5) / parameters["n_train"]
    panel.plot(angles, np.sin(2 * angles) / 2, "o", color=COLOURS[0], zorder=5, label="training points")


def _last_outputs(results: ResultTables, role: str) -> pd.DataFrame:
    """Return own predictions on test points at each cell's last time; for networks, only the members' rows."""
    cells = results.cells.loc[results.cells["role"] == role, ["cell_id", "width", "label"]]
    rows = results.predictions[results.predictions["reference"].isna() & (results.predictions["split"] == "test")]
    found: pd.DataFrame = rows.merge(cells, on="cell_id")
    if role == "subject":
        found = found[found["member"].notna()]
    return found[found["time"] == found.groupby("cell_id")["time"].transform("max")]


def _law(results: ResultTables) -> tuple[Float, Float]:
    """Return mean and standard deviation (M,) of the first reference at its last time."""
    rows = _last_outputs(results, "reference")
    rows = rows[rows["variance"].notna()]
    if rows.empty:
        raise StoreError("no reference has predictions with a variance to draw")
    one = rows[rows["cell_id"] == rows["cell_id"].iloc[0]].sort_values("point")
    return one["value"].to_numpy(dtype=float), np.sqrt(one["variance"].to_numpy(dtype=float))


def component_path(results: ResultTables) -> Figure:
    """Return J18 Fig. 3 b and c: the deviation of f_t from a straight line, the distance left along it (C9, C15).

    The target minus f_0 is a multiple of component i of the kernel, so the limit's f_t moves on a line. With the
    training RMSE r and the ``kernel_residual`` c along the component, the distance from that line is sqrt(r^2 - c^2)
    in the norm of p^in. For each width: the median network, and the band from the 10th to the 90th percentile.

    :raises StoreError: if one of the metrics is missing.
    """
    index = task_parameters(results)["component"] - 1
    left, errors = measured(results, "kernel_residual", split="train"), measured(results, "rmse", split="train")
    left = left[left["component"] == index]
    if left.empty:
        raise StoreError(f"no rows of kernel_residual along component {index}: its eigenvalue is not simple")
    figure, (line, along) = panels(2)
    widths = widths_of(left)
    for width, colour, dashes in zip(widths, COLOURS, DASHES, strict=False):
        times, c = by_time(left[left["width"] == width])
        _, r = by_time(errors[errors["width"] == width])
        label = f"n = {width}, {len(c)} networks"
        _draw_band(line, times, np.sqrt(np.maximum(r**2 - c**2, 0)), colour, dashes, label)
        _draw_band(along, times, c, colour, dashes, label)
    _draw_limit(line, along, results, index, times)
    line.set_ylabel("deviation from the straight line, RMS over training points")
    along.set(yscale="log", ylabel=f"distance to the target along component {index + 1}, RMS")
    for panel in (line, along):
        panel.set_xlabel("time t = learning rate × steps")
    legend_below(figure, along)
    figure.suptitle(f"J18 Fig. 3: training towards kernel principal component {index + 1}")
    return figure


def _draw_band(panel: Axes, times: Float, values: Float, colour: str, dashes: Any, label: str) -> None:
    low, middle, high = np.nanpercentile(values, (10, 50, 90), axis=0)
    panel.fill_between(times, low, high, color=colour, alpha=0.2, linewidth=0)
    panel.plot(times, middle, color=colour, linestyle=dashes, label=label)


def _draw_limit(line: Axes, along: Axes, results: ResultTables, index: int, times: Float) -> None:
    """Draw gradient descent with the limit kernel: no deviation, and a distance of ``scale (1 - eta lambda / N)^k``."""
    spectrum = results.spectra[(results.spectra["component"] == index) & results.spectra["member"].isna()]
    cell = results.cells[results.cells["cell_id"] == spectrum["cell_id"].iloc[0]].iloc[0]
    rate, n = float(cell["learning_rate"]), int(cell["n_train"])
    factor = 1 - rate * float(spectrum["eigenvalue"].iloc[0]) / n
    start = abs(float(spectrum["target_projection"].iloc[0])) / np.sqrt(n)
    style: dict[str, Any] = {"color": THEORY_COLOUR, "linestyle": ":", "linewidth": 2}
    along.plot(times, start * np.abs(factor) ** (times / rate), label="limit, n = ∞", **style)
    line.plot(times, np.zeros_like(times), **style)
