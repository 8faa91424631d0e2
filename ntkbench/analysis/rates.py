"""Exponents of the width from a run's tables: which numbers are fitted, grouped how, with what allowance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from ..errors import NtkbenchError
from .caveats import Caveats
from .exponents import ExponentFit, fit_exponent, fit_exponent_of_mean

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from ..store.read import Results

__all__ = [
    "QUANTITIES",
    "ExponentFit",
    "FittedRate",
    "Quantity",
    "architecture_name",
    "convergence_rates",
    "fit_exponent",
    "fit_exponent_of_mean",
    "fitted_rates",
]


@dataclass(frozen=True)
class Quantity:
    """A number whose rate is fitted, and where it lies in ``measurements``.

    :param stored: the metric it is read from.
    :param record: at initialization (``first``), after training (``last``), or the largest over recorded steps.
    :param correction_per_layer: tau per hidden layer: the standard deviation, in units of the width, of b in the
        finite-width correction ``1 + b / n``. Such corrections grow as depth / width [HN19].
    :param of_mean: the ensemble's mean (member null) with its standard error and floor, rather than members.
    :param layers: of a metric with a component per layer, which are taken: ``first`` and ``last`` of the weights, those
        in the ``middle``, or ``all``; the root mean square over them. None for a metric without components.
    """

    stored: str
    split: str | None
    record: Literal["first", "last", "max"]
    correction_per_layer: float
    of_mean: bool = False
    layers: Literal["first", "last", "middle", "all"] | None = None


QUANTITIES = {
    "ntk_distance_frobenius": Quantity("ntk_distance_frobenius", "train", "first", 1.0),
    "ntk_distance_operator": Quantity("ntk_distance_operator", "train", "first", 1.0),
    "ntk_change_frobenius": Quantity("ntk_change_frobenius", "train", "last", 6.0),
    "function_distance": Quantity("function_distance", "test", "last", 4.0),
    "function_distance_max": Quantity("function_distance", "test", "max", 4.0),
    "function_distance_of_mean": Quantity("function_distance_of_mean", "test", "last", 6.0, of_mean=True),
    "function_distance_of_mean_over_time": Quantity(
        "function_distance_of_mean_over_time", "test", "last", 6.0, of_mean=True
    ),
    "output_blocks": Quantity("output_blocks", "train", "first", 1.0),
    "weight_change_first": Quantity("weight_change_relative", None, "last", 4.0, layers="first"),
    "weight_change_middle": Quantity("weight_change_relative", None, "last", 4.0, layers="middle"),
    "weight_change_middle_operator": Quantity("weight_change_operator", None, "last", 4.0, layers="middle"),
    "weight_change_last": Quantity("weight_change_relative", None, "last", 4.0, layers="last"),
    "bias_change": Quantity("bias_change_relative", None, "last", 4.0, layers="all"),
    "activation_change": Quantity("activation_change", "train", "last", 4.0, layers="all"),
    "linearization_distance_max": Quantity("linearization_distance", "test", "max", 6.0),
}
"""What is fitted by default. Corrections were measured on other draws than any study's (erf and ReLU, two tasks; the
kernel at initialization: depths 1, 2, 4, widths 16 to 128, 1,500 to 4,000 members; trained: depth 2, widths 32 to
1024, 20 to 400 members): b per layer is -0.1 to 1.3 at initialization, 0 to 4 for the function distance, and -7 to 4
for the kernel's change. That of the mean could not be measured: it has the largest of these."""

_KEYS = ["run_id", "study", "task", "architecture", "label", "reference"]
_CELL_COLUMNS = [
    "run_id",
    "cell_id",
    "study",
    "task",
    "architecture",
    "label",
    "width",
    "activation",
    "depth",
    "members",
]
_FOUND = ["exponent", "ci_low", "ci_high", "n_widths", "n_members", "method"]
_COLUMNS = ["task", "architecture", "label", "reference", "metric", *_FOUND]


@dataclass(frozen=True)
class FittedRate:
    """An exponent with what it is of; ``reference`` is None for a quantity that needs none.

    ``caveat`` is why the theory is not to be judged by it, or None.
    """

    run_id: str
    study: str
    task: str
    architecture: str
    activation: str
    label: str
    reference: str | None
    metric: str
    fit: ExponentFit
    caveat: str | None = None


