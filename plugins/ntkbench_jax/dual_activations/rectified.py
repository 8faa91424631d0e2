"""Rectified monomials max(x, 0)^n: the arc-cosine kernels of order n (Cho and Saul 2009).

``E[phi phi] = (s1 s2)^n J_n(t) / (2 pi)`` and ``E[phi' phi'] = n^2 (s1 s2)^(n-1) J_{n-1}(t) / (2 pi)``, t the angle,
``J_0 = pi - t``, ``J_1 = sin t + (pi - t) cos t``, ``J_2 = 3 sin t cos t + (pi - t) (1 + 2 cos^2 t)`` and
``J_3 = 4 sin^3 t + 15 sin t cos^2 t + (pi - t) (9 sin^2 t cos t + 15 cos^3 t)``; ``J_n(0) = pi (2n - 1)!!``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax.numpy as jnp

from .antipode import arc_cosine
from .arcs import angle
from .interface import Features, Moments, Pair, finite, one_minus_cosine

if TYPE_CHECKING:
    from jax import Array

_NORMS = (1, 1, 3, 15)  # (2n - 1)!!


@dataclass(frozen=True)
class Rectified:
    """``max(x, 0)^degree``; degree 0 is the step function, whose derivative is 0 almost everywhere."""

    degree: int

    def moments(self, deviation: Array) -> Moments:
        """Return sqrt((2n - 1)!! / 2) s^n, and the slope's n sqrt((2n - 3)!! / 2) s^(n-1)."""
        n = self.degree
        if n == 0:
            return Moments(math.sqrt(0.5) * jnp.sign(deviation), jnp.zeros_like(deviation))
        rms = math.sqrt(_NORMS[n] / 2) * _power(deviation, n)
        return Moments(rms, n * math.sqrt(_NORMS[n - 1] / 2) * _power(deviation, n - 1))

    def turn(self, distance: Array) -> tuple[Array, Array]:
        """Map 1 - cos, and return the cosine of the slopes."""
        theta, sine = angle(distance), jnp.sqrt(distance * (2 - distance))
        response = (
            jnp.zeros_like(distance) if self.degree == 0 else 1 - _distance(self.degree - 1, theta, sine, distance)
        )
        return jnp.maximum(_distance(self.degree, theta, sine, distance), 0.0), response

    def features(self, pair: Pair) -> Features:
        """Map any pair."""
        n = self.degree
        theta, supplement = jnp.arctan2(pair.sine, pair.cosine), jnp.arctan2(pair.sine, -pair.cosine)
        acute = pair.cosine > 0
        distance = _distance(n, theta, pair.sine, one_minus_cosine(pair))
        cosine = jnp.where(acute, 1 - distance, _cosine(n, supplement, pair.sine, pair.cosine))
        sine = jnp.sqrt(jnp.maximum(jnp.where(acute, distance * (2 - distance), 1 - cosine**2), 0.0))
        moments = self.moments(pair.first), self.moments(pair.second)
        gap = math.sqrt(_NORMS[n] / 2) * _power_gap(pair, n)
        response = jnp.zeros_like(theta)
        if n > 0:
            slopes = jnp.where(
                acute,
                1 - _distance(n - 1, theta, pair.sine, one_minus_cosine(pair)),
                _cosine(n - 1, supplement, pair.sine, pair.cosine),
            )
            response = slopes * (n * n * _NORMS[n - 1] / _NORMS[n])
        return Features(moments[0].rms, moments[1].rms, gap, cosine, sine, response)


def _distance(n: int, theta: Array, sine: Array, distance: Array) -> Array:
    """Return 1 - J_n(theta) / J_n(0); errors in the angle it stands for are roundings, absolute."""
    if n == 0:
        return theta / math.pi
    cosine, square = 1 - distance, distance * (2 - distance)
    if n == 1:
        return distance - (sine - theta * cosine) / math.pi
    if n == 2:
        return (2 * square + (theta * (3 - 2 * square) - 3 * sine * cosine) / math.pi) / 3
    even = 15 * distance + 6 * square * cosine  # 15 - 9 sin^2 cos - 15 cos^3
    odd = theta * cosine * (15 - 6 * square) - sine * (15 - 11 * square)
    return (even + odd / math.pi) / 15


def _cosine(n: int, supplement: Array, sine: Array, cosine: Array) -> Array:
    """Return J_n / J_n(0) for obtuse angles."""
    return arc_cosine(n, supplement, sine, cosine) / (_NORMS[n] * math.pi)


def _power(x: Array, n: int) -> Array:
    return jnp.ones_like(x) if n == 0 else x**n


def _power_gap(pair: Pair, n: int) -> Array:
    """Return first^n - second^n."""
    total = sum((_power(pair.first, i) * _power(pair.second, n - 1 - i) for i in range(n)), jnp.zeros_like(pair.gap))
    return pair.gap * finite(total)
