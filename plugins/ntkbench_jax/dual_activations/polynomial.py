"""Polynomials: finite Hermite series, exact at any deviation.

Written in the polynomials He_n^[v] that are orthogonal under N(0, v) (v = 0: the monomials, v = 1: Hermite's),
``phi = sum_n c_n He_n^[v]``, the Hermite coefficients of phi(s g) are ``a_k = s^k p_k`` with ``p_k = sum_i c_(k+2i)
(k + 2i)! / (2^i i! sqrt(k!)) (s^2 - v)^i``, and ``E[phi phi] = sum_k p_k p_k' K^k``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, sqrt

import jax
import jax.numpy as jnp

from .interface import Features, Moments, Pair, one_minus_cosine, one_plus_cosine, ratio

Array = jax.Array
_EXPONENT = 280.0  # powers are kept within 10 to plus or minus this, where the highest, or the lowest, is all there is
_CLOSE = 0.5  # relative gap below which unit vectors are subtracted by their increments


@dataclass(frozen=True)
class Polynomial:
    """``sum_n coefficients[n] He_n^[variance](x)``; with variance 0, ``sum_n coefficients[n] x^n``.

    A layer of degree n multiplies relative errors of K(x,x) by up to n: digits are lost as n^depth, and deviations grow
    or shrink doubly exponentially, beyond float64 within a few layers unless they stay near a fixed point.
    """

    coefficients: tuple[float, ...]
    variance: float = 0.0

    @classmethod
    def monomial(cls, degree: int = 3) -> Polynomial:
        """Return ``x^degree``."""
        return cls((0.0,) * degree + (1.0,))

    @classmethod
    def hermite(cls, degree: int = 3) -> Polynomial:
        """Return ``He_degree(x) / sqrt(degree!)``."""
        return cls((0.0,) * degree + (1 / sqrt(factorial(degree)),), 1.0)

    def moments(self, deviation: Array) -> Moments:
        """Return the norms of both Hermite series; the coefficients are all p_k, (degree + 1, ...)."""
        reach = jnp.minimum(deviation, self._most)
        factors, beyond = self._factors(reach), jnp.maximum(deviation / self._most, 1.0)
        slopes = [sqrt(k) * reach ** (k - 1) * factors[k] for k in range(1, self._degree + 1)]
        rms = _norm(self._series(reach)) * beyond**self._degree
        slope = _norm(jnp.stack([jnp.zeros_like(reach), *slopes])) * beyond ** max(self._degree - 1, 0)
        return Moments(rms, slope, (jnp.stack(factors),))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return the polynomial in the covariance, and its derivative, by Horner's rule."""
        one, two = first.coefficients[0], second.coefficients[0]
        value = one[self._degree] * two[self._degree] + jnp.zeros_like(covariance)
        slope = jnp.zeros_like(covariance)
        for k in reversed(range(self._degree)):
            slope = slope * covariance + value
            value = value * covariance
            if self._terms(k):
                value = value + one[k] * two[k]
        return _number(value), _number(slope)

    def features(self, pair: Pair) -> Features:
        """Map any pair: the angle from the differences of unit vectors of coefficients, and from 1 - |cos|^k."""
        unit1, unit2, turn = self._directions(pair)
        aligned, toward = jnp.abs(pair.cosine), jnp.minimum(one_minus_cosine(pair), one_plus_cosine(pair))
        flip = jnp.where(pair.cosine < 0, -1.0, 1.0)
        powers = [aligned**k for k in range(self._degree + 1)]
        shares = unit1 * unit2
        cosine = sum(share * flip**k * power for k, (share, power) in enumerate(zip(shares, powers, strict=True)))
        side, distance = jnp.where(cosine < 0, -1.0, 1.0), jnp.zeros_like(cosine)
        for k in range(self._degree + 1):
            sign = side * flip**k
            apart = jnp.where(sign > 0, turn[k], unit1[k] + unit2[k])
            distance += apart**2 / 2 + sign * shares[k] * toward * sum(powers[:k])
        sine = jnp.sqrt(jnp.clip(distance * (2 - distance), 0.0, 1.0))
        response = jnp.zeros_like(cosine)
        for k in range(1, self._degree + 1):
            response += k * shares[k] * flip ** (k - 1) * powers[k - 1]
        first, second = self.moments(pair.first).rms, self.moments(pair.second).rms
        return Features(first, second, self._gap(pair), jnp.clip(cosine, -1.0, 1.0), sine, response)

    def _directions(self, pair: Pair) -> tuple[Array, Array, Array]:
        """Return the unit vectors of Hermite coefficients, and their difference."""
        least = 1 / self._most
        first, second = jnp.clip(pair.first, least, self._most), jnp.clip(pair.second, least, self._most)
        inside = (first == pair.first) & (second == pair.second)
        gap = jnp.where(inside, pair.gap, first - second)
        one, two, step = self._series(first), self._series(second), self._step(first, second, gap)
        norm1, norm2 = _norm(one), _norm(two)
        unit1, unit2 = ratio(one, norm1), ratio(two, norm2)
        longer = jnp.sum(step * ratio(one + two, norm1 + norm2), axis=0)  # norm1 - norm2
        close = jnp.abs(gap) < _CLOSE * jnp.maximum(first, second)
        return unit1, unit2, jnp.where(close, ratio(step - unit2 * longer, norm1), unit1 - unit2)

    def _gap(self, pair: Pair) -> Array:
        first, second = jnp.minimum(pair.first, self._most), jnp.minimum(pair.second, self._most)
        inside = (first == pair.first) & (second == pair.second)
        one, two = self._series(first), self._series(second)
        step = self._step(first, second, jnp.where(inside, pair.gap, first - second))
        return jnp.sum(step * ratio(one + two, _norm(one) + _norm(two)), axis=0)

    @property
    def _degree(self) -> int:
        return max((n for n, c in enumerate(self.coefficients) if c), default=0)

    @property
    def _most(self) -> float:
        return float(10 ** (_EXPONENT / max(self._degree, 1)))

    def _terms(self, k: int) -> list[tuple[int, float]]:
        """Return the powers of s^2 - variance in p_k, with their factors."""
        degrees = list(enumerate(range(k, self._degree + 1, 2)))
        weights = [factorial(n) // (2**i * factorial(i)) / sqrt(factorial(k)) for i, n in degrees]
        return [
            (i, self.coefficients[n] * w) for (i, n), w in zip(degrees, weights, strict=True) if self.coefficients[n]
        ]

    def _factors(self, reach: Array) -> list[Array]:
        """Return p_k of every k."""
        square = self._square(reach)
        return [
            sum((factor * square**i for i, factor in self._terms(k)), jnp.zeros_like(reach))
            for k in range(self._degree + 1)
        ]

    def _square(self, reach: Array) -> Array:
        """Return s^2 - variance."""
        root = sqrt(self.variance)
        return (reach - root) * (reach + root)

    def _series(self, reach: Array) -> Array:
        """Return a_k of every k, (degree + 1, ...)."""
        return jnp.stack([reach**k * factor for k, factor in enumerate(self._factors(reach))])

    def _step(self, first: Array, second: Array, gap: Array) -> Array:
        """Return the increments of a_k from ``second`` to ``first``, as multiples of ``gap``."""
        square1, square2 = self._square(first), self._square(second)
        steps = []
        for k in range(self._degree + 1):
            step = jnp.zeros_like(gap)
            for i, factor in self._terms(k):
                power = _quotient(first, second, k) * square1**i
                step += factor * (power + second**k * ((first + second) * _quotient(square1, square2, i)))
            steps.append(gap * step)
        return jnp.stack(steps)


def _quotient(x: Array, y: Array, power: int) -> Array:
    """Return (x^power - y^power) / (x - y)."""
    return sum((x**j * y ** (power - 1 - j) for j in range(power)), jnp.zeros_like(x * y))


def _norm(series: Array) -> Array:
    """Return the Euclidean norm over the first axis, whatever its size."""
    largest = jnp.max(jnp.abs(series), axis=0)
    return largest * jnp.sqrt(jnp.sum(ratio(series, largest) ** 2, axis=0))


def _number(x: Array) -> Array:
    """Return ``x``, infinite where opposite infinities met."""
    return jnp.where(jnp.isnan(x), jnp.inf, x)
