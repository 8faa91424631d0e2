"""gelu(x) = x Phi(x), Phi the distribution function of N(0, 1).

With q = E[u^2], a = 1 / sqrt(1 + q), x = q a^2, p = sqrt(x) and, of a pair, rho = K a1 a2 and r = sqrt(1 - rho^2),
Stein's lemma and the orthant probability of a normal pair give
``2 pi E[phi phi] a1 a2 = rho (pi / 2 + asin rho) + r x1 x2 + a1^2 a2^2 rho^2 / r`` and
``2 pi E[phi' phi'] = pi / 2 + asin rho + (rho / r) (a1^2 + a2^2 + a1^2 a2^2 / r^2)``.
phi is x / 2 plus the even function x erf(x / sqrt 2) / 2, which is uncorrelated with it: their angles add up as in the
spherical law of cosines. ``N12 = 2 pi E[even even] / (s1 s2)`` of a collinear pair is a function of rho = p1 p2 and
a1 a2; N is that of one point with itself, so ``E[phi^2] = q (pi / 2 + N) / (2 pi)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .arcs import arcsin
from .interface import Features, Moments, Pair, finite, one_minus_cosine, one_plus_cosine, ratio

Array = jax.Array
PI = jnp.pi
_LIMITS = 1e-70, 1e70  # range of deviations in which two even parts may differ in direction
_MOST = 1e300  # larger deviations have this one's direction; its inverse is still a normal number
_CLOSE = 0.6  # relative norm_difference below which a second difference is an integral of the second derivative
_NODES = 18  # integrates g below over [0, 1], singular at sqrt 2, to rounding


@dataclass(frozen=True)
class Gelu:
    """``x Phi(x)``."""

    def moments(self, deviation: Array) -> Moments:
        """Return both root mean squares; the coefficients are a, a^2 and s p / sqrt(2 pi)."""
        one, scale = _GeluPoint.of(deviation), 1 / jnp.sqrt(2 * PI)
        square, reach = one.share**2, scale * finite(deviation)
        curved = one.sine**2 * one.share / jnp.sqrt(2 - square) * (2 + 1 / (2 - square))
        slope = scale * jnp.sqrt(PI / 2 + jnp.arctan2(one.sine**2, one.root) + curved)
        return Moments(reach * one.height, slope, (one.share, square, reach * one.sine))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return E[phi phi] and E[phi' phi']; 1 - rho^2 is at least its value for collinear pairs."""
        (share1, square1, reach1), (share2, square2, reach2) = first.coefficients, second.coefficients
        both, over_turn = share1 * share2, covariance.dtype.type(1 / (2 * PI))
        rho = jnp.clip(covariance * both, -1, 1)
        least = square1 + square2 * (1 - square1) + np.finfo(covariance.dtype).tiny
        square = jnp.maximum((1 - rho) * (1 + rho), least)
        root = jnp.sqrt(square)
        orthant, tangent = arcsin(rho) * over_turn + 0.25, rho / root * over_turn
        value = covariance * orthant + root * (reach1 * reach2) + both * rho * tangent
        return value, orthant + tangent * (square1 + square2 + square1 * square2 / square)

    def features(self, pair: Pair) -> Features:
        """Map any pair; 1 -+ cos are sums of terms of one sign, each with the points' separation as a factor."""
        one, two, bent = _GeluPoint.of(pair.first), _GeluPoint.of(pair.second), _Bent.of(pair)
        norm, rise = one.height * two.height, _rise(pair, one, two)
        linear, even = PI / 2 / norm, bent.even / norm  # shares of the linear part, and of the even one, in the cosine
        turn = jnp.sqrt(PI / 2) * rise / norm  # the sine of the difference of the single points' shares
        tilted = turn**2 / (1 + jnp.sqrt(jnp.maximum(1 - turn**2, 0.0)))
        cosine = jnp.clip(linear * pair.cosine + even, -1.0, 1.0)
        distance = tilted + linear * one_minus_cosine(pair) + (_radial(pair) + bent.lost) / norm
        supplement = tilted + one.tilt * two.tilt / norm + linear * one_plus_cosine(pair) + even
        nearer = jnp.where(cosine > 0, distance, supplement)
        sine = jnp.sqrt(jnp.clip(nearer * (2 - nearer), 0.0, 1.0))
        scale = 1 / jnp.sqrt(2 * PI)
        first, second = (scale * finite(s) * point.height for s, point in ((pair.first, one), (pair.second, two)))
        grown = (
            ratio(finite(pair.first) / 2 + finite(pair.second) / 2, first / 2 + second / 2) * one.height**2 / (2 * PI)
        )
        risen = finite(pair.second) * rise * (one.tilt + two.tilt) * ratio(finite(pair.second), first + second)
        norm_difference = finite(finite(pair.norm_difference) * grown + risen / (2 * PI))
        return Features(first, second, norm_difference, cosine, sine, bent.slope / norm)


