"""Moments of an ensemble against those of a law, each with its leave-one-out values for the jackknife.

A list of samples is pooled, like further points: one sample is one record, all of them are the whole training.
Leaving member k out of E also moves the mean: with a_k its deviation from the mean, the sum of squares falls by
``E / (E - 1) a_k^2``. So all leave-one-out values follow from sums over all members, in one more pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..plugin.types import Float

_SMALLEST_VARIANCE = 1e-6  # of the largest: below it rounding and discretisation dominate
_DIRECTIONS = 8  # leading eigenvectors


@dataclass(frozen=True, eq=False)
class Sample:
    """Members (E, M, O) at one record, their ``shift`` (E, M, O) from their own predictions, and the law's moments.

    ``mean`` and ``variance`` are (M, O), ``covariance`` is (M, M), the same for every output, or None.
    """

    members: Float
    shift: Float
    mean: Float
    variance: Float
    covariance: Float | None = None

    @cached_property
    def centred(self) -> Float:
        """Deviations (E, M, O) from the members' mean."""
        found: Float = self.members - self.members.mean(axis=0)
        return found

    @cached_property
    def predicted(self) -> Float:
        """Deviations (E, M, O) of the members' own predictions from the mean of these."""
        predictions = self.members - self.shift
        found: Float = predictions - predictions.mean(axis=0)
        return found

    @cached_property
    def measured(self) -> Float:
        """The members' covariance (M, M), unbiased, its mean over outputs."""
        count, points, outputs = self.centred.shape
        rows = self.centred.transpose(0, 2, 1).reshape(count * outputs, points)
        found: Float = rows.T @ rows / ((count - 1) * outputs)
        return found

    @cached_property
    def leading(self) -> Float:
        """The law's leading eigenvectors (M, up to 8), those with variance along them."""
        values, vectors = np.linalg.eigh(_stated(self))
        present = int(np.sum(values > _SMALLEST_VARIANCE * values[-1]))
        found: Float = vectors[:, ::-1][:, : min(present, _DIRECTIONS)]
        return found

    def forms(self, matrix: Float) -> Float:
        """Return the quadratic forms (E,) of deviations with a matrix (M, M), their mean over outputs."""
        rows = np.ascontiguousarray(self.centred.transpose(0, 2, 1))
        found: Float = np.einsum("kom,kom->k", rows @ matrix, rows) / rows.shape[1]
        return found


class MomentEstimate(NamedTuple):
    """A statistic of E members, and its leave-one-out values (E,)."""

    value: float
    without: Float


def mean_slope(samples: Sequence[Sample]) -> MomentEstimate:
    """Return ``1 + <mean_k (f_k - p_k), m> / <m, m>``, with m the law's mean: 1 if the law is right (C8).

    f_0 adds no noise, since each member's prediction p_k starts from its own.
    """
    size = sum(float(np.sum(np.square(sample.mean))) for sample in samples)
    along = _total(np.tensordot(sample.shift, sample.mean, axes=2) for sample in samples)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = 1 + along / size
        return MomentEstimate(float(own.mean()), (own.sum() - own) / (len(own) - 1))


def variance_ratio(samples: Sequence[Sample]) -> MomentEstimate:
    """Return the mean, over points and outputs, of the members' variance over the law's (C8).

    Points at which the law has less than 1e-6 of its largest variance are left out.
    """
    largest = max(float(sample.variance.max()) for sample in samples)
    kept = [sample.variance > _SMALLEST_VARIANCE * largest for sample in samples]
    count = sum(int(here.sum()) for here in kept)
    if count == 0:
        return MomentEstimate(np.nan, np.full(len(samples[0].members), np.nan))
    squares = _total(
        np.square(sample.centred[:, here]) @ (1 / sample.variance[here])
        for sample, here in zip(samples, kept, strict=True)
    )
    return _of_squares(squares / count)


def variance_share(samples: Sequence[Sample], whole: float) -> MomentEstimate:
    """Return the members' variance, summed over points, outputs and samples, as a share of ``whole``."""
    return _of_squares(_total(np.square(sample.centred).sum(axis=(1, 2)) for sample in samples) / whole)


