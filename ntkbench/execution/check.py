"""Check what tasks, backends and metrics return: sizes, shapes, finite numbers, names that were declared."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PluginError
from ..plugin.types import Measurement, Problem, Solution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..plugin.specs import MetricSpec, Sizes
    from ..plugin.types import Float, Request

_LAW = ("mean_train", "mean_test", "variance_train", "variance_test", "kernel_train", "kernel_test", "covariance_test")
_SPECTRUM = ("eigenvalues", "eigenvectors")


def check_problem(who: str, problem: Problem, sizes: Sizes) -> None:
    """Raise :class:`PluginError` unless a task delivered a problem of the sizes that it declares; ``who`` names it."""
    if not isinstance(problem, Problem):
        raise PluginError(f"{who} returned {type(problem).__name__}, expected a Problem")
    (n_train, n_features), n_outputs = problem.x_train.shape, problem.y_train.shape[1]
    delivered = {
        "n_train": n_train,
        "n_test": len(problem.x_test),
        "n_features": n_features,
        "n_outputs": n_outputs,
    }
    wrong = [f"{name} = {getattr(sizes, name)}" for name, size in delivered.items() if getattr(sizes, name) != size]
    if wrong:
        found = ", ".join(f"{name} = {size}" for name, size in delivered.items() if getattr(sizes, name) != size)
        raise PluginError(f"{who}: sizes() declares {', '.join(wrong)}, but load() delivered {found}")


def check_solution(who: str, role: str, request: Request, solution: Solution) -> None:
    """Raise :class:`PluginError`, naming the field, if a solution violates the conventions of :class:`Solution`.

    ``who`` names the backend.
    """
    if not isinstance(solution, Solution):
        raise PluginError(f"{who}: returned {type(solution).__name__}, expected a Solution")
    for name, shape in _shapes(role, request, solution).items():
        array = getattr(solution, name)
        if array is None:
            if name in ("members_train", "members_test") and role == "subject":
                raise PluginError(f"{who}: {name} is missing from its solution")
        elif not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            raise PluginError(f"{who}: {name} is {_kind(array)}, expected an array of numbers")
        elif array.shape != shape:
            raise PluginError(f"{who}: {name} has shape {array.shape}, expected {shape}")
    for name in _LAW + _SPECTRUM:
        array = getattr(solution, name)
        if array is not None and not np.isfinite(array).all():
            raise PluginError(f"{who}: {name} holds values that are not finite")
    if np.isnan(solution.times).any():
        raise PluginError(f"{who}: times holds values that are not numbers")
    if not 0 < solution.time_scale < np.inf:
        raise PluginError(f"{who}: time_scale is {solution.time_scale}, expected a positive number")
    if role == "subject":
        _check_members(who, request, solution)


def _kind(value: Any) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _check_members(who: str, request: Request, solution: Solution) -> None:
    """Raise :class:`PluginError` if a member is not finite although by ``diverged_at`` it has not diverged."""
    steps = np.asarray(request.training.steps)
    ends = np.full(request.members, -1) if solution.diverged_at is None else np.asarray(solution.diverged_at)
    if not np.isin(ends, [-1, *steps]).all():
        raise PluginError(f"{who}: diverged_at is {ends.tolist()}, expected recorded steps, or -1 for never")
    alive = (ends[:, None] < 0) | (steps < ends[:, None])
    for name in ("members_train", "members_test"):
        lost = alive & ~_finite(getattr(solution, name))
        if lost.any():
            member, record = np.argwhere(lost)[0]
            raise PluginError(
                f"{who}: {name} of member {member} is not finite at step {steps[record]}, but its diverged_at is "
                f"{'missing' if solution.diverged_at is None else ends[member]}; for a member that diverges in "
                "training it must be the first recorded step at which it is not finite"
            )


def _finite(outputs: Float) -> Any:
    """Return which members (E, T, n, O) are finite at which records: (E, T)."""
    return np.isfinite(outputs).all(axis=(2, 3))


def check_measurements(who: str, rows: Iterable[Any], spec: MetricSpec | None = None) -> list[Measurement]:
    """Return the rows that a metric ``spec``, or without one a backend, measured.

    :raises PluginError: naming the row, if it is none, its value is no number, or the metric has not declared it.
    """
    checked: list[Measurement] = []
    for row in rows:
        if not isinstance(row, Measurement):
            raise PluginError(f"{who}: yielded {row!r}, expected a Measurement")
        if not isinstance(row.value, Real) or row.value != row.value or (spec and abs(row.value) == np.inf):
            raise PluginError(
                f'{who}: "{row.metric}" is {row.value!r}, expected a finite number; where there is none, yield no row'
            )
        if spec and not _is_declared(row.metric, (spec.name, *spec.measures)):
            raise PluginError(
                f'{who}: yielded "{row.metric}", which it does not declare; expected its own name or one of '
                f"MetricSpec.measures {spec.measures}, with or without an ending"
            )
        checked.append(row)
    return checked


def _is_declared(name: object, declared: tuple[str, ...]) -> bool:
    return isinstance(name, str) and any(name == known or name.startswith(f"{known}_") for known in declared)


def _shapes(role: str, request: Request, solution: Solution) -> dict[str, tuple[int, ...]]:
    n, outputs = request.problem.y_train.shape
    records = len(request.training.steps) if role == "subject" else np.size(solution.times)
    m = len(request.problem.x_test)
    shapes: dict[str, tuple[int, ...]] = {
        "times": (records,),
        "steps": (records,),
        "mean_train": (records, n, outputs),
        "mean_test": (records, m, outputs),
        "variance_train": (records, n, outputs),
        "variance_test": (records, m, outputs),
        "covariance_test": (records, m, m),
        "kernel_train": (n, n),
        "kernel_test": (m, n),
        "eigenvalues": (n,),
        "eigenvectors": (n, n),
        "mode_residuals": (records, n, outputs),
    }
    if role == "subject":
        shapes["members_train"] = (request.members, records, n, outputs)
        shapes["members_test"] = (request.members, records, m, outputs)
        shapes["diverged_at"] = shapes["stopped_at"] = (request.members,)
    return shapes
