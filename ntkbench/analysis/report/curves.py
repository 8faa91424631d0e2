"""The figure of a claim's study: each judged quantity along its axis, with what theory expects and what was fitted."""

from __future__ import annotations

import math
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from ...plugin.figure_style import COLOURS, MARKERS, THEORY_COLOUR
from ..series.names import task_words
from ..series.quantities import ALL, quantity_name
from .words import distinct_subjects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..series.keys import TaskKey
    from ..verdicts.judge import Finding

_COLOURS = (*COLOURS[:4], THEORY_COLOUR, *COLOURS[4:])
_COLUMNS = 3
_PANEL, _PANEL_HEIGHT, _LEGEND_LINE = 6.2, 5.0, 0.21  # inches
_CHARACTERS = 82  # of a title over one panel
_LINE = 46  # of the words beside an axis
_APART = 1.02  # between curves of limits, which would hide each other
_SMALL = 0.01  # computed numbers below this, such as eigenvalues, are drawn on a logarithmic axis
_AXES = {
    "width": "hidden width n",
    "depth": "depth (hidden layers)",
    "output_scale": "output scale α",
    "learning_rate_multiplier": "learning rate, in units of the study's",
}
_MARKS = (
    "bars: one standard error over members; dashed: the theory; dotted: the floor of sampling, sparse: of rounding; "
    "open: controls, wrong on purpose; last bar of a limit: its value at infinite width, 95 %"
)
_UNITS = {
    "function_distance_relative": "",  # a share
    "function_distance": "RMS on test points, target units",
    "linearization_distance": "RMS on test points, target units",
    "linearization_split": "RMS on test points, target units",
    "ntk_smallest": "",  # a ratio, as its name says
    "ntk": "relative to the kernel",
    "nngp": "relative to the kernel",
    "weight": "relative change",
    "activation": "relative change",
    "bias": "relative change",
}


