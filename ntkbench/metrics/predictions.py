"""Networks against the kernel's predictions from the same f_0, as metrics that a study must list (C7, C10).

E members, T records, M test points, O outputs.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import TYPE_CHECKING

import numpy as np

from ..plugin.statistics import rms
from .errors import finite_members, kernel_predictions, predictions_from, row_at, until_stopped, with_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plugin.types import Float, Measurement, Problem, Solution

_NUDGE = 0.01  # relative step of a central difference in the rate: its error is of second order


def prediction_rmse(problem: Problem, subject: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield the RMS test error of the kernel's prediction from each member's f_0, at every recorded step (C10)."""
    if reference is None or subject.members_test is None:
        return
    _, predicted = predictions_from(reference, problem, subject)
    for member, series in enumerate(rms(predicted - problem.y_test)):
        for record in np.flatnonzero(np.isfinite(series)):
            row = row_at("prediction_rmse", series[record], subject, int(record), member)
            yield replace(row, goal="min")


def function_distance_relative(
    problem: Problem, subject: Solution, reference: Solution | None
) -> Iterator[Measurement]:
    """Yield, per member that did not diverge, the largest distance in units of how far the kernel's prediction moves.

    ``max_t RMS(f_t - p_t) / RMS(p_T - f_0)`` on test points, with p_t the prediction from the member's own f_0 and T
    the last record (C7). If the member stopped early, the maximum is up to that step.
    """
    if reference is None or subject.members_test is None:
        return
    _, predicted = predictions_from(reference, problem, subject)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        distance = np.fmax.reduce(rms(until_stopped(subject.members_test - predicted, subject)), axis=1)
        relative = distance / rms(predicted[:, -1] - subject.members_test[:, 0])
    if subject.diverged_at is not None:
        relative[np.asarray(subject.diverged_at) >= 0] = np.nan
    for member in np.flatnonzero(np.isfinite(relative)):
        yield row_at("function_distance_relative", relative[member], subject, -1, int(member), unit="1")


def learning_speed_ratio(problem: Problem, subject: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield the learning rate at which the kernel best fits the ensemble's mean, over the reference's own (C7).

    One Gauss-Newton step, all records and test points together: ``1 + <mean_k (f_k - p_k), g> / <g, g>``, with p_k the
    kernel's prediction from the member's own f_0 and ``g = mean_k d p_k / d log(rate)``. The jackknife leaves
    members out of both means. Members that diverged are left out, and records after a member stopped.
    """
    if reference is None or subject.members_test is None:
        return
    difference, slope = (finite_members(subject, part) for part in _response(problem, subject, reference))
    kept = np.isfinite(difference).all(axis=(0, 2, 3)) & np.isfinite(slope).all(axis=(0, 2, 3))
    if len(difference) == 0 or not kept.any():
        return
    d, g = (part[:, kept].reshape(len(part), -1) for part in (difference, slope))
    all_d, all_g = d.sum(axis=0), g.sum(axis=0)
    size = all_g @ all_g
    if size == 0:
        return
    without = all_d @ all_g - g @ all_d - d @ all_g + np.einsum("ki,ki->k", d, g)
    sizes = size - 2 * (g @ all_g) + np.einsum("ki,ki->k", g, g)
    with np.errstate(invalid="ignore", divide="ignore"):  # one member: there is nothing to leave out
        left_out = 1 + without / sizes
    yield from with_error("learning_speed_ratio", 1 + float(all_d @ all_g / size), left_out, subject, -1)


def _response(problem: Problem, subject: Solution, reference: Solution) -> tuple[Float, Float]:
    """Return f - p and the derivative of p with respect to the log of the rate, each (E, T, M, O)."""
    assert subject.members_test is not None
    rates = [reference.time_scale * (1 + nudge) for nudge in (_NUDGE, -_NUDGE)]
    nudged = (replace(reference, time_scale=rate) for rate in rates)
    with np.errstate(over="ignore", invalid="ignore"):  # the prediction itself diverges
        now = predictions_from(reference, problem, subject)[1]
        faster, slower = (kernel_predictions(each, problem, subject)[1] for each in nudged)
        slope = (faster - slower) / (log(1 + _NUDGE) - log(1 - _NUDGE))
        return until_stopped(subject.members_test - now, subject), slope