def convergence_rates(results: Results, metric: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Fit the exponent of the width for each task, architecture, subject, reference and quantity.

    Members are the replicates; the splits of a task share their networks, so a member is averaged (RMS) over splits
    first. Cells that are not ok, networks of unequal widths and members that diverged are left out.

    :param results: with ``cells`` and ``measurements`` as in the contract.
    :param metric: one or several of :data:`QUANTITIES`; None: all of them. ``function_distance`` is at the last
        recorded step, ``function_distance_max`` is each member's largest over recorded steps.
    :returns: task, architecture, label, reference, metric, exponent, ci_low, ci_high (95 %), n_widths, n_members (the
        fewest at a width), method. Where nothing can be fitted the numbers are NaN and the method says why; an end
        of the interval on which the data set no limit is infinite.
    :raises NtkbenchError: for a metric that is not fitted.
    """
    rows = [_row(rate) for rate in fitted_rates(results, metric)]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _row(rate: FittedRate) -> tuple[Any, ...]:
    fit = rate.fit
    found = (fit.exponent, *fit.interval(), fit.n_widths, fit.n_members, fit.method)
    return (rate.task, rate.architecture, rate.label, rate.reference, rate.metric, *found)


def fitted_rates(results: Results, metric: str | Sequence[str] | None = None) -> list[FittedRate]:
    """Return what :func:`convergence_rates` tabulates, with fits that can state other intervals."""
    names = list(QUANTITIES) if metric is None else [metric] if isinstance(metric, str) else list(metric)
    if unknown := [name for name in names if name not in QUANTITIES]:
        raise NtkbenchError(f"no rate is fitted to {', '.join(unknown)}; choose from {', '.join(QUANTITIES)}")
    cells = subject_cells(results.cells)
    measurements = results.measurements
    caveats = Caveats(results)
    rates = [rate for name in names for rate in _rates_of(name, cells, measurements, caveats)]
    return sorted(rates, key=lambda r: (r.run_id, r.task, r.architecture, r.label, r.reference or ""))


def architecture_name(row: Any, digits: int = 4) -> str:
    """Name the architecture of a row of ``cells``, such as ``relu, depth 2, weight_std 1.414, bias_std 0.1``."""
    weight_std, bias_std = (f"{row[scale]:.{digits}g}" for scale in ("weight_std", "bias_std"))
    name = f"{row['activation']}, depth {row['depth']}, weight_std {weight_std}, bias_std {bias_std}"
    if row.get("parameterization", "ntk") != "ntk":
        name += f", {row['parameterization']}"
    if row.get("output_scale", 1.0) != 1.0:
        name += f", output_scale {row['output_scale']:.4g}"
    if row.get("trained_layers", "all") != "all":
        name += f", trained layers: {row['trained_layers']}"
    return name


def subject_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of finite networks of one width that are ok, named as the tables of rates name them.

    A task that occurs with several parameters has them in its name.
    """
    cells = cells[(cells["role"] == "subject") & (cells["status"] == "ok")].copy()
    cells["width"] = pd.to_numeric(cells["width"], errors="coerce").astype("float64")
    if "widths" in cells:
        even = [not pd.api.types.is_list_like(widths) or len({*widths}) <= 1 for widths in cells["widths"]]
        cells = cells[pd.Series(even, index=cells.index, dtype=bool)]
    cells = cells[cells["width"] > 0].copy()
    cells["architecture"] = _architecture_names(cells)
    cells["task"] = _task_names(cells)
    return cells[_CELL_COLUMNS]


def _architecture_names(cells: pd.DataFrame) -> list[str]:
    """Return architectures in words, with all digits of the scales where four would confuse two of them."""
    rows = cells.to_dict("records")
    names, exact = [architecture_name(row) for row in rows], [architecture_name(row, digits=17) for row in rows]
    return names if len({*names}) == len({*exact}) else exact


def _task_names(cells: pd.DataFrame) -> pd.Series[Any]:
    """Return task names, with the parameters where a task occurs with several."""
    if "task_params_json" not in cells:
        return cells["task"]
    several = cells.groupby("task")["task_params_json"].transform("nunique") > 1
    return cells["task"].where(~several, cells["task"] + " " + cells["task_params_json"].astype(str))


def _rates_of(name: str, cells: pd.DataFrame, measurements: pd.DataFrame, caveats: Caveats) -> Iterator[FittedRate]:
    quantity = QUANTITIES[name]
    rows = _recorded(quantity.stored, quantity, measurements).merge(cells, on=["run_id", "cell_id"], how="inner")
    rows = rows if quantity.layers is None else _over_layers(rows, quantity.layers)
    rows = rows[rows["member"].isna() if quantity.of_mean else rows["member"].notna()]
    if quantity.of_mean:
        rows = _with_errors(rows, quantity, measurements)
    for key, everything in rows.groupby(_KEYS, dropna=False, sort=False):
        group = in_common_splits(everything)
        tau = quantity.correction_per_layer * max(int(everything["depth"].iloc[0]), 1)
        fit = _fit_mean(group, tau) if quantity.of_mean else _fit_members(group, tau)
        if left_out := everything["split_index"].nunique() - group["split_index"].nunique():
            fit = replace(fit, method=f"{fit.method}; splits left out because some width lacks them: {left_out}")
        run_id, study, task, architecture, label = map(str, key[:-1])
        reference = str(key[-1]) if isinstance(key[-1], str) else None
        caveat = caveats.of(run_id, {*everything["cell_id"]}, reference, trained=quantity.record != "first")
        activation = str(everything["activation"].iloc[0])
        yield FittedRate(run_id, study, task, architecture, activation, label, reference, name, fit, caveat)


def in_common_splits(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the splits that every width has, so that widths are compared on the same data."""
    widths = rows.groupby("split_index")["width"].nunique()
    return rows[rows["split_index"].isin(widths.index[widths == rows["width"].nunique()])]


def _recorded(stored: str, quantity: Quantity, measurements: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell, reference, member and layer: the values at the first or last record, or the largest.

    A member without a finite value at the last record has diverged, and has no largest value either.
    """
    split = measurements["split"]
    of_split = split.isna() if quantity.split is None else split == quantity.split
    chosen = (measurements["metric"] == stored) & of_split
    keys = ["run_id", "cell_id", "split_index", "reference", "member"]
    keys += ["component"] if quantity.layers else []
    rows = measurements.loc[chosen, [*keys, "time", "value"]].astype({"time": "float64", "value": "float64"})
    rows = rows[np.isfinite(rows["value"])]
    times = rows["time"].groupby([rows["run_id"], rows["cell_id"]])
    at_record = rows[rows["time"] == times.transform("min" if quantity.record == "first" else "max")]
    if quantity.record == "max":
        largest = rows.groupby(keys, dropna=False, as_index=False)["value"].max()
        at_record = largest.merge(at_record[keys], on=keys, how="inner")
    found: pd.DataFrame = at_record[[*keys, "value"]]
    return found


def _over_layers(rows: pd.DataFrame, layers: Literal["first", "last", "middle", "all"]) -> pd.DataFrame:
    """Return one row per cell, split and member: the root mean square over layers, of which ``depth`` is the last."""
    chosen = {
        "first": rows["component"] == 0,
        "last": rows["component"] == rows["depth"],
        "middle": (rows["component"] > 0) & (rows["component"] < rows["depth"]),
        "all": rows["component"].notna(),
    }[layers]
    squares = rows[chosen].assign(value=rows["value"] ** 2).drop(columns="component")
    others = [name for name in squares.columns if name != "value"]
    found = squares.groupby(others, dropna=False, sort=False)["value"].mean().reset_index()
    return found.assign(value=np.sqrt(found["value"]))


def _fit_members(group: pd.DataFrame, tau: float) -> ExponentFit:
    splits = group.groupby("width")["split_index"].nunique()
    squares = group.assign(square=group["value"] ** 2).groupby(["width", "member"])["square"].agg(["mean", "size"])
    in_every_split = squares["size"] == splits.reindex(squares.index.get_level_values("width")).to_numpy()
    distances = np.sqrt(squares.loc[in_every_split, "mean"])
    samples: dict[Hashable, Any] = {n: x.to_numpy() for n, x in distances.groupby(level="width")}
    return fit_exponent(np.array(list(samples), dtype=np.float64), list(samples.values()), correction=tau)


def _with_errors(rows: pd.DataFrame, quantity: Quantity, measurements: pd.DataFrame) -> pd.DataFrame:
    """Add the columns ``standard_error`` and ``floor`` of the ensemble's mean, and count the members that survived."""
    keys = ["run_id", "cell_id", "split_index", "reference"]
    for name in ("standard_error", "floor"):
        extra = _recorded(f"{quantity.stored}_{name}", quantity, measurements)[[*keys, "value"]]
        rows = rows.merge(extra.rename(columns={"value": name}), on=keys, how="left")
    per_member = _recorded(quantity.stored.partition("_of_mean")[0], quantity, measurements)
    survivors = per_member.groupby(keys, dropna=False)["member"].count().rename("survivors").reset_index()
    rows = rows.merge(survivors, on=keys, how="left")
    return rows.assign(members=rows["survivors"].fillna(rows["members"]))


def _fit_mean(group: pd.DataFrame, tau: float) -> ExponentFit:
    """Fit the mean's bias; squares are averaged over splits, whose errors are taken as fully correlated."""
    group = group.assign(
        square=group["value"] ** 2,
        product=group["value"] * group["standard_error"],
        floor_square=group["floor"] ** 2,
    )
    by_width = group.groupby("width")[["square", "product", "floor_square"]].mean()
    values = np.sqrt(by_width["square"].to_numpy())
    errors = np.divide(by_width["product"].to_numpy(), values, out=np.zeros_like(values), where=values > 0)
    return fit_exponent_of_mean(
        by_width.index.to_numpy(dtype=np.float64),
        values,
        errors,
        np.sqrt(by_width["floor_square"].to_numpy()),
        members=int(group["members"].min()) if len(group) else 0,
        correction=tau,
    )
