"""One layer after another: how the law of a pair of pre-activations changes (JAX, element by element).

A pair is carried by its standard deviations sqrt(K(x,x)) and sqrt(K(x',x')), their difference, the cosine AND the sine
of its angle, and Theta over the product of the deviations. What separates close or antipodal points is never found by
subtraction, so it keeps its digits at any depth, and nothing over- or underflows before the answer does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from collections.abc import Callable

Array = jax.Array
PI = jnp.pi
_SMALL = 0.05  # below it the arcsine's log-convexity is summed as a series; above it loses at most 1 / 0.05^2 roundings
_LINEAR = 1e-50  # below it erf is linear to rounding, and products might underflow
_ARCSINE = (1.0, 1 / 6, 3 / 40, 5 / 112, 35 / 1152, 63 / 2816)  # asin(x) = x sum_k a_k x^2k


class Pair(NamedTuple):
    """Pre-activations: deviations ``first``, ``second``, ``gap`` = first - second, ``cosine``, ``sine`` of the angle.

    ``ntk`` is Theta / (first second); ``cosine`` is K / (first second). All broadcast against each other.
    """

    first: Array
    second: Array
    gap: Array
    cosine: Array
    sine: Array
    ntk: Array


class Features(NamedTuple):
    """The same of activations (root mean squares for deviations), and how they respond.

    ``response`` is ``E[phi'(u) phi'(v)]`` times the pre-activations' deviations over the activations'.
    """

    first: Array
    second: Array
    gap: Array
    cosine: Array
    sine: Array
    response: Array


def affine(features: Features, ntk: Array, weight_std: Array, bias_std: Array) -> Pair:
    """Return ``K' = weight_std^2 E[phi phi] + bias_std^2`` and ``Theta' = K' + weight_std^2 Theta E[phi' phi']``.

    The new angle is that between the vectors (weight_std h, bias_std): the spherical law of cosines, and its sine.
    """
    weight1, weight2 = weight_std * features.first, weight_std * features.second
    first, second = jnp.hypot(weight1, bias_std), jnp.hypot(weight2, bias_std)
    bias1, bias2 = _share(bias_std, first), _share(bias_std, second)
    weight, gap = _share(weight1, first) * _share(weight2, second), _finite(weight_std * features.gap)
    cosine = weight * features.cosine + bias1 * bias2
    across = jnp.maximum(bias1, bias2) * _share(gap, jnp.maximum(first, second))
    square = (weight * features.sine) ** 2 + across**2 + 2 * weight * bias1 * bias2 * one_minus_cosine(features)
    gap = gap * _share(_finite(weight1) / 2 + _finite(weight2) / 2, _finite(first) / 2 + _finite(second) / 2)
    return Pair(first, second, gap, cosine, jnp.sqrt(square), cosine + weight * features.response * ntk)


def relu(pair: Pair) -> Features:
    """Return the arc-cosine kernel of order 1 (Cho and Saul 2009): E[phi phi] = q (sin + (pi - angle) cos) / (2 pi)."""
    angle = jnp.arctan2(pair.sine, pair.cosine)
    supplement = PI - angle
    cosine = (pair.sine + supplement * pair.cosine) / PI
    distance = jnp.maximum(one_minus_cosine(pair) - (pair.sine - angle * pair.cosine) / PI, 0.0)
    scale = jnp.sqrt(0.5)
    first, second, gap = scale * pair.first, scale * pair.second, scale * pair.gap
    return Features(first, second, gap, cosine, jnp.sqrt(distance * (1 + cosine)), supplement / PI)


def erf(pair: Pair) -> Features:
    """Return the arc-sine kernel (Williams 1997): E[phi phi] = (2 / pi) asin(2 k / sqrt((1 + 2 q1) (1 + 2 q2))).

    With E[phi phi] = (2 / pi) asin(p1 p2 cos), computed for |cos|, since erf is odd.
    """
    one, two, aligned = _Arc.of(pair.first), _Arc.of(pair.second), jnp.abs(pair.cosine)
    product, norm = one.sine * two.sine, one.root * two.root
    complement = jnp.hypot(one.sine * two.share, one.share)  # sqrt(1 - product^2)
    other = jnp.hypot(product * pair.sine, complement)  # sqrt(1 - (product aligned)^2)
    parallel, actual = jnp.arctan2(product, complement), jnp.arctan2(product * aligned, other)
    lost = _ratio(product * pair.sine**2, other + aligned * complement)
    lost = jnp.arctan2(lost, complement * other + product**2 * aligned)  # parallel - actual
    split = _Split.of(one, two, pair.gap, complement)
    square = split.curvature(one, two, parallel) + _ratio(lost, norm) * _ratio(parallel + actual, norm)
    linear = jnp.maximum(one.sine, two.sine) < _LINEAR
    sine = jnp.where(linear, pair.sine, jnp.sqrt(jnp.clip(square, 0.0, 1.0)))
    cosine = jnp.sign(pair.cosine) * jnp.where(linear, aligned, _ratio(actual, norm))
    first, second = jnp.sqrt(2 / PI) * one.root, jnp.sqrt(2 / PI) * two.root
    gap = jnp.where(linear, 2 / jnp.sqrt(PI) * pair.gap, 2 / PI * _ratio(split.difference, first + second))
    return Features(first, second, gap, cosine, sine, _ratio(one.sine, one.root) * _ratio(two.sine, two.root) / other)


class _Arc(NamedTuple):
    """One point's asin(sine^2) = (pi / 2) E[erf^2], with sine = sqrt(2 q / (1 + 2 q)) and share = 1 / sqrt(1 + 2 q)."""

    sine: Array
    share: Array
    cosine: Array  # sqrt(1 - sine^4)
    root: Array  # of the arc, without underflow

    @classmethod
    def of(cls, deviation: Array) -> _Arc:
        scaled = _finite(jnp.sqrt(2.0) * deviation)
        share = 1 / jnp.hypot(1.0, scaled)
        sine = jnp.where(scaled < 1, scaled * share, 1 / jnp.hypot(1.0, 1 / jnp.maximum(scaled, 1.0)))
        cosine = share * jnp.sqrt(1 + sine**2)
        arc = jnp.arctan2(sine**2, cosine)
        return cls(sine, share, cosine, sine * jnp.sqrt(jnp.where(sine < _LINEAR, 1.0, _ratio(arc, sine**2))))


