"""Compare methods split by split: a t-test that knows that training sets of random splits overlap, and many of them.

Source: Nadeau and Bengio 2003, "Inference for the generalization error", the corrected resampled t-test; Holm 1979 for
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


class Paired(NamedTuple):
    """A mean difference over splits, its standard error, the two-sided ``p`` of its being 0, and the splits."""

    mean: float
    error: float
    p: float
    splits: int


def paired_test(differences: ArrayLike, test_share: float) -> Paired:
    """Return the corrected resampled t-test of differences (K,), one a random split.

    Errors of one method on two splits are correlated, since most training rows are the same. With ``test_share`` the
    number of test rows over that of training rows, the variance of the mean is ``(1/K + test_share) s^2``: an
    approximation from above for stable methods, not exact. Under 3 splits, or if all agree, ``p`` is nan.

    :raises DataError: for differences that are not finite.
    """
    from scipy.stats import t

    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError("paired test: differences must be a list of finite numbers")
    count = len(values)
    if count < 2:
        return Paired(float(values.mean()) if count else np.nan, np.nan, np.nan, count)
    error = float(np.std(values, ddof=1)) * (1 / count + test_share) ** 0.5
    mean = float(values.mean())
    if count < 3 or error == 0:
        return Paired(mean, error, np.nan, count)
    return Paired(mean, error, 2 * float(t.sf(abs(mean) / error, count - 1)), count)


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values corrected for all of them being looked at (Holm 1979); nan stays, and does not count."""
    values = np.asarray(p, dtype=np.float64)
    corrected = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in corrected]


def p_text(p: float) -> str:
    """Return a p-value as tables print it: four digits, ``< 0.0001`` below them, ``-`` where there is none."""
    return "-" if isnan(p) else "< 0.0001" if p < 1e-4 else f"{p:.4f}"
