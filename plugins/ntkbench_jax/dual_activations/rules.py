"""Rules of quadrature over arcs and radii: for smooth integrands, and for layers of any width at the ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_REACH = 10.5  # radius beyond which the Gaussian is negligible
_SMOOTH = ((16, 32), (24, 48), (40, 80), (64, 128))
_STEPS = ((0.33, 0.14), (0.27, 0.115), (0.22, 0.095))  # of the logarithms of an arc and of the radius
_LINE = 4  # factor on the number of nodes for integrals over a radius only


@dataclass(frozen=True)
class Rule:
    """A rule for an arc and the radius: Gauss-Legendre, or trapezoidal in their logarithms if ``spread`` > 0.

    The latter resolves layers of any width at the ends of arcs and near the origin, down to exp(-spread).
    """

    angles: int
    radii: int
    spread: float = 0.0

    def arc(self) -> tuple[Floats, Floats, Floats]:
        """Return x and 1 - x on (0, 1), and the weights: (angles,)."""
        if not self.spread:
            return gauss_legendre(self.angles)
        y, step = np.linspace(-self.spread, self.spread, self.angles, retstep=True)
        x, rest = 1 / (1 + np.exp(-y)), 1 / (1 + np.exp(y))
        return x, rest, step * x * rest

    def disc(self) -> tuple[Floats, Floats]:
        """Return r and the weights of ``r exp(-r^2 / 2) / 2 pi``: (radii,)."""
        r, w = self._radius(self.radii, self.spread / 2)
        return r, w * r * np.exp(-(r**2) / 2) / (2 * np.pi)

    def line(self) -> tuple[Floats, Floats]:
        """Return r > 0 and the weights of the normal density."""
        r, w = self._radius(_LINE * self.radii, self.spread)
        return r, w * np.exp(-(r**2) / 2) / np.sqrt(2 * np.pi)

    def _radius(self, count: int, spread: float) -> tuple[Floats, Floats]:
        if not self.spread:
            x, _, w = gauss_legendre(count)
            return _REACH * x, _REACH * w
        z, step = np.linspace(-spread, np.log(_REACH), count, retstep=True)
        return np.exp(z), step * np.exp(z)


def ladder(largest: float) -> tuple[tuple[Rule, ...], ...]:
    """Return rules from coarse to fine, of either kind, for deviations up to ``largest``."""
    spread = 16.0 * math.ceil((42 + max(math.log(largest), 0.0)) / 16)  # in steps, so that few programs are compiled
    graded = (Rule(round(2 * spread / a), round((spread / 2 + math.log(_REACH)) / r), spread) for a, r in _STEPS)
    return tuple(Rule(*counts) for counts in _SMOOTH), tuple(graded)


@lru_cache(maxsize=32)
def gauss_legendre(count: int) -> tuple[Floats, Floats, Floats]:
    """Return x and 1 - x on (0, 1) and the weights, (count,), rounded from extended precision; x = sin(angle / 2)^2."""
    angle = (np.arange(count, dtype=np.longdouble) + 0.75) / (count + 0.5) * np.arccos(np.longdouble(-1))
    for _ in range(6):
        value, below = _legendre(count, np.cos(angle))
        angle = angle - value * np.sin(angle) / (count * (np.cos(angle) * value - below))
    weights = (np.sin(angle) / (count * _legendre(count, np.cos(angle))[1])) ** 2
    parts = np.sin(angle / 2) ** 2, np.cos(angle / 2) ** 2, weights / weights.sum()
    return parts[0].astype(np.float64), parts[1].astype(np.float64), parts[2].astype(np.float64)


def _legendre(degree: int, x: NDArray[np.longdouble]) -> tuple[NDArray[np.longdouble], NDArray[np.longdouble]]:
    """Return P_n(x) and P_{n-1}(x)."""
    below, value = np.ones_like(x), x
    for k in range(1, degree):
        below, value = value, np.asarray(((2 * k + 1) * x * value - k * below) / (k + 1), dtype=np.longdouble)
    return value, below