class _Split(NamedTuple):
    """How two arcs lie around the arc of their geometric mean: differences that keep the digits of ``gap``."""

    squares: Array  # sine^2 of the first - sine^2 of the second
    above: Array  # first arc - parallel
    below: Array  # parallel - second arc
    difference: Array  # first arc - second arc
    excess: Array  # first arc + second arc - 2 parallel >= 0

    @classmethod
    def of(cls, one: _Arc, two: _Arc, gap: Array, complement: Array) -> _Split:
        squares = jnp.sqrt(2.0) * (gap * one.share * two.share) * (one.sine * two.share + two.sine * one.share)
        middle, total = one.sine * two.sine, one.sine**2 + two.sine**2
        above = _ratio(squares, one.sine * complement + two.sine * one.cosine)
        below = _ratio(squares, one.sine * two.cosine + two.sine * complement)
        across = _ratio(total, one.sine**2 * two.cosine + two.sine**2 * one.cosine)
        difference = jnp.arctan2(squares * across, one.cosine * two.cosine + middle**2)
        return cls(
            squares,
            jnp.arctan2(one.sine * above, one.cosine * complement + one.sine**2 * middle),
            jnp.arctan2(two.sine * below, two.cosine * complement + two.sine**2 * middle),
            difference,
            2 * jnp.arcsin(jnp.clip(above * below * across / (2 * jnp.cos(difference / 2)), 0.0, 1.0)),
        )

    def curvature(self, one: _Arc, two: _Arc, parallel: Array) -> Array:
        """Return 1 - parallel^2 / (arc1 arc2), by whichever form cancels least."""
        norm = one.root * two.root
        bent = _ratio(parallel, norm) * _ratio(self.excess, norm)
        direct = 1 - _ratio(parallel, norm) ** 2
        near = bent - _ratio(self.above, norm) * _ratio(self.below, norm)
        small = jnp.maximum(one.sine, two.sine) ** 2 < _SMALL
        series = _ratio(one.sine * two.sine, norm) ** 2 * _arcsine_convexity(one.sine**2, two.sine**2, self.squares)
        return jnp.where(small, series, jnp.where(bent < 1, near, direct))


def _arcsine_convexity(x: Array, y: Array, difference: Array) -> Array:
    """Return A(x) A(y) - A(sqrt(x y))^2 for A(x) = asin(x) / x and small x, y = x - difference: a sum of squares."""
    total = jnp.zeros_like(difference)
    for j, a in enumerate(_ARCSINE):
        for k, b in enumerate(_ARCSINE[j + 1 : len(_ARCSINE) - j], 1):
            powers = sum(x**i * y ** (k - 1 - i) for i in range(k))  # (x^k - y^k) / (x - y)
            total += a * b * (x * y) ** (2 * j) * (difference * powers) ** 2
    return total


def one_minus_cosine(pair: Pair | Features) -> Array:
    """Return 1 - cos from the sine, which knows it where the cosine does not."""
    return jnp.where(pair.cosine > 0, pair.sine**2 / (1 + jnp.maximum(pair.cosine, 0.0)), 1 - pair.cosine)


def _finite(x: Array) -> Array:
    largest = jnp.finfo(x.dtype).max
    return jnp.clip(x, -largest, largest)


def _share(part: Array, whole: Array) -> Array:
    return _ratio(_finite(part), _finite(whole))


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Return the quotient, or 0 where the denominator is 0."""
    return jnp.where(denominator == 0, 0.0, numerator / jnp.where(denominator == 0, 1.0, denominator))


ACTIVATIONS: dict[str, Callable[[Pair], Features]] = {"relu": relu, "erf": erf}


@lru_cache
def network(activation: str) -> Callable[..., tuple[Array, Array]]:
    """Return a compiled ``(inputs, weight_std, bias_std, depth) -> (K, Theta)``: any depth with one compilation."""
    activate = ACTIVATIONS[activation]

    @jax.jit
    def kernels(inputs: Features, weight_std: Array, bias_std: Array, depth: Array) -> tuple[Array, Array]:
        def layer(_: Array, pair: Pair) -> Pair:
            return affine(activate(pair), pair.ntk, weight_std, bias_std)

        pair = affine(inputs, jnp.zeros_like(inputs.cosine), weight_std, bias_std)
        pair = jax.lax.fori_loop(0, depth, layer, pair)
        return _scaled(pair, pair.cosine), _scaled(pair, pair.ntk)

    return kernels


def _scaled(pair: Pair, normalised: Array) -> Array:
    """Multiply by both deviations; zero where any factor is, even if another has overflown."""
    first, second = jnp.maximum(pair.first, pair.second), jnp.minimum(pair.first, pair.second)
    return jnp.where((second == 0) | (normalised == 0), 0.0, first * jnp.where(second == 0, 1.0, normalised) * second)
