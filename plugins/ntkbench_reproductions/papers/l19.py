"""Figures after Lee et al. 2019 (arXiv:1902.06720), of the studies ``l19-fig1`` and ``l19-fig4``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench import convergence_rates
from ntkbench.plugin import COLOURS, DASHES, MARKERS, THEORY_COLOUR, StoreError

from ..layout import by_time, measured, panels, widths_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ntkbench import Results
    from ntkbench.plugin import ResultTables

_POINTS = 6  # test points whose outputs are drawn


def change_by_width(results: Results) -> Figure:
    """Return L19 Fig. 1: relative change of weights (C5) and of the tangent kernel (C4) during training, by width.

    Means over networks after the last step with standard errors, and the exponents of :func:`convergence_rates`.
    Several middle layers count by their root mean square. Black lines have the slopes -1/2 and -1.

    :raises StoreError: if one of the metrics is missing.
    """
    weights = _last(measured(results, "weight_change_relative"))
    kernels = _last(measured(results, "ntk_change_frobenius", split="train"))
    deepest = int(weights["component"].max())
    layers = {"first": [0], "middle": list(range(1, deepest)), "last": [deepest]}
    figure, (left, right) = panels(2)
    for (name, chosen), colour, marker in zip(layers.items(), COLOURS, MARKERS, strict=False):
        rows = _over_layers(weights[weights["component"].isin(chosen)])
        label = f"{name} weights{_exponent(results, f'weight_change_{name}')}"
        _draw_change(left, rows, label, colour, marker)
        _draw_slope(left, rows, -1.0 if name == "middle" else -0.5, label=name != "last")
    label = f"tangent kernel{_exponent(results, 'ntk_change_frobenius')}"
    _draw_change(right, kernels, label, COLOURS[3], MARKERS[3])
    for slope in (-0.5, -1.0):
        _draw_slope(right, kernels, slope)
    for panel in (left, right):
        _label_widths(panel, widths_of(weights))
        panel.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    left.set_ylabel("change of weights |W(T) − W(0)| / |W(0)|")
    right.set_ylabel("change of the tangent kernel |Θ(T) − Θ(0)| / |Θ(0)|")
    figure.suptitle("L19 Fig. 1: change during training against width, with fitted exponents and 95 % intervals")
    return figure


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    last: pd.DataFrame = rows[rows["time"] == rows.groupby("cell_id")["time"].transform("max")]
    return last


def _over_layers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the root mean square over layers of each network (width, member, value)."""
    squares = rows.assign(value=rows["value"] ** 2).groupby(["width", "member"], as_index=False)["value"].mean()
    roots: pd.DataFrame = squares.assign(value=np.sqrt(squares["value"]))
    return roots


def _exponent(results: Results, quantity: str) -> str:
    rates = convergence_rates(results, metric=quantity)
    if rates.empty or not np.isfinite(rates["exponent"].iloc[0]):
        return ""
    first = rates.iloc[0]
    return f": {first['exponent']:.2f} [{first['ci_low']:.2f}, {first['ci_high']:.2f}]"


def _draw_change(panel: Axes, rows: pd.DataFrame, label: str, colour: str, marker: str) -> None:
    by_width = rows.groupby("width")["value"]
    values, errors = by_width.mean().to_numpy(dtype=float), by_width.sem().to_numpy(dtype=float)
    lower = np.minimum(np.nan_to_num(errors), 0.99 * values)  # a logarithmic axis cannot show a bar down to zero
    bars = np.stack([lower, np.nan_to_num(errors)])
    panel.errorbar(widths_of(rows), values, bars, fmt=marker, color=colour, capsize=3, label=label)


def _draw_slope(panel: Axes, rows: pd.DataFrame, slope: float, *, label: bool = True) -> None:
    """Draw a power of the width through the mean at the largest width."""
    widths = np.array(widths_of(rows), dtype=float)
    line = float(rows.loc[rows["width"] == widths[-1], "value"].mean()) * (widths / widths[-1]) ** slope
    dashes, name = ("--", "slope −1/2") if slope == -0.5 else (":", "slope −1")
    panel.plot(widths, line, color=THEORY_COLOUR, linestyle=dashes, linewidth=1, label=name if label else None)


