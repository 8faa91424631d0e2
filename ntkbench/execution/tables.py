"""Turn a solution into columns of the tables ``measurements``, ``predictions`` and ``spectra``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PluginError
from ..metrics.errors import predictions_from, shared_predictions
from ..plugin.guard import blaming
from ..plugin.types import Float, Measurement, Problem, Solution
from ..store.arrow import to_table
from .check import check_measurements

if TYPE_CHECKING:
    import pyarrow as pa

    from ..plugin.cell import Cell
    from ..plugin.outcome import Columns
    from ..plugin.registry import Registry
    from ..plugin.specs import MetricSpec

_FIELDS = tuple(f.name for f in fields(Measurement))


def measure(
    cell: Cell, problem: Problem, solution: Solution, references: Mapping[str, Solution], registry: Registry
) -> Iterator[Measurement]:
    """Yield the backend's own measurements, then every metric of the study that this solution allows."""
    yield from check_measurements(registry.backends.origin(cell.backend), solution.measurements)
    yield from _divergences(solution)
    compared = {label: references[label] for label in cell.compare_with}
    for name in cell.metrics:
        spec = registry.metrics.get(name)
        if any(getattr(solution, field) is None for field in spec.needs):
            continue
        if not spec.needs_reference:
            yield from _measured(registry, spec, problem, solution, None)
            continue
        for label, reference in compared.items():
            for row in _measured(registry, spec, problem, solution, reference):
                yield replace(row, reference=label)


def _measured(
    registry: Registry, spec: MetricSpec, problem: Problem, solution: Solution, reference: Solution | None
) -> list[Measurement]:
    """Return the rows of a metric.

    :raises PluginError: naming the metric, its plugin and its target, if it fails or yields what it must not.
    """
    who, function = registry.metrics.origin(spec.name), registry.metrics.imported(spec.name)
    with blaming(who):
        return check_measurements(who, function(problem, solution, reference), spec)


def _divergences(solution: Solution) -> Iterator[Measurement]:
    """Yield ``diverged_step`` of each member that diverged: the recorded step at which it was found not finite."""
    for member, step in enumerate([] if solution.diverged_at is None else np.asarray(solution.diverged_at).tolist()):
        if step >= 0:
            yield Measurement(metric="diverged_step", value=float(step), unit="step", member=member, step=step)


def measurement_columns(cell: Cell, rows: Iterable[Measurement]) -> Columns:
    """Return the columns of ``measurements``.

    :raises PluginError: if a row names a reference that the cell is not compared with.
    """
    rows = list(rows)
    if foreign := {row.reference for row in rows if row.reference is not None} - cell.references.keys():
        known = sorted(cell.references)
        raise PluginError(f"measurements name references {sorted(foreign)}, but this cell has {known}")
    columns: Columns = {name: [getattr(row, name) for row in rows] for name in _FIELDS}
    columns["split_index"] = cell.split_index
    columns["reference_cell_id"] = [cell.references.get(row.reference or "") for row in rows]
    return columns


def prediction_columns(
    cell: Cell, problem: Problem, solution: Solution, references: Mapping[str, Solution]
) -> Columns | None:
    """Return the columns of ``predictions`` on the test split, at the last or all recorded steps; None for none."""
    kept = cell.store["predictions"]
    if kept == "none":
        return None
    records = slice(-1, None) if kept == "last" else slice(None)
    blocks = list(_prediction_blocks(cell, problem, solution, references, records))
    names = dict.fromkeys(name for block in blocks for name in block)
    join: Callable[[list[Any]], Any] = np.ma.concatenate
    columns: Columns = {name: join([block[name] for block in blocks]) for name in names}
    return columns | {"split": "test", "split_index": cell.split_index}


def _prediction_blocks(
    cell: Cell, problem: Problem, solution: Solution, references: Mapping[str, Solution], records: slice
) -> Iterator[Columns]:
    if solution.members_test is None:
        if solution.mean_test is not None:
            variance = None if solution.variance_test is None else solution.variance_test[records]
            yield _block(problem, solution, records, solution.mean_test[None, records], None, None, variance)
        return
    everyone = range(len(solution.members_test))
    yield _block(problem, solution, records, solution.members_test[:, records], everyone, None, None)
    yield _ensemble_block(problem, solution, records)
    for label in cell.compare_with:
        _, predicted = predictions_from(references[label], problem, solution)
        yield _block(problem, solution, records, predicted[:, records], everyone, label, None)


