"""The ratio of the NTK's error to the NNGP's: by data set and activation, and against noise added to the targets."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.plugin import COLOURS, DASHES, MARKERS

from ..layout import legend_below, panels
from ..statistics.paired import paired_test
from .smoothness import ROUGH, activations, log_ratios

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ntkbench.plugin import ResultTables

_SPREAD = 0.4  # share of the step between levels of noise: keeps error bars of different curves side by side
_TICKS = (0.5, 1, 2, 4, 8)


def smoothness_and_noise(results: ResultTables) -> Figure:
    """Draw the ratio of test errors: left by data set and activation, a mark per split; right by the noise added.

    Right: the geometric mean over splits, with Nadeau and Bengio's standard error from two splits on.
    """
    table = log_ratios(results)
    table = table.assign(ratio=np.exp(table["log_ratio"]))
    figure, (left, right) = panels(2, width=6.5)
    names = activations(table)
    _draw_sets(left, table[table["noise"] == 0], names)
    _draw_noise(right, table, names)
    legend_below(figure, left, 3)
    return figure


def _draw_sets(axes: Axes, table: pd.DataFrame, names: list[str]) -> None:
    rough = table[table["activation"] == ROUGH].groupby("task")["log_ratio"].mean().sort_values()
    order = rough.index.tolist()
    for index, activation in enumerate(names):
        rows = table[table["activation"] == activation]
        heights = [order.index(task) + 0.25 * (1 - index) for task in rows["task"]]
        style = {"color": COLOURS[index], "marker": MARKERS[index], "linestyle": "none"}
        axes.plot(rows["ratio"], heights, markersize=4, label=activation, **style)  # type: ignore[arg-type]
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(order)), [str(task).removeprefix("uci/") for task in order], fontsize="small")
    axes.set(xscale="log", xlabel="test error of the NTK / test error of the NNGP, a mark per split")
    axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.minorticks_off()
    axes.set_title("right of 1: the NTK loses", fontsize="medium")


def _draw_noise(axes: Axes, table: pd.DataFrame, names: list[str]) -> None:
    tasks = sorted(table[table["noise"] > 0]["task"].unique())
    levels = sorted(table["noise"].unique())
    curves = list(product(zip(tasks, DASHES, strict=False), enumerate(names)))
    for number, ((task, dash), (index, activation)) in enumerate(curves):
        rows = table[(table["task"] == task) & (table["activation"] == activation)]
        aside = _SPREAD * ((number + 0.5) / len(curves) - 0.5)
        style = {"color": COLOURS[index], "marker": MARKERS[index], "linestyle": dash, "markersize": 4, "capsize": 2}
        _draw_means(axes, rows, levels, aside, style | {"label": f"{task.removeprefix('uci/')}, {activation}"})
    axes.axhline(1, color="black", linewidth=1)
    axes.set_xticks(range(len(levels)), [f"{level:g}" for level in levels])
    axes.set(yscale="log", xlabel="noise added to training targets, standard deviations")
    axes.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.minorticks_off()
    axes.set_ylabel("test error of the NTK / test error of the NNGP")
    axes.set_title("mean over splits; bars: its corrected standard error", fontsize="medium")
    axes.legend(fontsize="small", handlelength=3)  # long enough to show the dashes


def _draw_means(axes: Axes, rows: pd.DataFrame, levels: list[float], aside: float, style: dict[str, Any]) -> None:
    """Draw one curve: the geometric mean ratio at each level of noise, with its error from two splits on."""
    some = {noise: rows[rows["noise"] == noise] for noise in levels if (rows["noise"] == noise).any()}
    tests = {noise: paired_test(part["log_ratio"], part["test_share"].max()) for noise, part in some.items()}
    means = np.exp([test.mean for test in tests.values()])
    factors = np.exp([test.error for test in tests.values()])
    bars = [means - means / factors, means * factors - means] if np.isfinite(factors).any() else None
    axes.errorbar([levels.index(noise) + aside for noise in tests], means, yerr=bars, **style)