def variance_excess(samples: Sequence[Sample], whole: float) -> MomentEstimate:
    """Return 1 + the members' variance minus that of their own predictions, summed, as a share of ``whole``: 1 in C8.

    Members and predictions start from the same f_0, whose sampling noise is in both and drops out.
    """
    own = _total(
        np.square(sample.centred).sum(axis=(1, 2)) - np.square(sample.predicted).sum(axis=(1, 2)) for sample in samples
    )
    value, without = _of_squares(own / whole)
    return MomentEstimate(1 + value, 1 + without)


def covariance_slope(samples: Sequence[Sample]) -> MomentEstimate:
    """Return ``<Cov, C> / <C, C>``, Cov the members' covariance, C the law's: 1 if the law is right (C8, C16)."""
    return _of_squares(_total(sample.forms(_stated(sample)) for sample in samples) / _size(samples))


def covariance_distance(samples: Sequence[Sample]) -> tuple[MomentEstimate, float]:
    """Return ``|Cov - C| / |C|`` in Frobenius norm, and its sampling floor.

    The floor is the root-mean-square distance of Cov from its own expectation, by the jackknife: the distance
    expected from members of this spread if the law were right. For a distance near its floor the jackknife's variance
    is twice too large, which errs on the safe side.
    """
    count = len(samples[0].members)
    kept, taken = (count - 1) / (count - 2), count / ((count - 1) * (count - 2))  # Cov without k: kept Cov - taken A_k
    square, spread, without = 0.0, 0.0, np.zeros(count)
    for sample in samples:
        measured, stated = sample.measured, _stated(sample)
        norms = np.square(np.swapaxes(sample.centred, 1, 2) @ sample.centred).sum(axis=(1, 2))
        norms /= sample.centred.shape[2] ** 2  # |A_k|^2, A_k the mean over outputs of a_k a_k^T
        error = kept * measured - stated
        square += float(np.sum(np.square(measured - stated)))
        without += np.sum(np.square(error)) - 2 * taken * sample.forms(error) + taken**2 * norms
        spread += float(norms.sum()) - (count - 1) ** 2 / count * float(np.sum(np.square(measured)))
    size = _size(samples)
    floor = taken * np.sqrt((count - 1) / count * max(spread, 0.0) / size)
    return MomentEstimate(float(np.sqrt(square / size)), np.sqrt(np.maximum(without, 0.0) / size)), float(floor)


def kurtosis(samples: Sequence[Sample]) -> MomentEstimate:
    """Return the mean excess kurtosis of the members along the law's leading eigenvectors, up to 8 (C8).

    Members are standardised by their own mean and variance, so only the shape matters; unbiased for Gaussian members.
    """
    along = [np.swapaxes(sample.centred, 1, 2) @ sample.leading for sample in samples]
    z = np.concatenate([part.reshape(len(part), -1) for part in along], axis=1)
    powers = np.stack([z, z**2, z**3, z**4])
    sums = powers.sum(axis=1)
    value = _unbiased_kurtosis(sums, len(z)).mean()
    return MomentEstimate(float(value), _unbiased_kurtosis(sums[:, None] - powers, len(z) - 1).mean(axis=-1))


def _unbiased_kurtosis(sums: Float, count: int) -> Float:
    """Return the excess kurtosis, of mean 0 for Gaussian numbers, from sums of the first four powers (4, ...)."""
    first, second, third, fourth = sums / count
    variance = second - first**2
    central = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
    biased = central / variance**2 - 3
    found: Float = (count - 1) / ((count - 2) * (count - 3)) * ((count + 1) * biased + 6)
    return found


def _of_squares(squares: Float) -> MomentEstimate:
    """Return ``sum / (E - 1)`` of the members' squared deviations (E,), and its leave-one-out values."""
    count, total = len(squares), float(squares.sum())
    return MomentEstimate(total / (count - 1), (total - squares * count / (count - 1)) / (count - 2))


def _total(parts: Iterable[Float]) -> Float:
    return np.asarray(sum(parts))


def _size(samples: Sequence[Sample]) -> float:
    return sum(float(np.sum(np.square(_stated(sample)))) for sample in samples)


def _stated(sample: Sample) -> Float:
    assert sample.covariance is not None
    return sample.covariance
