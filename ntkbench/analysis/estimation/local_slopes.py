"""Whether a slope is settled, or still changes with the width.

``log value = const + p L + r L^2``, L = log n less its mean: the local slope is ``p + 2 r L``. No correction is allowed
for: the question is whether the measured slope changes beyond noise, whatever the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtr

from .curve import Curve, Curves, estimate

if TYPE_CHECKING:
    from .mixed import MixedEstimate

_FEWEST = 3
_SIGNIFICANT = 0.05
_SUGGESTIVE = 0.2
_NEAR = 100.0
_LARGEST = 1e12


@dataclass(frozen=True, kw_only=True)
class LocalSlopes:
    """Local slopes at the smallest and the largest width, and the trend between them.

    :param at_largest: 95 % interval of the slope at the largest width.
    :param steepens: p-value of slopes that do not become more negative with the width; ``flattens`` the other side's.
    """

    first: float
    last: float
    at_largest: tuple[float, float]
    steepens: float
    flattens: float
    smallest_width: float
    largest_width: float

    def may_reach(self, low: float, high: float) -> bool:
        """Whether the slope is outside [low, high] and approaches it, or may be inside it at the largest width.

        A weaker trend suffices if it would reach [low, high] within a hundred times the largest width.
        """
        if self.at_largest[0] <= high and self.at_largest[1] >= low:
            return True
        trend, width = self._towards(low, high), self.width_at(low, high)
        near = width is not None and width < _NEAR * self.largest_width
        return trend < (_SUGGESTIVE if near else _SIGNIFICANT)

    def leaves(self, low: float, high: float) -> bool:
        """Whether the slope is outside [low, high] and moves away from it."""
        away = self.flattens if self.last > high else self.steepens if self.last < low else 1.0
        return away < _SIGNIFICANT

    def width_at(self, low: float, high: float) -> float | None:
        """Return the width from which the slope may be inside [low, high]; None if it does not move there."""
        edge = high if self.first > high else low if self.first < low else self.first
        change = (self.last - self.first) / np.log(self.largest_width / self.smallest_width)
        exponent = (edge - self.first) / change if change else np.inf
        width = self.smallest_width * float(np.exp(np.clip(exponent, -50, 50)))
        return width if self.smallest_width <= width < _LARGEST else None

    def _towards(self, low: float, high: float) -> float:
        return self.steepens if self.last > high else self.flattens if self.last < low else 0.0


@lru_cache(maxsize=1024)
def local_slopes(curve: Curve | Curves | None) -> LocalSlopes | None:
    """Return the local slopes; None of fewer than three widths."""
    if curve is None or min(len(each.n) for each in curve.each) < _FEWEST:
        return None
    smallest, largest = float(curve.n.min()), float(curve.n.max())

    def fitted(of: int, width: float) -> MixedEstimate:
        """Measure log n from a width: there the linear coefficient is the slope."""

        def fit(each: Curve) -> MixedEstimate:
            logs = np.log(each.n / width)
            return each.fit([logs, logs**2], of=of, allowed=0.0)

        return estimate(curve, fit).at_hand

    trend = fitted(1, float(np.sqrt(smallest * largest)))
    p_of = float(stdtr(trend.dof, trend.estimate / max(trend.standard_error, 1e-300)))
    first, last = (fitted(0, width) for width in (smallest, largest))
    return LocalSlopes(
        first=first.estimate,
        last=last.estimate,
        at_largest=last.interval(0.95),
        steepens=p_of,
        flattens=1 - p_of,
        smallest_width=smallest,
        largest_width=largest,
    )
