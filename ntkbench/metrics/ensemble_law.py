"""Ensembles of networks against the law of infinitely wide ones: a metric that a study must list (C8, C16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .errors import finite_members, predictions_from, row_at, training_of, until_stopped, with_error
from .moments import (
    MomentEstimate,
    Sample,
    covariance_distance,
    covariance_slope,
    kurtosis,
    mean_slope,
    variance_excess,
    variance_ratio,
    variance_share,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plugin.types import Measurement, Problem, Solution
    from .errors import Split

_FEWEST = 3  # members: with one left out there is still a variance
_FEWEST_FOR_KURTOSIS = 5
_SAME_TIME = 1e-9  # relative


def law_agreement(problem: Problem, subject: Solution, reference: Solution | None) -> Iterator[Measurement]:
    """Yield comparisons of an ensemble's mean, variance, covariance and kurtosis with a law's (C8, C16).

    Yields ``law_mean_slope`` and ``law_variance_ratio``; if the law has a covariance, also ``law_covariance_slope``,
    ``law_covariance_distance`` with its ``_floor``, and ``law_kurtosis``, all as in :mod:`ntkbench.metrics.moments`,
    each with its jackknife standard error. They are on test points, over members that did not diverge, at every record
    after step 0 that the law shares, up to the first at which a member had stopped; with ``_over_time``, at the last
    of these records, over all of them together. On training points, where the law's variance vanishes in time and a
    mean of ratios would be that of its last traces: ``law_variance_ratio_over_time``, of the sums over points and these
    records, as :func:`.moments.variance_excess` has it; and ``law_variance_left``, the sum at the last of them over the
    law's at step 0. Yields nothing if the law has no variance or kernels, or for fewer than 3 members.
    """
    if reference is None or subject.members_test is None or not _is_stated(reference):
        return
    samples, trained = _samples(problem, subject, reference), _samples(problem, subject, reference, "train")
    for record, sample in samples.items():
        yield from _compared([sample], "", subject, record)
    if samples:
        yield from _compared(list(samples.values()), "_over_time", subject, max(samples))
    if trained:
        yield from _on_training_points(trained, subject, reference)


def _on_training_points(trained: dict[int, Sample], subject: Solution, reference: Solution) -> Iterator[Measurement]:
    """Yield the ensemble's variance on training points, where it vanishes."""
    last, samples = max(trained), list(trained.values())
    stated = sum(float(sample.variance.sum()) for sample in samples)
    if stated > 0:
        yield from with_error("law_variance_ratio_over_time", *variance_excess(samples, stated), subject, last, "train")
    for start in np.flatnonzero(np.asarray(reference.times) == 0)[:1]:
        whole = float(np.sum(np.asarray(reference.variance_train)[start]))
        yield from with_error("law_variance_left", *variance_share([trained[last]], whole), subject, last, "train")


def _is_stated(reference: Solution) -> bool:
    needed = ("mean_test", "variance_test", "kernel_train", "kernel_test", "eigenvalues", "eigenvectors")
    return all(getattr(reference, name) is not None for name in needed)


def _samples(problem: Problem, subject: Solution, reference: Solution, split: Split = "test") -> dict[int, Sample]:
    """Return the samples to compare, by the subject's record; none if the law has no variance on these points."""
    outputs, mean, variance = (
        getattr(whose, f"{what}_{split}")
        for whose, what in ((subject, "members"), (reference, "mean"), (reference, "variance"))
    )
    if outputs is None or mean is None or variance is None:
        return {}
    members = finite_members(subject, outputs)
    if len(members) < _FEWEST:
        return {}
    predicted = predictions_from(reference, problem, subject)[split == "test"]
    shift = finite_members(subject, until_stopped(outputs - predicted, subject))
    covariance = reference.covariance_test if split == "test" else None
    return {
        record: Sample(
            members[:, record],
            shift[:, record],
            np.asarray(mean[of_law]),
            np.asarray(variance[of_law]),
            None if covariance is None else np.asarray(covariance[of_law]),
        )
        for record, of_law in _common_records(subject, reference)
        if np.isfinite(shift[:, record]).all()
    }


def _common_records(subject: Solution, reference: Solution) -> list[tuple[int, int]]:
    """Return pairs of records after step 0 at the same step, or, for a law by flow, at the equivalent time."""
    if subject.steps is not None and reference.steps is not None:
        same = np.asarray(subject.steps)[:, None] == np.asarray(reference.steps)
    else:
        times = np.asarray(subject.times)[:, None] / (1 - training_of(subject).momentum)
        same = np.isclose(times, np.asarray(reference.times), rtol=_SAME_TIME, atol=0)
    same &= (np.asarray(subject.times) > 0)[:, None]
    return [(int(record), int(of_law)) for record, of_law in np.argwhere(same)]


def _compared(samples: list[Sample], suffix: str, subject: Solution, record: int) -> Iterator[Measurement]:
    found: dict[str, MomentEstimate] = {"mean_slope": mean_slope(samples), "variance_ratio": variance_ratio(samples)}
    if samples[0].covariance is not None:
        found["covariance_slope"] = covariance_slope(samples)
        found["covariance_distance"], floor = covariance_distance(samples)
        if np.isfinite(floor):
            yield row_at(f"law_covariance_distance{suffix}_floor", floor, subject, record, None, unit="1")
        if len(samples[0].members) >= _FEWEST_FOR_KURTOSIS:
            found["kurtosis"] = kurtosis(samples)
    for name, (value, without) in found.items():
        yield from with_error(f"law_{name}{suffix}", value, without, subject, record)