def _label_widths(panel: Axes, widths: list[int]) -> None:
    panel.set(xscale="log", yscale="log", xlabel="hidden width n")
    panel.set_xticks(widths, [str(width) for width in widths])
    panel.xaxis.minorticks_off()


def linearized_training(results: ResultTables) -> Figure:
    """Return networks beside their own linearizations during training (C6): outputs, loss, and their distance.

    Left: outputs of the first member of the widest ensemble at a few test points. Middle: training and test loss of
    the narrowest and the widest ensemble, mean over members. Right: ``linearization_distance`` on test points. The
    linearizations are the subject with the backend ``features``; its members start from the same networks.

    :raises StoreError: if a metric or the linearizations' predictions are missing.
    """
    labels = results.cells.drop_duplicates("label").set_index("label")["backend"]
    linear = [str(label) for label, backend in labels.items() if backend == "features"]
    if not linear:
        raise StoreError('no subject with the backend "features" to draw as linearization')
    figure, (outputs, losses, distances) = panels(3, width=5.4)
    _draw_outputs(outputs, results, linear[0])
    _draw_losses(losses, results, linear[0])
    _draw_distances(distances, results)
    for panel in (outputs, losses, distances):
        panel.set_xlabel("steps of gradient descent")
        panel.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
    figure.suptitle("After L19 Fig. 4: networks and their linearizations, trained alike")
    return figure


def _draw_outputs(panel: Axes, results: ResultTables, linear: str) -> None:
    cells = results.cells.loc[results.cells["role"] == "subject", ["cell_id", "width", "label"]]
    own = results.predictions[results.predictions["reference"].isna() & (results.predictions["split"] == "test")]
    rows = own.merge(cells[cells["width"] == cells["width"].max()], on="cell_id")
    rows = rows[(rows["member"] == 0) & (rows["output"] == 0) & (rows["point"] < _POINTS)]
    if rows[rows["label"] == linear].empty:
        raise StoreError('no predictions of the linearization to draw; they need store.predictions = "all"')
    for (label, point), one in rows.groupby(["label", "point"]):
        line, is_linear = one.sort_values("step"), label == linear
        style: dict[str, Any] = (
            {"linestyle": "--", "color": THEORY_COLOUR} if is_linear else {"linestyle": "-", "color": COLOURS[0]}
        )
        name = ("linearization" if is_linear else "network") if point == 0 else None
        panel.plot(line["step"], line["value"], linewidth=1.2, label=name, **style)
    panel.set_ylabel("output f(x) at test points, target units")
    panel.set_title(f"outputs at {_POINTS} test points, n = {widths_of(rows)[-1]}", fontsize="medium")


def _draw_losses(panel: Axes, results: ResultTables, linear: str) -> None:
    rows = measured(results, "loss")
    widths = widths_of(rows)
    for split, markers in (("train", "o"), ("test", "s")):
        for width, colour in zip(dict.fromkeys([widths[0], widths[-1]]), COLOURS, strict=False):
            mine = rows[(rows["split"] == split) & (rows["width"] == width)]
            for is_linear in (False, True):
                mean = mine[(mine["label"] == linear) == is_linear].groupby("step")["value"].mean()
                name = f"{split}, n = {width}" + (", linearized" if is_linear else "")
                style: dict[str, Any] = {"linestyle": "--" if is_linear else "-", "marker": markers, "markersize": 3}
                panel.plot(mean.index, mean.to_numpy(), color=colour, alpha=0.8, linewidth=1.2, label=name, **style)
    panel.set(yscale="log", ylabel="loss C, mean over networks")
    panel.set_title("loss on training and test points", fontsize="medium")


def _draw_distances(panel: Axes, results: ResultTables) -> None:
    rows = measured(results, "linearization_distance", split="test")
    steps_of = rows.drop_duplicates("time").set_index("time")["step"]
    for width, colour, dashes in zip(widths_of(rows), COLOURS, DASHES, strict=False):
        times, values = by_time(rows[rows["width"] == width])
        steps = steps_of.reindex(times).to_numpy(dtype=float)
        low, middle, high = np.nanpercentile(values, (10, 50, 90), axis=0)
        panel.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        panel.plot(steps, middle, color=colour, linestyle=dashes, label=f"n = {width}")
    panel.set(yscale="log", ylabel="distance of network and linearization, RMS, target units")
    panel.set_title("distance on test points: median, 10th to 90th percentile", fontsize="medium")
