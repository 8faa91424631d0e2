"""The backend's entry point: choose a machine where the task says, fit it, and report what it answers."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.errors import DataError
from ntkbench.exchange import Measurement, Solution

from .machines import choose, predict

if TYPE_CHECKING:
    from ntkbench.architecture import Architecture
    from ntkbench.exchange import Float, Int, Problem, Request

    from .machines import Choice
    from .parameters import Parameters

_KEPT = 128
_choices: dict[str, Choice] = {}


def solve(request: Request) -> Solution:
    """Return the answers of a support vector machine whose kernel and penalty were chosen on ``problem.tuning``.

    The kernels are those of the architecture with 0, ..., depth hidden layers (Arora et al. 2019; theory.md, A19). The
    answers are classes, given as the targets that stand for them: -1 or +1, or one-hot less 1/k. They are libsvm's own
    votes, one class against another, which its decision values do not always reproduce.

    :raises DataError: for a task without classes, or without problems to choose on.
    """
    problem, parameters = request.problem, request.parameters
    if problem.labels_train is None:
        raise DataError("backend sklearn-svm: the task has no classes")
    chosen = _chosen(problem, request.architecture, parameters, request.threads)
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


def _chosen(problem: Problem, architecture: Architecture, parameters: Parameters, threads: int) -> Choice:
    """Return the choice; where several splits choose on the same problems, as in A19, it is made once a process."""
    key = sha256(f"{architecture!r} {parameters!r}".encode())
    for part in problem.tuning:
        for array in (part.x_train, part.labels_train, part.x_test, part.labels_test):
            key.update(f"{None if array is None else array.shape}".encode())
            key.update(b"" if array is None else array.tobytes())
    name = key.hexdigest()
    if name not in _choices:
        while len(_choices) >= _KEPT:
            del _choices[next(iter(_choices))]
        _choices[name] = choose(problem.tuning, architecture, parameters, threads)
    return _choices[name]


def _as_targets(labels: Int, outputs: int) -> Float:
    if outputs == 1:
        return np.where(labels > 0, 1.0, -1.0)[:, None]
    return np.eye(outputs)[labels] - 1 / outputs
