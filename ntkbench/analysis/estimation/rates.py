"""Exponents and limits of a run's quantities along their axes, by series, with allowed finite-width corrections."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import NtkbenchError
from ..derived import DERIVED
from ..series.cells import SeriesCells, series_cells
from ..series.names import digits_needed, series_architecture, subject_words, task_words
from ..series.planned import planned_cells
from ..series.points import in_common_splits, points_of
from ..series.quantities import ALL, QUANTITIES, Quantity
from ..series.records import MetricRows, Tables, over_layers, recorded, with_errors
from ..series.rounding import above, rounding_floor
from ..verdicts.claim import control_labels, quantities_of
from .bias_of_mean import fit_exponent_of_mean
from .caveats import Caveats
from .curve import POWERS
from .exponents import ExponentFit, fit_exponent, fit_exponent_of_summaries
from .limits import fit_limit
from .missing import missing_cells, missing_members

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.read import Results
    from ..series.keys import SeriesKey
    from ..series.quantities import Axis
    from .fit import Fit

__all__ = [
    "QUANTITIES",
    "ExponentFit",
    "FittedRate",
    "Quantity",
    "Rates",
    "convergence_rates",
    "fit_exponent",
    "fit_exponent_of_mean",
    "rate_table",
]

_FEWEST_WIDTHS = 3
_FOUND = ["exponent", "ci_low", "ci_high", "n_widths", "n_members", "method"]
_COLUMNS = ["run_id", "task", "architecture", "label", "reference", "metric", *_FOUND]


@dataclass(frozen=True)
class FittedRate:
    """An estimate and the series that it describes.

    ``caveat`` is the reason why the theory says nothing about it, or None. ``censored`` is the reason why it may be the
    result of a selection: members diverged, cells failed. ``points`` are the fitted points: x, value and
    standard_error, and, if there are floors of sampling and rounding, ``floor`` and ``rounding``. ``facts`` is the row
    of ``cells`` of one of its cells.
    """

    key: SeriesKey
    metric: str
    fit: Fit
    caveat: str | None = None
    points: pd.DataFrame | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    censored: str | None = None


def convergence_rates(results: Results, metric: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Fit the exponent of the width for each task, architecture, subject, reference and quantity.

    Members are the replicates; the splits of a task share their networks, so a member is averaged (RMS) over splits
    first. Cells that are not ok, networks of unequal widths and members that diverged are left out; ``method`` says
    which cells.

    :param results: with ``cells`` and ``measurements`` as :func:`ntkbench.load` returns them.
    :param metric: one or several of :data:`QUANTITIES`; None: all of them. ``function_distance`` is at the last
        recorded step, ``function_distance_max`` is each member's largest over recorded steps.
    :returns: run_id, task, architecture, label, reference, metric, exponent, ci_low, ci_high (95 %), n_widths,
        n_members (the fewest at a width), method. If nothing can be fitted the numbers are NaN and the method says why;
        an end of the interval that the data do not bound is infinite.
    :raises NtkbenchError: for a metric that is not fitted.
    """
    names = list(QUANTITIES) if metric is None else [metric] if isinstance(metric, str) else list(metric)
    return rate_table(Rates(results).of(names))


def rate_table(rates: Sequence[FittedRate]) -> pd.DataFrame:
    """Return rates as the table that :func:`convergence_rates` describes."""
    digits = digits_needed(rate.key for rate in rates)
    return pd.DataFrame([_row(rate, digits) for rate in rates], columns=_COLUMNS)


def _row(rate: FittedRate, digits: int) -> tuple[Any, ...]:
    fit, key = rate.fit, rate.key
    names = (task_words(key.task), series_architecture(key, digits), subject_words(key), key.reference, rate.metric)
    return (key.run_id, *names, fit.estimate, *fit.interval(), fit.n_widths, fit.n_members, fit.words)


def sorted_rates(rates: Iterable[FittedRate]) -> list[FittedRate]:
    """Return rates by run, task, architecture, subject and reference; quantities of one series keep their order."""
    rates = list(rates)
    digits = digits_needed(rate.key for rate in rates)

    def place(rate: FittedRate) -> tuple[str, ...]:
        key = rate.key
        words = (task_words(key.task), series_architecture(key, digits), subject_words(key))
        return (key.run_id, *words, key.reference or "")

    return sorted(rates, key=place)