class _GeluPoint(NamedTuple):
    """Per point: a, p, r with itself, sqrt(N) and sqrt(pi / 2 + N)."""

    share: Array
    sine: Array
    root: Array
    tilt: Array
    height: Array

    @classmethod
    def of(cls, deviation: Array) -> _GeluPoint:
        share, sine = _shares(deviation)
        square = sine**2
        secant = jnp.sqrt(1 + square)
        root = share * secant
        arc = jnp.where(square < 1e-30, 1.0, ratio(jnp.arctan2(square, root), square))
        tilt = sine * jnp.sqrt(arc + root + share**3 / secant)
        return cls(share, sine, root, tilt, jnp.hypot(jnp.sqrt(PI / 2), tilt))


class _Bent(NamedTuple):
    """Per pair: 2 pi E[even even] / (s1 s2), the part ``lost`` due to the angle, and ``slope`` = 2 pi E[phi' phi']."""

    even: Array
    lost: Array
    slope: Array

    @classmethod
    def of(cls, pair: Pair) -> _Bent:
        (share1, sine1), (share2, sine2) = _shares(pair.first), _shares(pair.second)
        parallel, both, aligned = sine1 * sine2, share1 * share2, jnp.abs(pair.cosine)
        least = jnp.hypot(jnp.hypot(both, sine1 * share2), sine2 * share1)
        rho, root = parallel * aligned, jnp.hypot(least, parallel * pair.sine)
        thin = ratio(both, root)
        arc = jnp.arctan2(rho, root)
        even = aligned * arc + parallel * root + thin * both * parallel * aligned**2
        squares = share1**2 + share2**2 + thin**2
        slope = PI / 2 + jnp.sign(pair.cosine) * (arc + ratio(rho, root) * squares)
        return cls(even, cls._lost(parallel, least, rho, root, both, pair.sine), slope)

    @staticmethod
    def _lost(parallel: Array, least: Array, rho: Array, root: Array, both: Array, sine: Array) -> Array:
        """With the angles acos(rho): ``middle`` their mean, ``half`` half the difference."""
        less = parallel * sine**2  # (parallel^2 - rho^2) / parallel
        turned = ratio(parallel * less, root * parallel + rho * least)
        half = jnp.arctan2(turned, rho * parallel + root * least) / 2
        middle = (jnp.arctan2(least, parallel) + jnp.arctan2(root, rho)) / 2
        complement = (jnp.arctan2(parallel, least) + jnp.arctan2(rho, root)) / 2
        arcs = 2 * jnp.sin(middle) * jnp.sin(half) * complement - 2 * jnp.cos(middle) * _sine_minus_chord(half)
        longer = ratio(less, root + least)  # (root - least) / parallel
        thin = ratio(both, root) * ratio(both, least) * (parallel**2 * longer + less * least)
        return ratio(arcs, parallel) + least**2 * longer + thin


def _shares(deviation: Array) -> tuple[Array, Array]:
    """Return a and p."""
    reach = jnp.minimum(deviation, _MOST)
    return 1 / jnp.hypot(1.0, reach), jnp.where(reach < 1, reach, 1.0) / jnp.hypot(1.0, jnp.minimum(reach, 1 / reach))


def _rise(pair: Pair, one: _GeluPoint, two: _GeluPoint) -> Array:
    """Return the difference of both sqrt(N), from ``dN/da = -2 a^2 (5 - 2 a^2) (2 - a^2)^(-3/2)``."""
    mean = jnp.zeros_like(pair.norm_difference)
    for node, weight in zip(*_legendre(), strict=True):
        square = (one.share + node * (two.share - one.share)) ** 2
        mean += weight * 2 * square * (5 - 2 * square) / (2 - square) ** 1.5
    step = ratio(one.sine * two.share + two.sine * one.share, one.tilt + two.tilt)
    return (
        jnp.clip(pair.norm_difference, -_MOST, _MOST)
        * one.share
        * two.share
        * step
        * ratio(mean, one.share + two.share)
    )


