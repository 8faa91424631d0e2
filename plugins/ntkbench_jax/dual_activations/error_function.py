"""erf, the arc-sine kernel (Williams 1997), and the sigmoid made from it.

``E[erf(u) erf(v)] = (2 / pi) asin(2 k / sqrt((1 + 2 q1) (1 + 2 q2)))`` and
``E[erf'(u) erf'(v)] = (4 / pi) / sqrt((1 + 2 q1) (1 + 2 q2) - 4 k^2)``, k the covariance, q1 and q2 the variances.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from .affine import affine
from .arcs import arcsin
from .interface import Features, Moments, Pair, finite, ratio, share

Array = jax.Array
_SMALL = 0.05  # below it the arcsine's log-convexity is summed as a series; above it loses at most 1 / 0.05^2 roundings
_LINEAR = 1e-50  # below it erf is linear to rounding, and products might underflow
_SIGMOID_SCALE = 2.4020563531719796
_ARCSINE = (1.0, 1 / 6, 3 / 40, 5 / 112, 35 / 1152, 63 / 2816)  # asin(x) = x sum_k a_k x^2k


@dataclass(frozen=True)
class Erf:
    """The error function."""

    def moments(self, deviation: Array) -> Moments:
        """Return both moments, and sqrt(2 / (1 + 2 q))."""
        arc = _Arc.of(deviation)
        slope = 2 / jnp.sqrt(jnp.pi * jnp.hypot(1.0, 2 * finite(deviation)))
        return Moments(jnp.sqrt(2 / jnp.pi) * arc.root, slope, (jnp.sqrt(2.0) * arc.share,))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return the arc-sine kernel and its derivative."""
        scale = first.coefficients[0] * second.coefficients[0]
        sine = jnp.clip(scale * covariance, -1.0, 1.0)
        cosine = jnp.sqrt((1 - sine) * (1 + sine))
        return arcsin(sine) * (2 / math.pi), scale * (2 / math.pi) / cosine

    def features(self, pair: Pair) -> Features:
        """Map any pair: with E[phi phi] = (2 / pi) asin(p1 p2 cos), computed for |cos|, since erf is odd."""
        one, two, aligned = _Arc.of(pair.first), _Arc.of(pair.second), jnp.abs(pair.cosine)
        product, norm = one.sine * two.sine, one.root * two.root
        complement = jnp.hypot(one.sine * two.share, one.share)  # sqrt(1 - product^2)
        other = jnp.hypot(product * pair.sine, complement)  # sqrt(1 - (product aligned)^2)
        parallel, actual = jnp.arctan2(product, complement), jnp.arctan2(product * aligned, other)
        lost = ratio(product * pair.sine**2, other + aligned * complement)
        lost = jnp.arctan2(lost, complement * other + product**2 * aligned)  # parallel - actual
        split = _Split.of(one, two, pair.norm_difference, complement)
        square = split.curvature(one, two, parallel) + ratio(lost, norm) * ratio(parallel + actual, norm)
        linear = jnp.maximum(one.sine, two.sine) < _LINEAR
        sine = jnp.where(linear, pair.sine, jnp.sqrt(jnp.clip(square, 0.0, 1.0)))
        cosine = jnp.sign(pair.cosine) * jnp.where(linear, aligned, ratio(actual, norm))
        first, second = jnp.sqrt(2 / jnp.pi) * one.root, jnp.sqrt(2 / jnp.pi) * two.root
        norm_difference = jnp.where(
            linear, 2 / jnp.sqrt(jnp.pi) * pair.norm_difference, 2 / jnp.pi * ratio(split.difference, first + second)
        )
        return Features(
            first, second, norm_difference, cosine, sine, ratio(one.sine, one.root) * ratio(two.sine, two.root) / other
        )