class Rates:
    """The rates of the tables of one or several runs; each table is read once, and each rate fitted once."""

    def __init__(self, results: Results) -> None:
        """Take the tables; the runs' studies say which quantities they fit, and which labels are wrong on purpose."""
        self.tables = Tables(results)
        self.quantities: tuple[str, ...] = quantities_of(results) or tuple(QUANTITIES)
        self._controls = control_labels(results)
        self.runs = tuple(getattr(results, "runs", ()))
        self._fitted: dict[str, list[FittedRate]] = {}
        self._derived: dict[str, MetricRows] = {}
        self._cells: dict[Axis, SeriesCells] = {}

    def of(self, names: Sequence[str]) -> list[FittedRate]:
        """Return the rates of quantities of :data:`.quantities.ALL`, which has limits and other axes too.

        :raises NtkbenchError: for a metric that is not fitted.
        """
        if unknown := [name for name in names if name not in ALL]:
            raise NtkbenchError(f"no rate is fitted to {', '.join(unknown)}; choose from {', '.join(ALL)}")
        for name in names:
            if name not in self._fitted:
                self._fitted[name] = list(self._rates_of(name))
        return sorted_rates(rate for name in names for rate in self._fitted[name])

    def cells(self, axis: Axis = "width") -> SeriesCells:
        """Return the cells of subjects in series along an axis."""
        if axis not in self._cells:
            self._cells[axis] = series_cells(self.planned, axis, self._controls)
        return self._cells[axis]

    def is_a_curve(self, key: SeriesKey) -> bool:
        """Return whether the study plans the networks of a series at three widths or more: two always fit a line."""
        widths: set[Any] = set().union(*(self._widths.get((key.run_id, label), ()) for label in key.labels))
        return len(widths) >= _FEWEST_WIDTHS

    @cached_property
    def _widths(self) -> dict[Any, set[Any]]:
        """The planned widths of each run's subjects, by label."""
        cells = self.tables.cells
        widths = cells.loc[(cells["role"] == "subject") & cells["width"].notna(), ["run_id", "label", "width"]]
        pairs = widths.drop_duplicates().groupby(["run_id", "label"])["width"]
        return {place: {*found} for place, found in pairs}

    @cached_property
    def planned(self) -> pd.DataFrame:
        """All planned cells, also those that never ran (:func:`.planned.planned_cells`)."""
        return planned_cells(self.tables.cells, self.runs)

    @cached_property
    def _caveats(self) -> Caveats:
        return Caveats(self.tables.cells, self.tables.measured)

    def selection(self, number: int, measured: Collection[str]) -> str | None:
        """Return why what was measured of a series may be a selection: members diverged, cells failed.

        :param number: of the series, by width; ``measured`` the cells that have the number.
        """
        cells = self.cells()
        reasons = (
            self._caveats.of_training(cells.keys[number].run_id, measured),
            missing_cells(cells.planned_of[number], measured).censored,
        )
        return "; ".join(reason for reason in reasons if reason) or None

    def _stored(self, metric: str) -> MetricRows:
        """Return the rows that hold a metric: measured ones, or ones derived from them."""
        if metric not in DERIVED:
            return self.tables.measured
        if metric not in self._derived:
            self._derived[metric] = MetricRows(DERIVED[metric](self.tables))
        return self._derived[metric]

    def _rates_of(self, name: str) -> Iterator[FittedRate]:
        quantity = ALL[name]
        cells = self.cells(quantity.axis)
        rows = _series_rows(quantity, cells, self._stored(quantity.stored))
        keys = ["series", "reference", *(["component"] if quantity.layers == "each" else [])]
        for (number, reference, *component), everything in _grouped(rows, keys):
            series = int(number)
            if series in cells.hidden or (quantity.axis != "width" and everything["x"].nunique() == 1):
                continue  # a twin, or not a curve along this axis
            key = replace(
                cells.keys[series],
                reference=reference if isinstance(reference, str) else None,
                component=int(component[0]) if component else None,
            )
            twins = rows[rows["series"] == cells.twins[series]] if series in cells.twins else rows.iloc[:0]
            yield self._rate(key, name, everything, twins, cells.planned_of[series])

    def _rate(
        self, key: SeriesKey, name: str, everything: pd.DataFrame, twins: pd.DataFrame, planned: pd.DataFrame
    ) -> FittedRate:
        """Fit the rate of one series, on the splits that all its points share."""
        quantity, group = ALL[name], in_common_splits(everything)
        tau = quantity.correction_per_layer * max(int(everything["depth"].iloc[0]), 1)
        every = points_of(group, quantity.summary)
        floor = rounding_floor(group, twins) if quantity.summary == "members" else None
        points = above(every, floor)
        cells = {*everything["cell_id"].unique()}
        missing = missing_cells(planned, cells)
        remarks = [missing.words] if missing.words else []
        if len(points) < len(every):
            remarks.append(f"left out at the floor of rounding: {len(every) - len(points)}")
        if left_out := _splits(everything) - _splits(group):
            remarks.append(f"splits left out because some width lacks them: {left_out}")
        facts = self._caveats.facts(key.run_id, str(everything["cell_id"].iloc[0]))
        fit = _fit(points, quantity, tau, correction_powers(quantity))
        fit = replace(fit, remarks=(*fit.remarks, *remarks))
        kernel = "nngp" if quantity.stored.startswith("nngp") else "ntk"
        caveat = self._caveats.of_reference(key.run_id, cells, key.reference, kernel=kernel)
        reasons = (
            self._caveats.of_training(key.run_id, cells) if quantity.record != "first" else None,
            missing.censored,
            missing_members(everything) if quantity.summary in ("members", "mean") else None,
        )
        censored = "; ".join(reason for reason in reasons if reason) or None
        del every["samples"]
        every["rounding"] = floor
        return FittedRate(key, name, fit, caveat, every, facts, censored)


