"""The rows that a claim's study must fill: one per task, architecture, subject, reference and quantity that it planned.

What is expected follows from the plan alone, so that cells that fail or never run take nothing off the list, and the
number of comparisons is known before the first of them. One rule serves all claims. A quantity is expected of a subject

* that gives it: the observables and metrics it comes from (:data:`..series.sources.SOURCES`) are those that the subject
  observes or that the study measures, once per reference of ``compare_with`` if it is a comparison;
* that is a curve: planned at two places of the quantity's axis at least. A limit is judged at a single width too;
* that is no twin in float64 of another, which only measures that one's rounding;
* that has the layers it is about: middle weights need two hidden layers.

A quantity with one series per kernel component is one row, whatever the number of components. A smallest eigenvalue
(C13) is expected of every kernel; whether theory says anything about it is known once it is solved, and with it its
points. A judged quantity that no subject gives is expected once per task and architecture: the study
promised it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from ...theory.claims import expectation
from ..estimation.missing import cell_words
from ..estimation.smallest_eigenvalues import WITHOUT_SAMPLING, eigenvalue_key
from ..series.cells import series_cells
from ..series.keys import SeriesKey, architecture_key, task_keys
from ..series.planned import planned_cells
from ..series.quantities import ALL, Quantity
from ..series.sources import SOURCES
from .claim import studied_claim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..series.cells import SeriesCells
    from ..series.quantities import Axis
    from .claim import StudiedClaim

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ExpectedRow:
    """A number that a study planned: ``key`` without a component, and ``cells``, the planned ones that it is about."""

    key: SeriesKey
    metric: str
    facts: Mapping[str, Any]
    cells: pd.DataFrame | None = None

    @property
    def lacking(self) -> str:
        """What is missing of its cells: how those that are not ok ended; if all are, none gave the number."""
        if self.cells is None:
            return ""
        lost = self.cells[self.cells["status"] != "ok"]
        return cell_words(self.cells if lost.empty else lost, len(self.cells))


@dataclass(frozen=True)
class PlannedStudy:
    """The plan of a study with a claim: its resolved text, its planned cells, and those in series along an axis."""

    claim: StudiedClaim
    resolved: Mapping[str, Any]
    cells: pd.DataFrame
    along: Callable[[Axis], SeriesCells]

    @cached_property
    def facts(self) -> dict[str, Row]:
        """The row of each planned cell."""
        rows: list[Row] = self.cells.to_dict("records")  # type: ignore[assignment]
        return {str(row["cell_id"]): row for row in rows}

    @cached_property
    def expected(self) -> tuple[ExpectedRow, ...]:
        """The rows that the study must fill."""
        names = self.claim.judge
        return tuple(row for name in names for row in list(_of_quantity(self, name)) or _promised(self, name))


def plan_of(resolved: Mapping[str, Any], run_id: str = "planned") -> PlannedStudy | None:
    """Return the plan of a resolved study before any cell has run, None if it has no claim."""
    if resolved.get("claim") is None:
        return None
    claim, run = studied_claim(resolved["claim"]), {"run_id": run_id, "resolved": resolved}
    cells = planned_cells(pd.DataFrame(), [run])
    controls = {(run_id, label) for label in claim.control_labels}
    return PlannedStudy(claim, resolved, cells, cache(lambda axis: series_cells(cells, axis, controls)))


def comparisons_planned(plan: PlannedStudy) -> int:
    """Return how many judged comparisons a study plans, at most where their number depends on the data.

    Negative controls, reported quantities and numbers without sampling error (C13) do not count.
    """
    return sum(_comparisons(plan, row) for row in plan.expected)


def _comparisons(plan: PlannedStudy, row: ExpectedRow) -> int:
    found = expectation(row.metric, row.facts, plan.claim.id)
    if found is None or not found.judged or row.metric in WITHOUT_SAMPLING or plan.claim.is_control(row.key):
        return 0
    return ALL[row.metric].most_components if row.metric in ALL else 1


def _of_quantity(plan: PlannedStudy, name: str) -> Iterator[ExpectedRow]:
    """Yield the rows of a quantity, of every subject that gives it."""
    if name == "smallest_eigenvalue":
        yield from _of_eigenvalues(plan)
    elif name in ALL:
        cells = plan.along(ALL[name].axis)
        for number, key in enumerate(cells.keys):
            group = cells.planned_of[number]
            if number not in cells.hidden and _is_curve(ALL[name], group):
                yield from _of_series(plan, name, key, group)
    else:  # a number of the whole series, or of its narrowest width
        cells = plan.along("width")
        for number, key in enumerate(cells.keys):
            group = cells.planned_of[number]
            if name == "time_over_linearization_narrowest":
                narrowest = float(group["width"].min())
                key, group = replace(key, width=narrowest), group[group["width"] == narrowest]
            if number not in cells.hidden:
                yield from _of_series(plan, name, key, group)


def _is_curve(quantity: Quantity, group: pd.DataFrame) -> bool:
    if quantity.layers == "middle" and int(group["depth"].max()) < 2:
        return False
    return group["x"].nunique() > 1 or (quantity.axis == "width" and quantity.law == "limit")


def _of_series(plan: PlannedStudy, name: str, key: SeriesKey, group: pd.DataFrame) -> Iterator[ExpectedRow]:
    entries = {str(entry["label"]): entry for entry in plan.resolved.get("subject", ())}
    source, mine = SOURCES[name], [entries[label] for label in key.labels if label in entries]
    metrics = plan.resolved.get("metrics", ())
    if mine and all(source.given_by(entry["observe"], metrics) for entry in mine):
        facts = plan.facts[str(group["cell_id"].iloc[0])]
        for reference in mine[0]["compare_with"] if source.by_reference else (None,):
            yield ExpectedRow(replace(key, reference=reference), name, facts, group)


def _of_eigenvalues(plan: PlannedStudy) -> Iterator[ExpectedRow]:
    """Yield a row for each kernel, and for each ensemble that observes its own."""
    observed = {str(entry["label"]): entry["observe"] for entry in plan.resolved.get("subject", ())}
    rows = list(plan.facts.values())
    for row, task in zip(rows, task_keys(rows), strict=True):
        name = "smallest_eigenvalue" if row["role"] == "reference" else "ntk_smallest_eigenvalue"
        if row["role"] == "reference" or SOURCES[name].given_by(observed.get(row["label"], ()), ()):
            mine = plan.cells[plan.cells["cell_id"] == row["cell_id"]]
            yield ExpectedRow(eigenvalue_key(row, task), name, {"distinct_inputs": None, **row}, mine)


def _promised(plan: PlannedStudy, name: str) -> Iterator[ExpectedRow]:
    """Yield a row per task and architecture for a quantity that no subject gives."""
    rows: list[Row] = plan.cells.to_dict("records")  # type: ignore[assignment]
    keys = {
        SeriesKey(str(row["run_id"]), str(row["study"]), task, architecture_key(row), ("-",)): row
        for row, task in reversed(list(zip(rows, task_keys(rows), strict=True)))
    }
    for key, row in reversed(keys.items()):
        yield ExpectedRow(key, name, {"distinct_inputs": None, **row})
