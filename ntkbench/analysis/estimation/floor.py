"""The floor below a distance to a limit: what would be left at infinite width, if the limit were wrong.

An exponent cannot see a small floor: with a weight_std off by 0.5 %, distances still fall almost as n^-1/2 at the
widths that can be measured. The model is ``distance^2 = a + c n^2p``, p as the claim expects it, with the same
correction as the exponent's. In terms of ``f = a / distance^2`` at the largest width it is

    log distance = const + log(f + (1 - f) u) / 2 + correction,    u = (n / n_max)^2p

f may be negative: a distance that falls faster than n^p. The interval inverts a test: f is accepted if the coefficient
of the derivative by f, fitted beside the correction, is not significantly different from zero. It allows for twice the
correction of the exponent's interval, of the same powers: a wrong floor would refute a true theory
(``benchmarks/floor_power.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from .pooling import pooled_at_hand

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .curve import Curve, Curves
    from .mixed import Coefficients

    Floats = NDArray[np.float64]

_ALLOWED = 2.0
_SHARES = np.concatenate([-np.geomspace(10.0, 0.02, 40), np.linspace(0.0, 0.98, 50), [0.99]])
_GRID = np.sign(_SHARES) * _SHARES**2
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class Floor:
    """A floor as a share of the distance at the largest width, able to state its interval at any confidence."""

    curve: Curve | Curves
    exponent: float

    @property
    def share(self) -> float:
        """The estimate: negative if the distance falls faster than expected, minus infinity below -10."""
        scores = self._scores[0]
        share = _crossing(scores, 0.0)
        return share if not np.isnan(share) else 1.0 if scores[0] > 0 else -np.inf

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the two-sided interval of the share: infinite below -10, 1 where nothing is left of the fall."""
        reach = float(ndtri(0.5 + confidence / 2))
        lows, highs = zip(*(_ends(scores, reach) for scores in self._scores), strict=True)
        return min(lows), max(highs)

    def is_above_zero(self, confidence: float = 0.95) -> bool:
        """Whether the interval excludes zero from above."""
        reach = float(ndtri(0.5 + confidence / 2))
        return bool(min(self._at_zero) > reach)

    @cached_property
    def _scores(self) -> list[Floats]:
        """The scores of all floors of the grid, by power."""
        return [_scores(self.curve, self.exponent, _GRID, power) for power in self.curve.powers]

    @cached_property
    def _at_zero(self) -> list[float]:
        """The scores of no floor, by power."""
        none = np.zeros(1)
        return [float(_scores(self.curve, self.exponent, none, power)[0]) for power in self.curve.powers]


@lru_cache(maxsize=1024)
def fit_floor(curve: Curve | Curves | None, exponent: float) -> Floor | None:
    """Return the floor below a distance that should fall as ``n^exponent``; None of fewer than three widths."""
    if curve is None or min(len(each.n) for each in curve.each) < _FEWEST:
        return None
    return Floor(curve, exponent)


def _scores(curve: Curve | Curves, exponent: float, floors: Floats, power: float) -> Floats:
    """Return the evidence that the floor is above each of these (F,), as standard normal numbers."""
    largest, f = curve.n.max(), floors[:, None]

    def fit(each: Curve) -> Coefficients:
        u = (each.n / largest) ** (2 * exponent)
        value = f + (1 - f) * u
        return each.fit_each((1 - u) / (2 * value), each.y - np.log(value) / 2, allowed=_ALLOWED, power=power)

    found = pooled_at_hand([fit(each) for each in curve.each])
    error = np.hypot(found.sampling_error, found.correction)
    dof = found.sampling_dof / np.maximum((found.sampling_error / error) ** 4, 1e-300)  # the correction's part is known
    scores: Floats = ndtri(stdtr(dof, found.estimate / error).clip(1e-300, ndtr(8.0)))
    return scores


def _ends(scores: Floats, reach: float) -> tuple[float, float]:
    """Return where the score first falls through +-reach; it need not fall further where no f fits at all."""
    low, high = _crossing(scores, reach), _crossing(scores, -reach)
    without_low = -np.inf if scores[0] < reach else 1.0
    without_high = -np.inf if scores[0] < -reach else 1.0
    return without_low if np.isnan(low) else low, without_high if np.isnan(high) else high


def _crossing(scores: Floats, level: float) -> float:
    """Return the share at which the score first falls through the level, interpolated; NaN if it does not."""
    falls = np.flatnonzero((scores[:-1] > level) & (level >= scores[1:]))
    if not len(falls):
        return float("nan")
    i = falls[0]
    part = (scores[i] - level) / (scores[i] - scores[i + 1])
    return float(_SHARES[i] + part * (_SHARES[i + 1] - _SHARES[i]))