def _splits(rows: pd.DataFrame) -> int:
    return len(np.unique(rows["split_index"].to_numpy()))


def _grouped(rows: pd.DataFrame, keys: list[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    yield from rows.groupby(keys, dropna=False, sort=False)


def _series_rows(quantity: Quantity, cells: SeriesCells, stored: MetricRows) -> pd.DataFrame:
    """Return the rows of a quantity as they are fitted: at its record, over its layers, with their errors."""
    rows = recorded(quantity.stored, quantity, stored).merge(cells.frame, on=["run_id", "cell_id"], how="inner")
    rows = over_layers(rows, quantity.layers)
    by_member = quantity.summary in ("members", "mean")
    rows = rows[rows["member"].notna() if by_member else rows["member"].isna()]
    return rows if by_member else with_errors(rows, quantity, stored)


def correction_powers(quantity: Quantity) -> tuple[float, ...]:
    """Return the powers of 1 / n that corrections may have.

    At initialization, layers average over independent units, so that moments are expansions in 1 / n. Training allows
    for n^-1/2 too: units cross kinks, and 1 / n has to be small against each eigenvalue of the kernel over N before an
    expansion in it begins, so that eigenvalues of many sizes make the correction fall more slowly over any range.
    """
    return POWERS[:1] if quantity.record == "first" else POWERS


def _fit(points: pd.DataFrame, quantity: Quantity, tau: float, powers: tuple[float, ...]) -> Fit:
    """Fit the quantity's law to its points."""
    x, values = points["x"].to_numpy(dtype=np.float64), points["value"].to_numpy(dtype=np.float64)
    errors, members = points["standard_error"].to_numpy(dtype=np.float64), points["members"].to_numpy()
    along = quantity.axis.replace("_", " ")
    if quantity.law == "limit":
        return fit_limit(x, values, errors, members, powers=quantity.powers, correction=tau, along=along)
    if quantity.summary == "bias":
        fewest = int(members.min()) if len(members) else 0
        return fit_exponent_of_mean(
            x, values, errors, points["floor"].to_numpy(), members=fewest, correction=tau, powers=powers
        )
    if quantity.summary == "ensemble":
        return fit_exponent_of_summaries(x, values, errors, members, correction=tau, powers=powers, along=along)
    return fit_exponent(x, list(points["samples"]), correction=tau, powers=powers, along=along)