def _radial(pair: Pair) -> Array:
    """Return sqrt(N1 N2) - N12: the difference in direction of the even parts of a collinear pair."""
    clipped = [jnp.clip(s, *_LIMITS) for s in (pair.first, pair.second)]
    inside = (clipped[0] == pair.first) & (clipped[1] == pair.second)
    norm_difference = jnp.where(inside, pair.norm_difference, clipped[0] - clipped[1])
    one, two = (_GeluPoint.of(s) for s in clipped)
    parallel, both = one.sine * two.sine, one.share * two.share
    root = jnp.hypot(jnp.hypot(both, one.sine * two.share), two.sine * one.share)
    product = jnp.arctan2(parallel, root) + parallel * (root + both * (both / root))
    rise = _rise(pair._replace(first=clipped[0], second=clipped[1], norm_difference=norm_difference), one, two) * (
        one.tilt + two.tilt
    )
    close = jnp.abs(norm_difference) < _CLOSE * jnp.maximum(*clipped)
    bend = jnp.where(
        close, _small_bend(clipped, norm_difference, parallel, root), _large_bend(one, two, parallel, root)
    )
    tilts = one.tilt * two.tilt
    curved = (product * bend + bend**2 / 4 - rise**2 / 4) / (tilts + product)
    apart = ~close & (jnp.minimum(*clipped) < 1)  # where the shares of both parts differ by more
    return jnp.maximum(jnp.where(apart, tilts - product, curved), 0.0)


def _large_bend(one: _GeluPoint, two: _GeluPoint, parallel: Array, root: Array) -> Array:
    """Return N1 + N2 - 2 N12 from ``N12 + pi / 2 = a1^2 a2^2 rho / r - (b - sin b) / 2`` with b = 2 acos(rho)."""
    both = one.share * two.share
    total = -2 * (both * (both / root) * parallel - _excess(parallel, root))
    for point in (one, two):
        cube = point.share**3 * point.sine**2 / jnp.sqrt(1 + point.sine**2)
        total += cube - _excess(point.sine**2, point.root)
    return total


def _small_bend(deviations: list[Array], norm_difference: Array, parallel: Array, root: Array) -> Array:
    """Return the same of close points from N'', N as a function of -log x, and N12 less N in the middle."""
    first, second = deviations
    share = 1 / jnp.hypot(1.0, first)
    change = norm_difference / second * (1 + first / second) * share**2  # x1 / x2 - 1
    half = jnp.abs(jnp.log1p(jnp.where(change > -1, change, 0.0))) / 2
    total = 8 * jnp.sinh(half / 2) ** 2 * parallel * (parallel / root)
    start = root**2 / (1 + parallel)  # 1 - rho
    for node, weight in zip(*_legendre(), strict=True):
        step = node * half
        for move in (step, -step):
            total += (
                weight
                * half
                * (half - step)
                * _second_derivative(parallel * jnp.exp(move), start - parallel * jnp.expm1(move))
            )
    return total


def _second_derivative(x: Array, square: Array) -> Array:
    """Return N'' at x and a^2 = 1 - x: ``N' = -a x (3 + 2 x) (1 + x)^(-3/2)``."""
    outer = x * (3 + 2 * x) / (1 + x) ** 1.5
    return -outer * (0.5 / jnp.sqrt(square) + jnp.sqrt(square) * (3 / (3 + 2 * x) - 1 - 1.5 / (1 + x)))


def _excess(cosine: Array, sine: Array) -> Array:
    """Return (b - sin b) / 2 of twice the angle."""
    double = 2 * jnp.arctan2(sine, cosine)
    short, square = jnp.minimum(double, 1.0), jnp.minimum(double, 1.0) ** 2
    series = jnp.zeros_like(short)
    for n in range(19, 1, -2):
        series = (1 - series) * square / (n * (n - 1))
    return jnp.where(double < 1, short * series, double - jnp.sin(double)) / 2


def _sine_minus_chord(half: Array) -> Array:
    """Return sin h - h cos h for 0 <= h <= pi / 4, as ``h^3 / 3 - h^5 / 30 + ...``."""
    square, series = half**2, jnp.zeros_like(half)
    for k in range(9, 0, -1):
        series = (1 - series) * square / (2 * k * (2 * k + 1)) * ((2 * k) / max(2 * k - 2, 1) if k > 1 else 2)
    return half * series


def _legendre() -> tuple[list[float], list[float]]:
    """Return nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return ((nodes + 1) / 2).tolist(), (weights / 2).tolist()