def _ensemble_block(problem: Problem, solution: Solution, records: slice) -> Columns:
    assert solution.members_test is not None
    alive = solution.members_test[:, records]
    if solution.diverged_at is not None:
        alive = alive[np.asarray(solution.diverged_at) < 0]
    variance = alive.var(axis=0, ddof=1) if len(alive) > 1 else None
    mean = alive.mean(axis=0, keepdims=True) if len(alive) else alive
    return _block(problem, solution, records, mean, None, None, variance)


def _block(
    problem: Problem,
    solution: Solution,
    records: slice,
    values: Float,
    members: Iterable[int] | None,
    reference: str | None,
    variance: Float | None,
) -> Columns:
    """Return rows for values (E, T, M, O), in that order; ``variance`` (T, M, O) goes with a single E."""
    member, record, point, output = np.indices(values.shape, dtype=np.int64).reshape(4, -1)
    size = len(member)
    steps = None if solution.steps is None else np.asarray(solution.steps)[records]
    return {
        "member": _nothing(size, np.int64) if members is None else np.asarray(list(members), dtype=np.int64)[member],
        "step": _nothing(size, np.int64) if steps is None else steps[record],
        "time": np.asarray(solution.times)[records][record],
        "point": point,
        "output": output,
        "reference": np.full(size, reference, dtype=object),
        "value": values.reshape(-1),
        "variance": _nothing(size, np.float64) if variance is None or size == 0 else variance.reshape(-1),
        "target": problem.y_test[point, output],
    }


def _nothing(size: int, dtype: Any) -> Any:
    """Return a column of nulls."""
    return np.ma.masked_all(size, dtype=dtype)  # type: ignore[no-untyped-call]


def spectrum_columns(cell: Cell, problem: Problem, solution: Solution) -> Columns | None:
    """Return the columns of ``spectra``: leading eigenvalues of T, and projections on their eigenvectors.

    ``target_projection`` is v_i . y and ``residual_projection`` v_i . (y - f_t) for the law's mean at the last record.
    """
    if cell.store["spectra"] == 0 or solution.eigenvalues is None or solution.eigenvectors is None:
        return None
    count = min(cell.store["spectra"], len(solution.eigenvalues))
    vectors = solution.eigenvectors[:, :count]
    outputs = problem.y_train.shape[1]
    component, output = np.indices((count, outputs)).reshape(2, -1)
    columns: Columns = {
        "kernel": cell.facts.kernel or "ntk",
        "member": None,
        "step": None if solution.steps is None else int(solution.steps[-1]),
        "time": float(solution.times[-1]),
        "component": component,
        "output": output,
        "eigenvalue": np.asarray(solution.eigenvalues)[component],
        "target_projection": (vectors.T @ problem.y_train).reshape(-1),
        "residual_projection": None,
    }
    if solution.mode_residuals is not None:
        columns["residual_projection"] = solution.mode_residuals[-1, :count].reshape(-1)
    elif solution.mean_train is not None:
        columns["residual_projection"] = (vectors.T @ (problem.y_train - solution.mean_train[-1])).reshape(-1)
    return columns


def all_tables(
    cell: Cell,
    problem: Problem,
    solution: Solution,
    references: Mapping[str, Solution],
    registry: Registry,
    key: Mapping[str, Any],
) -> dict[str, pa.Table]:
    """Return every table this cell fills, ready to be written."""
    with shared_predictions():  # metrics are computed lazily, while columns are built
        rows = measure(cell, problem, solution, references, registry)
        tables = {
            "measurements": measurement_columns(cell, rows),
            "predictions": prediction_columns(cell, problem, solution, references),
            "spectra": spectrum_columns(cell, problem, solution),
        }
    return {name: to_table(name, columns, key) for name, columns in tables.items() if columns}
