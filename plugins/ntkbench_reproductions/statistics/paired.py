"""Compare methods split by split: a t-test that allows for overlapping training sets, corrected for many comparisons.

Sources: Nadeau and Bengio 2003, "Inference for the generalization error", the corrected resampled t-test; Holm 1979 for
several comparisons at once.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ntkbench.plugin import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from ntkbench.plugin import Float


class PairedTest(NamedTuple):
    """A mean difference over splits, its standard error, the two-sided ``p`` for zero, and the number of splits."""

    mean: float
    error: float
    p: float
    splits: int


def paired_test(differences: ArrayLike, test_share: float) -> PairedTest:
    """Return the corrected resampled t-test of differences (K,), one per random split.

    Errors of one method on two splits are correlated, since most training rows are the same. The variance of the mean
    is ``(1/K + test_share) s^2``, with ``test_share`` the number of test rows over that of training rows: for stable
    methods an approximate upper bound. With fewer than 3 splits, or without any variance, ``p`` is nan.

    :raises DataError: for differences that are not finite.
    """
    from scipy.stats import t

    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError("paired test: differences must be a list of finite numbers")
    count = len(values)
    if count < 2:
        return PairedTest(float(values.mean()) if count else np.nan, np.nan, np.nan, count)
    error = float(np.std(values, ddof=1)) * (1 / count + test_share) ** 0.5
    mean = float(values.mean())
    if count < 3 or error == 0:
        return PairedTest(mean, error, np.nan, count)
    return PairedTest(mean, error, 2 * float(t.sf(abs(mean) / error, count - 1)), count)


def mean_interval(values: Float) -> tuple[float, float]:
    """Return Student's 95 % interval for the mean of independent values (n,); nan for fewer than two."""
    from scipy.stats import t

    if len(values) < 2:
        return np.nan, np.nan
    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for multiple comparisons (Holm 1979); nan stays nan and does not count."""
    values = np.asarray(p, dtype=np.float64)
    corrected = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in corrected]


def p_text(p: float) -> str:
    """Return a p-value as tables print it: four digits, ``< 0.0001``, or ``-`` for nan."""
    return "-" if isnan(p) else "< 0.0001" if p < 1e-4 else f"{p:.4f}"
