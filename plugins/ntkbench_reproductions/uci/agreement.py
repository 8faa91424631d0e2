"""The distance of networks from the kernel's prediction on each data set, with its candidate explanations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import Page, StoreError

from .spectral import complexity, cumulative_power, effective_dimension, target_alignment

if TYPE_CHECKING:
    import pandas as pd

    from ntkbench.plugin import ResultTables

_MODES = 10
EXPLANATIONS = {
    "effective_dimension": "effective dimension of T at the ridge N / t",
    "cumulative_power": f"share of |y|^2 in the {_MODES} leading modes of T",
    "target_alignment": "alignment of T with y",
    "complexity": "y'(T + N/t)^-1 y / N",
    "unfitted": "share of |y|^2 that the kernel has not fitted at time t",
    "kernel_error": "the kernel's own test error",
    "cka_targets": "centred alignment of the empirical NTK with y, at init",
    "ntk_distance": "distance of the empirical NTK to its limit, at init",
    "ntk_change": "change of the empirical NTK during training",
    "weight_change": "relative change of the weights during training",
    "features": "number of inputs d",
    "time": "training time t",
}
_OBSERVED = {  # column: (metric, at the first step)
    "cka_targets": ("ntk_cka_targets", True),
    "ntk_distance": ("ntk_distance_frobenius", True),
    "ntk_change": ("ntk_change_frobenius", False),
    "weight_change": ("weight_change_relative", False),
}
_OF_MEAN = "function_distance_of_mean"


def agreement_table(results: ResultTables) -> pd.DataFrame:
    """Return a row per data set and width, each number the mean over splits (and members, and layers).

    ``distance`` of single networks; ``distance_of_mean`` of their ensemble mean, with its chance level ``floor``;
    ``kernel_error`` and ``network_error`` (RMSE of the ensemble mean): all on test points after the last step, in
    standard deviations of the test targets. Then the columns of :data:`EXPLANATIONS`.

    :raises StoreError: if no network was compared with a kernel.
    """
    cells = _compared(results)
    means = {
        "distance": _last(results, "function_distance", members=True),
        "distance_of_mean": _last(results, _OF_MEAN),
        "floor": _last(results, f"{_OF_MEAN}_floor"),
        "network_error": _last(results, "rmse"),
    }
    for column, values in means.items():
        cells[column] = cells["cell_id"].map(values) / cells["scale"]
    cells["kernel_error"] = cells["reference_cell_id"].map(_last(results, "rmse")) / cells["scale"]
    for column, (metric, first) in _OBSERVED.items():
        cells[column] = cells["cell_id"].map(_last(results, metric, members=True, first=first))
    cells = cells.join(_of_spectra(results), on=["reference_cell_id"])
    cells["features"] = cells["n_features"].astype(float)
    columns = list(dict.fromkeys([*means, "kernel_error", *EXPLANATIONS]))
    table = cells.groupby(["task", "width"])[columns].mean()
    table["splits"] = cells.groupby(["task", "width"])["split_index"].nunique()
    table["classes"] = cells.groupby(["task", "width"])["labelled"].any()
    return table.reset_index()


def _compared(results: ResultTables) -> pd.DataFrame:
    """Return the cells of networks compared with a kernel, with ``reference_cell_id`` and test targets' ``scale``."""
    rows = results.measurements
    pairs = rows[rows["metric"] == _OF_MEAN][["cell_id", "reference_cell_id"]].drop_duplicates()
    cells = results.cells[results.cells["role"] == "subject"].merge(pairs, on="cell_id")
    if cells.empty:
        raise StoreError("no network of this run was compared with a kernel (metric function_distance)")
    own = results.predictions[results.predictions["reference"].isna() & results.predictions["member"].isna()]
    targets = own[own["split"] == "test"].groupby("cell_id")["target"]
    cells["scale"] = cells["cell_id"].map(targets.std(ddof=0))
    cells["labelled"] = cells["cell_id"].map(targets.nunique()) == 2
    return cells


def _last(results: ResultTables, metric: str, *, members: bool = False, first: bool = False) -> pd.Series[float]:
    """Return a metric by cell after the last step, or before the first: the members' mean, or the ensemble's value."""
    rows = results.measurements
    rows = rows[(rows["metric"] == metric) & (rows["split"].isna() | (rows["split"] != "train") | (metric != "rmse"))]
    rows = rows[rows["member"].notna() == members]
    steps = rows.groupby("cell_id")["step"].transform("min" if first else "max")
    values: pd.Series[float] = rows[rows["step"] == steps].groupby("cell_id")["value"].mean()
    return values


def _of_spectra(results: ResultTables) -> pd.DataFrame:
    """Return the explanations that come from the kernel's spectrum at the last step, by ``reference_cell_id``."""
    import pandas as pd

    rows = {}
    for cell_id, group in results.spectra.groupby("cell_id"):
        ordered = group.sort_values(["component", "output"])
        outputs = ordered["output"].nunique()
        values = ordered["eigenvalue"].to_numpy(dtype=float)[::outputs]
        targets = ordered["target_projection"].to_numpy(dtype=float).reshape(-1, outputs)
        residuals = ordered["residual_projection"].to_numpy(dtype=float).reshape(-1, outputs)
        time = float(ordered["time"].iloc[0])
        rho = len(values) / time
        rows[cell_id] = {
            "effective_dimension": effective_dimension(values, rho),
            "cumulative_power": cumulative_power(targets, _MODES),
            "target_alignment": target_alignment(values, targets),
            "complexity": complexity(values, targets, rho),
            "unfitted": float(np.square(residuals).sum() / np.square(targets).sum()),
            "time": time,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def agreement(results: ResultTables) -> Page:
    """Return the networks' distance to the kernel's prediction, a row per data set, largest distance first."""
    table = agreement_table(results)
    widths = sorted(int(width) for width in table["width"].unique())
    last = table[table["width"] == widths[-1]].set_index("task").sort_values("distance", ascending=False)
    lines = []
    single, mean, floor = (_by_set(table, column) for column in ("distance", "distance_of_mean", "floor"))
    for task, row in last.iterrows():
        known = [(str(task), width) for width in widths]
        singles = [f"{single[key]:.3f}" if key in single else "-" for key in known]
        means = [f"{mean[key]:.3f} ({floor[key]:.3f})" if key in mean else "-" for key in known]
        kind = "two classes" if row["classes"] else "regression"
        errors = (f"{row['kernel_error']:.3f}", f"{row['network_error']:.3f}")
        lines.append((str(task).removeprefix("uci/"), kind, f"{row['splits']:.0f}", *singles, *means, *errors))
    headings = (
        *("data set", "kind", "splits"),
        *(f"one network, n = {width}" for width in widths),
        *(f"ensemble mean, n = {width} (chance)" for width in widths),
        *("kernel's test error", f"ensemble mean's test error, n = {widths[-1]}"),
    )
    return Page(
        "Distance of networks to the kernel's prediction from the same initial function at the same steps",
        headings,
        tuple(lines),
        (
            "RMS over test points after the last step, in standard deviations of the test targets; mean over splits "
            "and networks. In brackets: the distance expected by chance from so many unbiased networks.",
            "Errors are RMSE in the same unit: predicting the mean scores 1. The kernel's error is that of its mean "
            "from f_0 = 0.",
        ),
    )


def _by_set(table: pd.DataFrame, column: str) -> dict[tuple[str, int], float]:
    return {
        (str(task), int(width)): float(value)
        for task, width, value in zip(table["task"], table["width"], table[column], strict=True)
    }
