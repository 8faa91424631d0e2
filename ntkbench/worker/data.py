"""Load a cell's problem and scale it by training statistics."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..registry import require_available
from ..specs import resolve

if TYPE_CHECKING:
    from ..exchange import Float, Problem
    from ..plan import Cell
    from ..registry import Registry
    from ..specs import TaskSpec


def load_problem(cell: Cell, registry: Registry) -> Problem:
    """Return the problem of a cell, scaled as it is trained on; the last few are kept.

    :raises DataError: if the task's data are not finite or do not fit together.
    """
    spec = registry.tasks.get(cell.task)
    require_available(spec)
    return _load(spec, json.dumps(cell.task_parameters, sort_keys=True), cell.split_index, cell.seed)


@lru_cache(maxsize=4)
def _load(spec: TaskSpec, parameters: str, split_index: int, seed: int) -> Problem:
    model = resolve(spec.parameters).model_validate_json(parameters)
    problem = resolve(spec.target)(model, split_index, seed)
    return scaled(problem, inputs=spec.standardise_inputs, targets=spec.standardise_targets)


def scaled(problem: Problem, *, inputs: bool, targets: bool) -> Problem:
    """Centre and scale columns by the mean and standard deviation (ddof 0) of the training points.

    A constant column is centred and has scale 1.
    """
    changes: dict[str, Float] = {}
    if inputs:
        mean, std = _statistics(problem.x_train)
        changes |= {"x_train": (problem.x_train - mean) / std, "x_test": (problem.x_test - mean) / std}
    if targets:
        mean, std = _statistics(problem.y_train)
        changes |= {"y_train": (problem.y_train - mean) / std, "y_test": (problem.y_test - mean) / std}
        changes |= {"target_mean": mean, "target_std": std}
    return replace(problem, **changes)  # type: ignore[arg-type]


def _statistics(columns: Float) -> tuple[Float, Float]:
    """Return mean and scale per column; rounding in a constant column is not mistaken for a spread."""
    constant = columns.min(axis=0) == columns.max(axis=0)
    mean = np.where(constant, columns[0], columns.mean(axis=0))
    std = np.where(constant, 1.0, columns.std(axis=0))
    return mean, np.where(std > 0, std, 1.0)
