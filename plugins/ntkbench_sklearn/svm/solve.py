"""The backend's entry point: choose a machine on the tuning problems, fit it, and report its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import DataError, Measurement, SelectionCache, Solution, tuning_problems

from .machines import TunedClassifier, choose, predict

if TYPE_CHECKING:
    from ntkbench.plugin import Float, Int, Request

_selections: SelectionCache[TunedClassifier] = SelectionCache()


def solve(request: Request) -> Solution:
    """Return the predictions of a support vector machine, with kernel and penalty chosen on ``problem.tuning``.

    The kernels are those of the architecture with 0, ..., depth hidden layers (Arora et al. 2019). The
    predictions are classes, as their numeric targets: -1 or +1, or one-hot minus 1/k. They are libsvm's own votes,
    one class against another, which its decision values do not always reproduce.

    :raises DataError: for a task without classes, or without tuning problems.
    """
    problem, parameters = request.problem, request.parameters
    if problem.labels_train is None:
        raise DataError("backend sklearn-svm: the task has no classes")
    tuning = tuning_problems("sklearn-svm", problem)
    chosen = _selections.get(
        tuning,
        f"{request.architecture!r} {parameters!r}",
        lambda: choose(tuning, request.architecture, parameters, request.threads),
    )
    request.progress(1, 2)
    answers = predict(problem, chosen, request.architecture, parameters)
    request.progress(2, 2)
    outputs = problem.y_train.shape[1]
    facts = {
        "chosen_depth": (chosen.kernel.depth, "layer"),
        "chosen_fixed_layers": (chosen.kernel.fixed, "layer"),
        "chosen_c": (chosen.c, "1"),
        "validation_accuracy": (chosen.accuracy, "fraction"),
        "fits_cut_short": (chosen.cut + answers.cut, "fit"),
    }
    return Solution(
        times=np.array([np.inf]),
        mean_train=_as_targets(answers.train, outputs)[None],
        mean_test=_as_targets(answers.test, outputs)[None],
        measurements=tuple(
            Measurement(metric=metric, value=float(value), unit=unit) for metric, (value, unit) in facts.items()
        ),
    )


def _as_targets(labels: Int, outputs: int) -> Float:
    if outputs == 1:
        return np.where(labels > 0, 1.0, -1.0)[:, None]
    return np.eye(outputs)[labels] - 1 / outputs