@dataclass(frozen=True)
class ErfSigmoid:
    """``(1 + erf(x / 2.4020563531719796)) / 2``."""

    def moments(self, deviation: Array) -> Moments:
        """Return the moments of erf, shifted and scaled."""
        inner = Erf().moments(deviation / _SIGMOID_SCALE)
        return Moments(jnp.hypot(1.0, inner.rms) / 2, inner.slope / (2 * _SIGMOID_SCALE), inner.coefficients)

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return the products of erf, shifted and scaled."""
        value, slope = Erf().products(first, second, covariance / _SIGMOID_SCALE**2)
        return (1 + value) / 4, slope / (4 * _SIGMOID_SCALE**2)

    def features(self, pair: Pair) -> Features:
        """Map any pair: activations are (erf, 1) / 2, as an affine layer makes them."""
        first, second, norm_difference = (
            part / _SIGMOID_SCALE for part in (pair.first, pair.second, pair.norm_difference)
        )
        inner = Erf().features(Pair(first, second, norm_difference, pair.cosine, pair.sine, pair.ntk))
        moved = affine(inner, pair.ntk, jnp.asarray(0.5), jnp.asarray(0.5))
        weight = share(0.5 * inner.first, moved.first) * share(0.5 * inner.second, moved.second)
        return Features(
            moved.first, moved.second, moved.norm_difference, moved.cosine, moved.sine, weight * inner.response
        )


class _Arc(NamedTuple):
    """One point's asin(sine^2) = (pi / 2) E[erf^2], with sine = sqrt(2 q / (1 + 2 q)) and share = 1 / sqrt(1 + 2 q)."""

    sine: Array
    share: Array
    cosine: Array  # sqrt(1 - sine^4)
    root: Array  # of the arc, without underflow

    @classmethod
    def of(cls, deviation: Array) -> _Arc:
        scaled = finite(jnp.sqrt(2.0) * deviation)
        share = 1 / jnp.hypot(1.0, scaled)
        sine = jnp.where(scaled < 1, scaled * share, 1 / jnp.hypot(1.0, 1 / jnp.maximum(scaled, 1.0)))
        cosine = share * jnp.sqrt(1 + sine**2)
        arc = jnp.arctan2(sine**2, cosine)
        return cls(sine, share, cosine, sine * jnp.sqrt(jnp.where(sine < _LINEAR, 1.0, ratio(arc, sine**2))))


class _Split(NamedTuple):
    """Two arcs minus that of their geometric mean, with the relative accuracy of ``norm_difference``."""

    squares: Array  # sine^2 of the first - sine^2 of the second
    above: Array  # first arc - parallel
    below: Array  # parallel - second arc
    difference: Array  # first arc - second arc
    excess: Array  # first arc + second arc - 2 parallel >= 0

    @classmethod
    def of(cls, one: _Arc, two: _Arc, norm_difference: Array, complement: Array) -> _Split:
        squares = (
            jnp.sqrt(2.0) * (norm_difference * one.share * two.share) * (one.sine * two.share + two.sine * one.share)
        )
        middle, total = one.sine * two.sine, one.sine**2 + two.sine**2
        above = ratio(squares, one.sine * complement + two.sine * one.cosine)
        below = ratio(squares, one.sine * two.cosine + two.sine * complement)
        across = ratio(total, one.sine**2 * two.cosine + two.sine**2 * one.cosine)
        difference = jnp.arctan2(squares * across, one.cosine * two.cosine + middle**2)
        return cls(
            squares,
            jnp.arctan2(one.sine * above, one.cosine * complement + one.sine**2 * middle),
            jnp.arctan2(two.sine * below, two.cosine * complement + two.sine**2 * middle),
            difference,
            2 * jnp.arcsin(jnp.clip(above * below * across / (2 * jnp.cos(difference / 2)), 0.0, 1.0)),
        )

    def curvature(self, one: _Arc, two: _Arc, parallel: Array) -> Array:
        """Return 1 - parallel^2 / (arc1 arc2), by the form that cancels least."""
        norm = one.root * two.root
        bent = ratio(parallel, norm) * ratio(self.excess, norm)
        direct = 1 - ratio(parallel, norm) ** 2
        near = bent - ratio(self.above, norm) * ratio(self.below, norm)
        small = jnp.maximum(one.sine, two.sine) ** 2 < _SMALL
        series = ratio(one.sine * two.sine, norm) ** 2 * _arcsine_convexity(one.sine**2, two.sine**2, self.squares)
        return jnp.where(small, series, jnp.where(bent < 1, near, direct))


def _arcsine_convexity(x: Array, y: Array, difference: Array) -> Array:
    """Return A(x) A(y) - A(sqrt(x y))^2 for A(x) = asin(x) / x and small x, y = x - difference: a sum of squares."""
    total = jnp.zeros_like(difference)
    for j, a in enumerate(_ARCSINE):
        for k, b in enumerate(_ARCSINE[j + 1 : len(_ARCSINE) - j], 1):
            powers = sum(x**i * y ** (k - 1 - i) for i in range(k))  # (x^k - y^k) / (x - y)
            total += a * b * (x * y) ** (2 * j) * (difference * powers) ** 2
    return total
