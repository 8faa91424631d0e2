"""Ensembles against laws, as metrics that a study asks for: distances that vanish, clocks, moments (C7, C8, C10, C16).

Members are replicates: numbers of whole ensembles come with a jackknife standard error. E members, T records, M test
points, O outputs; members that diverged are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .exchange import Float, Measurement
from .jackknife import jackknife_error
from .metrics import predictions_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .exchange import Problem, Solution

_NUDGE = 0.01
_SMALLEST_VARIANCE = 1e-6
_DIRECTIONS = 8


def prediction_rmse(problem: Problem, subject: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield, per member and record, the RMS test error of the kernel's prediction from the member's f_0 (C10)."""
    if reference is None:
        return
    _, predicted = predictions_from(reference, problem, subject)
    for member, series in enumerate(_rms(predicted - problem.y_test)):
        for record, value in enumerate(series):
            if np.isfinite(value):
                yield _row("prediction_rmse", value, subject, record, member, unit="target")


def function_distance_relative(
    problem: Problem, subject: Solution, reference: Solution | None
) -> Iterator[Measurement]:
    """Yield, per member, the largest distance to the kernel's prediction over how far that has moved (C7)."""
    if reference is None or subject.members_test is None:
        return
    _, predicted = predictions_from(reference, problem, subject)
    distance = _rms(subject.members_test - predicted).max(axis=1)
    moved = _rms(predicted[:, -1] - predicted[:, 0])
    for member in np.flatnonzero(np.isfinite(distance) & (moved > 0)):
        yield _row("function_distance_relative", distance[member] / moved[member], subject, -1, int(member))


