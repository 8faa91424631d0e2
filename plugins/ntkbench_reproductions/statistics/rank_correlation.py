"""Rank correlation over few independent units, such as data sets, with an interval and a p-value by permutation.

Sources: Spearman 1904; Bonett and Wright 2000, "Sample size requirements for estimating Pearson, Kendall and Spearman
correlations", for the standard error of Fisher's z; their interval is most accurate up to about |rho| = 0.9.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ntkbench.plugin import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_FEWEST = 4  # units: Fisher's z of fewer has no standard error
_DRAWS = 9999
_INSIDE = 1 - 1e-12  # keeps Fisher's z of a perfect correlation finite


class RankCorrelation(NamedTuple):
    """Spearman's ``rho``, its 95 % interval, the two-sided ``p`` of independence, and the number of units."""

    rho: float
    low: float
    high: float
    p: float
    units: int


def rank_correlation(x: ArrayLike, y: ArrayLike) -> RankCorrelation:
    """Return Spearman's correlation of two lists (n,); units where either is not finite are left out.

    ``p`` comes from all permutations of ``y`` up to n = 7, and from 9,999 random ones (seeded) beyond, where it is at
    least 2e-4. The interval is ``tanh(arctanh(rho) +- 1.96 sqrt((1 + rho^2 / 2) / (n - 3)))``. All numbers are nan for
    fewer than 4 units, or where one list is constant.

    :raises DataError: for lists of different lengths.
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError("rank correlation: two lists of equal length are needed")
    known = np.isfinite(first) & np.isfinite(second)
    first, second = first[known], second[known]
    count = len(first)
    if count < _FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return RankCorrelation(np.nan, np.nan, np.nan, np.nan, count)
    ranks, others = _standard_ranks(first), _standard_ranks(second)
    rho = float(np.clip(ranks @ others, -1.0, 1.0))
    return RankCorrelation(rho, *bonett_wright(rho, count), _permuted(ranks, others), count)


def correlation_text(found: RankCorrelation) -> str:
    """Return a correlation as tables print it: rho with its interval, or ``-`` for nan."""
    return "-" if isnan(found.rho) else f"{found.rho:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def bonett_wright(rho: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided interval of Spearman's rho over ``count`` units (Bonett and Wright 2000)."""
    from scipy.special import ndtri

    half = float(ndtri(0.5 + confidence / 2)) * ((1 + rho**2 / 2) / (count - 3)) ** 0.5
    z = np.arctanh(np.clip(rho, -_INSIDE, _INSIDE))
    return float(np.tanh(z - half)), float(np.tanh(z + half))


def _standard_ranks(values: NDArray[Any]) -> NDArray[Any]:
    """Return mid-ranks (n,), centred and of unit norm."""
    from scipy.stats import rankdata

    ranks = rankdata(values) - (len(values) + 1) / 2
    return np.asarray(ranks / np.linalg.norm(ranks))


def _permuted(ranks: NDArray[Any], others: NDArray[Any]) -> float:
    from scipy.stats import permutation_test

    found = permutation_test(
        (others,),
        lambda permuted, axis: np.sum(permuted * ranks, axis=axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=_DRAWS,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)
