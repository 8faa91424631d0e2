"""Load the problem of a cell and scale it by the statistics of its training points."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..plugin.availability import require_available
from ..plugin.guard import blaming
from ..plugin.specs import import_target
from .check import check_problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..plugin.cell import Cell
    from ..plugin.registry import Registry
    from ..plugin.specs import TaskSpec
    from ..plugin.types import Float, Problem
    from ..theory.losses import Loss


def load_problem(cell: Cell, registry: Registry) -> Problem:
    """Return the problem of a cell, scaled for training; the last few are cached.

    :raises DataError: if the task's data are not finite, do not fit together, or are not those of the plan.
    :raises PluginError: if the task fails, or delivers other sizes than it declares.
    """
    spec = registry.tasks.get(cell.task)
    require_available(spec, registry)
    parameters = json.dumps(cell.task_parameters, sort_keys=True)
    who = registry.tasks.origin(cell.task)
    return _load(who, spec, parameters, cell.fingerprint, cell.split_index, cell.seed, cell.loss)


@lru_cache(maxsize=4)
def _load(
    who: str, spec: TaskSpec, parameters: str, fingerprint: str, split_index: int, seed: int, loss: Loss | None
) -> Problem:
    """Load and scale a problem; other data, with another ``fingerprint``, are another problem."""
    with blaming(who):
        model = import_target(spec.parameters).model_validate_json(parameters)
        _check_fingerprint(spec, model, fingerprint)
        problem = import_target(spec.target)(model, split_index, seed)
        sizes = spec.sizes(model)
    check_problem(who, problem, sizes)
    problem = with_loss(problem, loss or problem.loss)
    targets = spec.standardise_targets and problem.loss != "cross-entropy"
    return scaled(problem, inputs=spec.standardise_inputs, targets=targets)


def _check_fingerprint(spec: TaskSpec, parameters: Any, planned: str) -> None:
    """Refuse data that are not those of the plan: they have changed since, or are others on this machine.

    Data that are missing have no fingerprint; the task itself says so.
    """
    found = spec.fingerprint(parameters)
    if found and found != planned:
        raise DataError(
            f'task "{spec.name}": the data on {platform.node() or "this machine"} are not those that were planned with '
            f"(fingerprint {found[:12]}, expected {planned[:12]}); give it the same files, or run the study anew"
        )


def with_loss(problem: Problem, loss: Loss) -> Problem:
    """Return the problem with another cost; cross-entropy turns labels into one-hot class probabilities.

    :raises DataError: for cross-entropy, if the problem has no classes.
    """
    problem = replace(problem, tuning=tuple(with_loss(part, loss) for part in problem.tuning))
    if loss != "cross-entropy":
        return replace(problem, loss=loss)
    labels = problem.labels_train, problem.labels_test
    if labels[0] is not None and labels[1] is not None:
        both = np.concatenate([labels[0], labels[1]])
        classes = max(problem.y_train.shape[1], int(both.max()) + 1, 2)
        if both.min() < 0:
            raise DataError(f"cross-entropy: labels range from {both.min()}, expected classes counted from 0")
        train, test = (np.eye(classes)[part] for part in labels)
        return replace(problem, loss=loss, y_train=train, y_test=test, target_mean=None, target_std=None)
    rows = np.concatenate([problem.y_train, problem.y_test])
    if rows.shape[1] < 2 or (rows < 0).any() or (np.abs(rows.sum(axis=1) - 1) > 1e-9).any():
        raise DataError("cross-entropy: the task has no labels, and its targets are no class probabilities")
    return replace(problem, loss=loss)


def scaled(problem: Problem, *, inputs: bool, targets: bool) -> Problem:
    """Centre and scale columns by the mean and standard deviation (ddof 0) of the training points.

    A constant column is centred and has scale 1. Each tuning problem is scaled by its own training points.
    """
    tuning = tuple(scaled(part, inputs=inputs, targets=targets) for part in problem.tuning)
    changes: dict[str, Any] = {"tuning": tuning}
    if inputs:
        _, _, (train, test) = _standardised(problem.x_train, problem.x_test)
        changes |= {"x_train": train, "x_test": test}
    if targets:
        mean, std, (train, test) = _standardised(problem.y_train, problem.y_test)
        changes |= {"y_train": train, "y_test": test, "target_mean": mean, "target_std": std}
    return replace(problem, **changes)


def _standardised(train: Float, test: Float) -> tuple[Float, Float, tuple[Float, Float]]:
    """Return mean and scale per column of ``train``, and both parts centred and scaled by them.

    Computed in units of a power of two near the largest magnitude, which changes no digit: squares neither overflow nor
    vanish, whatever the data's own unit.
    """
    constant = train.min(axis=0) == train.max(axis=0)
    exponent = np.where(constant, 0, np.frexp(np.abs(train).max(axis=0))[1])
    with np.errstate(over="ignore"):  # of a test value beyond the range of the scaled data: the problem refuses it
        here, there = np.ldexp(train, -exponent), np.ldexp(test, -exponent)
        mean, std = _statistics(here, constant)
        parts = (here - mean) / std, (there - mean) / std
    return np.ldexp(mean, exponent), np.ldexp(std, exponent), parts


def _statistics(columns: Float, constant: NDArray[np.bool_]) -> tuple[Float, Float]:
    """Return mean and scale per column; the rounding error of a constant column does not count as a spread."""
    mean = np.where(constant, columns[0], columns.mean(axis=0))
    return mean, np.where(constant, 1.0, columns.std(axis=0))