def clock_ratio(problem: Problem, subject: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield the rate at which the kernel fits the ensemble's mean best, over the rate it states (C7).

    One Gauss-Newton step over all records: ``1 + <mean_k (f_k - p_k), g> / <g, g>``, p_k the prediction from the
    member's own f_0 and g the derivative of the mean prediction by the log of the rate.
    """
    if reference is None or subject.members_test is None or subject.learning_rate is None:
        return
    alive = _alive(subject)
    if len(alive) == 0:
        return
    at = [replace(reference, rate_factor=reference.rate_factor * (1 + nudge)) for nudge in (0.0, _NUDGE, -_NUDGE)]
    now, later, earlier = (predictions_from(law, problem, subject)[1][alive] for law in at)
    difference, slope = subject.members_test[alive] - now, (later - earlier) / (2 * _NUDGE)
    direction = slope.mean(axis=0)
    size = float(np.sum(direction * direction))
    if size > 0:
        own = np.tensordot(difference, direction, axes=3) / size
        yield from _ratio("clock_ratio", 1 + own, subject, -1)


def law_agreement(problem: Problem, subject: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield how mean, variance, covariance and kurtosis of members compare with a law's (C8, C16).

    ``law_mean_slope``: ``1 + <mean_k (f_k - p_k), m> / <m, m>``, m the law's mean: f_0's noise cancels.
    ``law_variance_ratio``: the mean over test points of measured over stated variance.
    ``law_covariance_slope``: ``<Cov, C> / <C, C>``. ``law_covariance_distance``: ``|Cov - C|_F / |C|_F``, with the
    ``_floor`` that sampling from C would leave. ``law_kurtosis``: the mean excess kurtosis along the leading
    eigenvectors of C. Each at recorded steps after 0, and ``_over_time``, the mean over them, at the last.
    """
    if reference is None or reference.mean_test is None or reference.variance_test is None or subject.steps is None:
        return
    alive = _alive(subject)
    if len(alive) < 3 or subject.members_test is None:
        return
    _, predicted = predictions_from(reference, problem, subject)
    members, paired = subject.members_test[alive], subject.members_test[alive] - predicted[alive]
    together: dict[str, list[Float]] = {}
    for record in range(1, members.shape[1]):
        law = _Moment(reference, record)
        for name, (value, without) in law.compared(members[:, record], paired[:, record]).items():
            yield from _with_error(name, value, without, subject, record)
            together.setdefault(name, []).append(np.concatenate([[value], without]))
        yield from law.distance(members[:, record], subject)
    for name, parts in together.items():
        mean = np.mean(parts, axis=0)
        yield from _with_error(f"{name}_over_time", float(mean[0]), mean[1:], subject, -1)


class _Moment:
    """What a law says at one record."""

    def __init__(self, reference: Solution, record: int) -> None:
        assert reference.mean_test is not None and reference.variance_test is not None
        self.record = record
        self.mean, self.variance = reference.mean_test[record], reference.variance_test[record]
        covariance = reference.covariance_test
        self.covariance = None if covariance is None else np.asarray(covariance[record])

    def compared(self, members: Float, paired: Float) -> dict[str, tuple[float, Float]]:
        """Return each statistic of members (E, M, O) with its values (E,) without each of them."""
        found = {"law_variance_ratio": self._variance_ratio(members)}
        if (size := float(np.sum(self.mean**2))) > 0:
            own = 1 + np.tensordot(paired, self.mean, axes=2) / size
            found["law_mean_slope"] = float(own.mean()), _without(own)
        if self.covariance is not None:
            found["law_covariance_slope"] = self._covariance_slope(members)
            found["law_kurtosis"] = self._kurtosis(members)
        return found

    def _variance_ratio(self, members: Float) -> tuple[float, Float]:
        kept = self.variance > _SMALLEST_VARIANCE * self.variance.max()
        scaled = np.square(members - members.mean(axis=0))[:, kept] / self.variance[kept]
        return _of_variances(scaled.mean(axis=1))

    def _covariance_slope(self, members: Float) -> tuple[float, Float]:
        """Return ``<Cov, C> / <C, C>``, Cov the mean over outputs: a mean of quadratic forms of members."""
        assert self.covariance is not None
        centred = members - members.mean(axis=0)
        forms = np.einsum("emo,mn,eno->e", centred, self.covariance, centred, optimize=True) / members.shape[2]
        return _of_variances(forms / float(np.sum(self.covariance**2)))

    def _kurtosis(self, members: Float) -> tuple[float, Float]:
        assert self.covariance is not None
        values, vectors = np.linalg.eigh(self.covariance)
        leading = vectors[:, ::-1][:, : int((values > _SMALLEST_VARIANCE * values[-1]).sum())][:, :_DIRECTIONS]
        along = np.einsum("emo,md->edo", members - members.mean(axis=0), leading).reshape(len(members), -1)
        second, fourth = along**2, along**4
        count, less = len(members), len(members) - 1
        value = float(np.mean(fourth.mean(axis=0) / second.mean(axis=0) ** 2)) - 3
        without = (fourth.sum(axis=0) - fourth) / less / ((second.sum(axis=0) - second) / less) ** 2
        gaussian = 3 * (count - 1) / (count + 1) - 3  # what the sample kurtosis of Gaussian numbers has as mean
        return value - gaussian, without.mean(axis=1) - 3 - gaussian

    def distance(self, members: Float, subject: Solution) -> Iterator[Measurement]:
        """Yield the covariance's relative distance, and what sampling from the law would leave of it."""
        if self.covariance is None:
            return
        count, _, outputs = members.shape
        centred = members - members.mean(axis=0)
        measured = np.einsum("emo,eno->mn", centred, centred, optimize=True) / (outputs * (count - 1))
        size = float(np.sum(self.covariance**2))
        distance = float(np.sqrt(np.sum((measured - self.covariance) ** 2) / size))
        floor = np.sqrt((np.trace(self.covariance) ** 2 + size) / ((count - 1) * outputs * size))
        yield _row("law_covariance_distance", distance, subject, self.record, None)
        yield _row("law_covariance_distance_floor", float(floor), subject, self.record, None)


def _of_variances(centred_squares: Float) -> tuple[float, Float]:
    """Return ``sum / (E - 1)`` of members' centred squares (E,), and what it is without each member.

    Taking member k off moves the mean too: the sum falls by its square times ``E / (E - 1)``.
    """
    count = len(centred_squares)
    total = float(centred_squares.sum())
    without = (total - centred_squares * count / (count - 1)) / (count - 2)
    return total / (count - 1), without


def _without(values: Float) -> Float:
    return np.asarray((values.sum() - values) / (len(values) - 1))


def _ratio(name: str, own: Float, subject: Solution, record: int) -> Iterator[Measurement]:
    yield from _with_error(name, float(own.mean()), _without(own), subject, record)


def _with_error(name: str, value: float, without: Float, subject: Solution, record: int) -> Iterator[Measurement]:
    error = float(jackknife_error(without))
    if np.isfinite(value):
        yield _row(name, value, subject, record, None)
    if np.isfinite(error):
        yield _row(f"{name}_standard_error", error, subject, record, None)


def _alive(subject: Solution) -> NDArray[np.intp]:
    """Return the positions of members that never diverged."""
    if subject.members_test is None:
        return np.zeros(0, dtype=np.intp)
    if subject.diverged_at is None:
        return np.arange(len(subject.members_test))
    return np.flatnonzero(np.asarray(subject.diverged_at) < 0)


def _rms(values: Float) -> Float:
    return np.asarray(np.sqrt(np.mean(np.square(values), axis=(-2, -1))))


def _row(name: str, value: float, subject: Solution, record: int, member: int | None, unit: str = "1") -> Measurement:
    step = None if subject.steps is None else int(subject.steps[record])
    return Measurement(
        metric=name,
        value=float(value),
        unit=unit,
        split="test",
        member=member,
        step=step,
        time=float(subject.times[record]),
    )
