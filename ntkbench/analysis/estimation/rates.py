"""What a run's tables say of each quantity along its axis: exponents and limits, grouped how, with what allowance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from ...errors import NtkbenchError
from ..derived import DERIVED
from ..series.cells import architecture_name, series_cells, subject_cells
from ..series.points import in_common_splits, points_of
from ..series.quantities import ALL, QUANTITIES, Quantity
from ..series.records import over_layers, recorded, with_errors
from ..series.rounding import above, rounding_floor, without_twins
from .caveats import Caveats
from .exponents import ExponentFit, fit_exponent, fit_exponent_of_mean, fit_exponent_of_summaries
from .limits import fit_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.read import Results

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
    "in_common_splits",
    "subject_cells",
]

_KEYS = ["run_id", "study", "task", "architecture", "label", "reference"]
_FOUND = ["exponent", "ci_low", "ci_high", "n_widths", "n_members", "method"]
_COLUMNS = ["task", "architecture", "label", "reference", "metric", *_FOUND]


class Fit(Protocol):
    """An estimate that can state its interval at any confidence."""

    @property
    def estimate(self) -> float:
        """The estimate, nan where there is none."""

    @property
    def n_widths(self) -> int:
        """How many points of the axis are behind it."""

    @property
    def n_members(self) -> int:
        """The fewest members at any of them."""

    @property
    def method(self) -> str:
        """How it was found."""

    @property
    def lack_of_fit(self) -> float | None:
        """The p-value of what was presumed, None where it was not tested."""

    @property
    def rejected(self) -> bool:
        """Whether the data reject what was presumed."""

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided interval."""


@dataclass(frozen=True)
class FittedRate:
    """An estimate with what it is of; ``reference`` is None for a quantity that needs none.

    ``caveat`` is why the theory is not to be judged by it, or None. ``points`` has x, value and standard_error, and
    where there are floors of sampling and rounding ``floor`` and ``rounding``: what was fitted. ``facts`` is the row of
    ``cells`` of one of its cells.
    """

    run_id: str
    study: str
    task: str
    architecture: str
    activation: str
    label: str
    reference: str | None
    metric: str
    fit: Fit
    caveat: str | None = None
    points: pd.DataFrame | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


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
    found = (fit.estimate, *fit.interval(), fit.n_widths, fit.n_members, fit.method)
    return (rate.task, rate.architecture, rate.label, rate.reference, rate.metric, *found)


def fitted_rates(results: Results, metric: str | Sequence[str] | None = None) -> list[FittedRate]:
    """Return what :func:`convergence_rates` tabulates, with fits that can state other intervals.

    :param metric: of :data:`.quantities.ALL`, which has limits and other axes too; None: the rates by width.
    :raises NtkbenchError: for a metric that is not fitted.
    """
    names = list(QUANTITIES) if metric is None else [metric] if isinstance(metric, str) else list(metric)
    if unknown := [name for name in names if name not in ALL]:
        raise NtkbenchError(f"no rate is fitted to {', '.join(unknown)}; choose from {', '.join(ALL)}")
    measured = _measured(results, names)
    caveats = Caveats(results)
    cells = {axis: series_cells(results.cells, axis) for axis in {ALL[name].axis for name in names}}
    rates = [rate for name in names for rate in _rates_of(name, cells[ALL[name].axis], measured, caveats)]
    return sorted(rates, key=lambda r: (r.run_id, r.task, r.architecture, r.label, r.reference or ""))


def _measured(results: Results, names: Sequence[str]) -> pd.DataFrame:
    """Return the measurements, with those that are made of others where one of them is asked for."""
    rows = results.measurements
    wanted = {ALL[name].stored for name in names} & DERIVED.keys()
    parts = [derived for name in sorted(wanted) if len(derived := DERIVED[name](results))]
    return pd.concat([rows, *parts], ignore_index=True) if parts else rows


def _rates_of(name: str, cells: pd.DataFrame, measurements: pd.DataFrame, caveats: Caveats) -> Iterator[FittedRate]:
    quantity = ALL[name]
    rows = recorded(quantity.stored, quantity, measurements).merge(cells, on=["run_id", "cell_id"], how="inner")
    rows = over_layers(rows, quantity.layers)
    by_member = quantity.summary in ("members", "mean")
    rows = rows[rows["member"].notna() if by_member else rows["member"].isna()]
    if not by_member:
        rows = with_errors(rows, quantity, measurements)
    rows, twins = without_twins(rows)
    for key, everything in rows.groupby(_KEYS, dropna=False, sort=False):
        if quantity.axis != "width" and everything["x"].nunique() == 1:
            continue  # not a curve along this axis
        group = in_common_splits(everything)
        tau = quantity.correction_per_layer * max(int(everything["depth"].iloc[0]), 1)
        every = points_of(group, quantity.summary)
        floor = rounding_floor(group, twins) if quantity.summary == "members" else None
        points = above(every, floor)
        fit = _fit(points, quantity, tau)
        if len(points) < len(every):
            fit = replace(fit, method=f"{fit.method}; left out at the floor of rounding: {len(every) - len(points)}")
        if left_out := everything["split_index"].nunique() - group["split_index"].nunique():
            fit = replace(fit, method=f"{fit.method}; splits left out because some width lacks them: {left_out}")
        run_id, study, task, architecture, label = map(str, key[:-1])
        reference = str(key[-1]) if isinstance(key[-1], str) else None
        caveat = caveats.of(
            run_id,
            {*everything["cell_id"]},
            reference,
            trained=quantity.record != "first",
            kernel="nngp" if quantity.stored.startswith("nngp") else "ntk",
        )
        activation = str(everything["activation"].iloc[0])
        names = (run_id, study, task, architecture, activation, label)
        facts = caveats.cells[run_id, str(everything["cell_id"].iloc[0])]
        yield FittedRate(
            *names, reference, name, fit, caveat, every.drop(columns="samples").assign(rounding=floor), facts
        )


def _fit(points: pd.DataFrame, quantity: Quantity, tau: float) -> Any:
    """Fit the quantity's law to its points."""
    x, values = points["x"].to_numpy(dtype=np.float64), points["value"].to_numpy(dtype=np.float64)
    errors, members = points["standard_error"].to_numpy(dtype=np.float64), points["members"].to_numpy()
    along = quantity.axis.replace("_", " ")
    if quantity.law == "limit":
        return fit_limit(x, values, errors, members, power=quantity.power, correction=tau, along=along)
    if quantity.summary == "bias":
        fewest = int(members.min()) if len(members) else 0
        return fit_exponent_of_mean(x, values, errors, points["floor"].to_numpy(), members=fewest, correction=tau)
    if quantity.summary == "ensemble":
        return fit_exponent_of_summaries(x, values, errors, members, correction=tau, along=along)
    return fit_exponent(x, list(points["samples"]), correction=tau, along=along)