def draw_curves(found: Sequence[Finding], title: str) -> Figure:
    """Return a figure with a panel per quantity and task; empty findings give an empty figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: dict[tuple[str, TaskKey], list[Finding]] = {}
    for finding in found:
        if finding.rate.metric in ALL and finding.rate.points is None:
            continue  # nothing was measured
        if not finding.must_fail:
            continue  # of graded controls, the scoreboard has a table
        panels.setdefault((finding.rate.metric, finding.rate.key.task), []).append(finding)
    columns = min(_COLUMNS, max(len(panels), 1))
    rows = -(-max(len(panels), 1) // columns)
    legend = _LEGEND_LINE * max((len(group) for group in panels.values()), default=0)
    figure = Figure(figsize=(_PANEL * columns, (_PANEL_HEIGHT + legend) * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for index, ((metric, task), group) in enumerate(panels.items(), start=1):
        _draw_panel(figure.add_subplot(rows, columns, index), metric, task, group)
    figure.suptitle("\n".join(fill(text, int(_CHARACTERS * columns)) for text in (title, _MARKS)), fontsize="medium")
    return figure


def _draw_panel(axes: Axes, metric: str, task: TaskKey, group: Sequence[Finding]) -> None:
    quantity = ALL.get(metric)
    for index, (finding, words) in enumerate(zip(group, distinct_subjects(group, lambda _: ""), strict=True)):
        colour, marker = _COLOURS[index % len(_COLOURS)], MARKERS[(index + index // len(_COLOURS)) % len(MARKERS)]
        legend = _legend(finding, words)
        if quantity is None or finding.rate.points is None:
            _draw_value(axes, index, finding, colour, marker, legend)
        elif quantity.law == "power":
            _draw_power(axes, finding, colour, marker, legend)
        else:
            shift = _APART ** (index - (len(group) - 1) / 2)
            _draw_limit(axes, finding, colour, marker, legend, shift=shift)
    if quantity is not None and quantity.law == "limit":
        _draw_band(axes, group[0])
    if quantity is not None and group[0].rate.points is not None:
        _label_axis(axes, _AXES[quantity.axis], group, log_values=quantity.law == "power")
        unit = next((unit for stem, unit in _UNITS.items() if metric.startswith(stem)), "")
        axes.set_ylabel("\n".join([fill(quantity_name(metric), _LINE), *([unit] if unit else [])]))
    axes.set_title(task_words(task), fontsize="medium")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=1)


def _label_axis(axes: Axes, label: str, group: Sequence[Finding], *, log_values: bool) -> None:
    places = sorted({float(x) for finding in group for x in finding.rate.points["x"]})  # type: ignore[index]
    axes.set(xscale="log", xlabel=label)
    if log_values:
        axes.set_yscale("log")
    shown = places if len(places) < 10 else places[:: -(-len(places) // 8)]
    axes.set_xticks(shown, [f"{place:g}" for place in shown])
    axes.minorticks_off()


def _legend(finding: Finding, words: str) -> str:
    name = f"control: {words}" if finding.negative_control else words
    low, high = finding.rate.fit.interval()
    estimate = finding.rate.fit.estimate
    if math.isnan(low):
        return f"{name}: {finding.verdict}"
    what = f"{estimate:.3g}" if math.isfinite(estimate) else "bound"
    return f"{name}: {what} [{low:.3g}, {high:.3g}] {finding.verdict}"


def _draw_power(axes: Axes, finding: Finding, colour: str, marker: str, legend: str) -> None:
    points = finding.rate.points
    assert points is not None
    x, value = points["x"].to_numpy(dtype=float), points["value"].to_numpy(dtype=float)
    error = np.nan_to_num(points["standard_error"].to_numpy(dtype=float))
    kept = np.isfinite(value) & (value > 0)
    if not kept.any():
        return
    x, value, error = x[kept], value[kept], error[kept]
    bars = np.stack([np.minimum(error, 0.99 * value), error])
    inside = "none" if finding.negative_control else colour
    axes.errorbar(x, value, bars, fmt=marker, color=colour, mfc=inside, capsize=3, markersize=5, label=legend)
    axes.plot(x, value[-1] * (x / x[-1]) ** finding.expectation.value, color=colour, linestyle="--", linewidth=1)
    if "floor" in points and (floor := points["floor"].to_numpy(dtype=float)[kept]).size and np.isfinite(floor).all():
        axes.plot(x, floor, color=colour, linestyle=":", linewidth=1)
    rounding = points.get("rounding")
    if rounding is not None and rounding.notna().any():
        axes.axhline(float(rounding.max()), color=colour, linestyle=(0, (1, 3)), linewidth=1)


def _draw_limit(axes: Axes, finding: Finding, colour: str, marker: str, legend: str, *, shift: float) -> None:
    points = finding.rate.points
    assert points is not None
    x, value = points["x"].to_numpy(dtype=float).copy(), points["value"].to_numpy(dtype=float)
    if "standard_error" not in points:
        axes.plot(x, value, marker, color=colour, markersize=4, label=legend)
        return
    x *= shift
    error = np.nan_to_num(points["standard_error"].to_numpy(dtype=float))
    inside = "none" if finding.negative_control else colour
    axes.errorbar(x, value, error, fmt=marker, color=colour, mfc=inside, capsize=3, markersize=5, label=legend)
    low, high = finding.rate.fit.interval()
    if math.isfinite(low) and math.isfinite(high) and len(x) > 1:
        place = x.max() * 2
        estimate = finding.rate.fit.estimate
        axes.errorbar([place], [estimate], [[estimate - low], [high - estimate]], fmt="_", color=colour, capsize=5)


def _draw_band(axes: Axes, finding: Finding) -> None:
    """Draw the band around what is expected at infinite width."""
    found = finding.expectation
    low, high = found.band_low, found.band_high
    if math.isfinite(low) and math.isfinite(high):
        axes.axhspan(low, high, color="#BBBBBB", alpha=0.5, zorder=0, label=f"expected: {found.value:g}, band")
    axes.axhline(found.value, color="#000000", linestyle="--", linewidth=1, zorder=1)


def _draw_value(axes: Axes, index: int, finding: Finding, colour: str, marker: str, legend: str) -> None:
    """Draw a computed number with its interval, by what it is of; logarithmically if it is small."""
    estimate, (low, high) = finding.rate.fit.estimate, finding.rate.fit.interval()
    reach = [[side if math.isfinite(side) else 0.0] for side in (estimate - low, high - estimate)]
    axes.errorbar([estimate], [index], xerr=reach, fmt=marker, color=colour, capsize=3, label=legend)
    if abs(estimate) < _SMALL:
        axes.set_xscale("symlog", linthresh=1e-12)
    axes.axvline(finding.expectation.value, color="#000000", linestyle="--", linewidth=1)
    axes.set(xlabel=quantity_name(finding.rate.metric), yticks=[])
