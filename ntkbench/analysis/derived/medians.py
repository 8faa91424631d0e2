"""Medians of numbers that may be censored, with errors and intervals from order statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import bdtr, ndtri

if TYPE_CHECKING:
    from ...plugin.types import Float


class Between(NamedTuple):
    """Numbers (E,) known to lie between ``low`` and ``high``, which are equal unless a number is censored."""

    low: Float
    high: Float

    def over(self, other: Between) -> Between:
        """Return these positive numbers over others."""
        return Between(self.low / other.high, self.high / other.low)


def median(numbers: Between) -> float:
    """Return the median; nan where censoring leaves it open."""
    low, high = float(np.median(numbers.low)), float(np.median(numbers.high))
    return low if low == high else float("nan")


def median_error(numbers: Between) -> float:
    """Return the median's standard error, by order statistics (Price and Bonett 2001, J. Stat. Comput. Simul. 68).

    The distance of the order statistics c and E + 1 - c, c = (E + 1) / 2 - sqrt(E), over that of the normal quantiles
    at the exact confidence of these. Too large by a fifth for few numbers. Infinite where censoring leaves an end open,
    nan for one number.
    """
    count = len(numbers.low)
    if count < 2:
        return float("nan")
    c = max(1, round((count + 1) / 2 - count**0.5))
    z = float(ndtri(1 - bdtr(c - 1, count, 0.5)))
    return (float(np.sort(numbers.high)[-c]) - float(np.sort(numbers.low)[c - 1])) / (2 * z)


def median_interval(numbers: Between, confidence: float) -> tuple[float, float]:
    """Return order statistics that contain the median with at least this confidence, whatever the distribution.

    Each censored number counts with the end that widens the interval. Infinite where there are too few numbers.
    """
    count = len(numbers.low)
    at_most = bdtr(np.arange(count + 1), count, 0.5)
    below = int(np.searchsorted(at_most, (1 - confidence) / 2))  # the fewest k with P(B <= k) >= (1 - confidence) / 2
    if below < 1:
        return -np.inf, np.inf
    return float(np.sort(numbers.low)[below - 1]), float(np.sort(numbers.high)[-below])
