"""Shared by the baselines: choose the best setting on the tuning problems, then fit it to all training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ntkbench.plugin import (
    DataError,
    Measurement,
    SelectionCache,
    Solution,
    fraction_correct,
    select,
    tuning_problems,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ntkbench.plugin import Float, Problem, Request

    Setting = Mapping[str, float]

_selections: SelectionCache[Setting] = SelectionCache()


class Method(Protocol):
    """A method with settings to choose among."""

    name: str

    @property
    def settings(self) -> Sequence[Setting]:
        """The settings to choose among."""

    @property
    def tuning_rows(self) -> int | None:
        """How many training rows, the first ones, are used to choose; None for all."""

    def outputs(self, x: Float, y: Float, settings: Sequence[Setting], at: Float) -> Iterator[Float]:
        """Yield, for each setting, the predictions at ``at`` of the method fitted to ``x`` (N, F), ``y`` (N, O)."""


def answer(request: Request, method: Method) -> Solution:
    """Return the predictions of a method whose setting was chosen on ``problem.tuning``, as a solution at t = inf.

    The best setting has the highest mean accuracy if there are classes; otherwise, and among equals, the smallest mean
    squared error; then the first one counts.

    :raises DataError: without tuning problems, or if no setting gives finite numbers.
    """
    problem, tuning = request.problem, tuning_problems(method.name, request.problem)
    settings = f"{method.name} {request.parameters!r} {request.seed}"
    chosen = _selections.get(tuning, settings, lambda: _choose(tuning, method))
    request.progress(1, 2)
    everywhere = np.concatenate([problem.x_train, problem.x_test])
    outputs = next(iter(method.outputs(problem.x_train, problem.y_train, [chosen], everywhere)))
    request.progress(2, 2)
    n = len(problem.x_train)
    return Solution(
        times=np.array([np.inf]),
        mean_train=outputs[None, :n],
        mean_test=outputs[None, n:],
        measurements=tuple(
            Measurement(metric=f"chosen_{key}", value=float(value), unit="1") for key, value in chosen.items()
        ),
    )


def _choose(tuning: Sequence[Problem], method: Method) -> Setting:
    """Return the best setting."""
    with np.errstate(over="ignore", invalid="ignore"):
        wrong, squares = np.mean([list(_scores(part, method)) for part in tuning], axis=0).T
    best = select(method.settings, wrong, tie_breakers=squares)
    if best.failed:
        raise DataError(f"backend {method.name}: no setting gives finite predictions")
    return best.candidate


def _scores(part: Problem, method: Method) -> Iterator[tuple[float, float]]:
    """Yield the share of wrong labels, 0 without classes, and the mean squared error on a problem's test points."""
    rows = slice(method.tuning_rows)
    for outputs in method.outputs(part.x_train[rows], part.y_train[rows], method.settings, part.x_test):
        wrong = 0.0 if part.labels_test is None else 1 - float(fraction_correct(outputs, part.labels_test))
        yield wrong, float(np.mean(np.square(outputs - part.y_test)))
