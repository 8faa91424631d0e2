"""Choose depth, learning rate and last step, using only the task's tuning problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import fraction_correct, rms, select, tuning_problems

from .candidates import candidates, train

if TYPE_CHECKING:
    from collections.abc import Callable

    from ntkbench.plugin import Float, Problem, Request

    from .candidates import Candidate


@dataclass(frozen=True)
class TunedNetwork:
    """The chosen candidate, the step at which its training ends, and the score for which it was chosen.

    ``score``, lower is better, is minus the accuracy, or the RMSE, on the tuning problems; ``diverged`` counts the
    candidates with a member that diverged.
    """

    candidate: Candidate
    step: int
    score: float
    diverged: int


def choose(request: Request, tick: Callable[[], None]) -> TunedNetwork:
    """Return the candidate and the step of the best mean score over ``problem.tuning``, the first among equals.

    A candidate with a diverged member ranks last from that step on. The problem's own training and test points are not
    used. ``tick`` is called after every training.

    :raises DataError: without tuning problems.
    """
    tuning_problems("torch-tuned", request.problem)
    among, steps = candidates(request.architecture, request.parameters), ends(request)
    scores = [_scores(request, candidate, steps, tick) for candidate in among]
    best = select(among, scores)
    diverged = sum(not np.isfinite(score[-1]) for score in scores)
    return TunedNetwork(best.candidate, steps[best.place[0]], best.score, diverged)


def ends(request: Request) -> list[int]:
    """Return the steps at which training may end: the recorded ones, or only the last of them."""
    steps: list[int] = request.training.steps.tolist()
    return steps if request.parameters.early_stopping else steps[-1:]


def _scores(request: Request, candidate: Candidate, steps: list[int], tick: Callable[[], None]) -> Float:
    """Return a candidate's mean score (T,) over the tuning problems after ``steps`` (T,); nan or inf once diverged."""
    found = []
    for part in request.problem.tuning:
        trajectory = train(request, candidate, part, steps)
        assert trajectory.outputs_test is not None
        found.append(score(part, trajectory.outputs_test.double().cpu().numpy()))
        tick()
    return np.asarray(np.mean(found, axis=0))


def score(problem: Problem, outputs: Float) -> Float:
    """Return the score (T,) of the mean of networks (E, T, M, O) on a problem's test points; lower is better.

    Minus the fraction of correct labels, if there are labels; else the RMSE, in units of scaled targets; nan
    once a network has diverged.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # of networks that diverge
        mean = outputs.mean(axis=0)
        if problem.labels_test is not None:
            return -fraction_correct(mean, problem.labels_test)
        return rms(mean - problem.y_test)
