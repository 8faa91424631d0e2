"""Dual activations integrated pair by pair, in polar coordinates: slow, but accurate where a series is not.

With u = s r cos t and v = s' r cos(t - theta), ``E[phi(u) phi(v)]`` is the integral over r and t of ``phi phi r
exp(-r^2 / 2) / 2 pi`` (Cho and Saul 2009, appendix). The circle falls into four arcs between the zeros of u and v; on
each of them phi is on one side of 0, so a kink there does no harm. A pair takes thousands of evaluations of phi.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..x64 import enable_x64
from .functions import Function, difference, value_and_slope
from .interface import Features, Moments, Pair, ratio
from .rules import Rule, ladder

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Array = jax.Array
T = TypeVar("T")
_AT_ONCE = 2**17  # evaluations
_SMALLEST = 1e-300  # replaces a deviation of 0, so that both sides of 0 stay distinct


_U_SIDES, _V_SIDES = (np.array(side)[:, None, None] for side in ([1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]))


class _Arcs(NamedTuple):
    """Per pair: u, v and u - v on the four arcs, and the weights: (4, angles, radii)."""

    u: Array
    v: Array
    apart: Array
    weight: Array


@dataclass(frozen=True)
class Polar:
    """The dual of ``function``, smooth except at 0, by ``rule``; ``sign`` is 1 or -1 for an even or odd one, else 0."""

    function: Function
    rule: Rule
    sign: int

    def moments(self, deviation: Array) -> Moments:
        """Return the moments at ``deviation``; the coefficient is the deviation."""
        flat = jnp.maximum(jnp.ravel(deviation), _SMALLEST)
        batch = max(1, _AT_ONCE // (8 * self.rule.radii))
        rms, slope = _in_batches(self._moments, flat, batch)
        return Moments(rms.reshape(deviation.shape), slope.reshape(deviation.shape), (deviation,))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Integrate pair by pair, always in float64."""
        (s1,), (s2,) = first.coefficients, second.coefficients
        cosine = jnp.clip(ratio(ratio(covariance, s1), s2), -1.0, 1.0)
        sine = jnp.sqrt((1 - cosine) * (1 + cosine))
        parts = jnp.broadcast_arrays(s1, s2, cosine, sine)
        flat = tuple(part.ravel() for part in parts)
        result = _in_batches(self._products, flat, self._batch)
        values, slopes = (part.reshape(parts[0].shape).astype(covariance.dtype) for part in result)
        return values, slopes

    def features(self, pair: Pair) -> Features:
        """Measure the difference of both activations by the mean value of phi' in between."""
        shape = jnp.broadcast_shapes(*(jnp.shape(x) for x in pair))
        flat = Pair(*(jnp.broadcast_to(x, shape).ravel() for x in pair))
        mirrored = (flat.cosine < 0) & (self.sign != 0)
        acute = flat._replace(cosine=jnp.where(mirrored, -flat.cosine, flat.cosine))
        result = _in_batches(self._features, acute, max(1, self._batch // 8))
        turned = jnp.where(mirrored, -1.0, 1.0)
        if self.sign < 0:  # phi(-v) = -phi(v), phi' alike
            result = result._replace(cosine=result.cosine * turned)
        else:
            result = result._replace(response=result.response * turned)
        shaped: Features = jax.tree.map(lambda x: x.reshape(shape), result)
        return shaped

    @property
    def _batch(self) -> int:
        return max(1, _AT_ONCE // (4 * self.rule.angles * self.rule.radii))

    def _moments(self, deviation: Array) -> tuple[Array, Array]:
        values, slopes, weight = self._on_line(deviation)
        return _norm(values, weight), _norm(slopes, weight)

    def _on_line(self, deviation: Array) -> tuple[Array, Array, Array]:
        """Return phi and phi' at both sides of 0 along the radii, and the weights (2, radii)."""
        r, w = _opaque(self.rule.line())
        sides = np.array([[1.0], [-1.0]])
        values, slopes = value_and_slope(self.function, deviation * (sides * r))
        return values, slopes, jnp.broadcast_to(w, values.shape)

    def _arcs(self, pair: Pair) -> _Arcs:
        """Divide the circle; the arcs on which u and v have the same sign span the supplement of the pair's angle."""
        (x, y, w), (r, radial) = _opaque((self.rule.arc(), self.rule.disc()))
        x, y, w = (part[:, None] for part in (x, y, w))
        angle, supplement = jnp.arctan2(pair.sine, pair.cosine), jnp.arctan2(pair.sine, -pair.cosine)
        same = _U_SIDES == _V_SIDES
        length, rest = jnp.where(same, supplement, angle), jnp.where(same, angle, supplement)
        early = x < 0.5  # near the end where v vanishes; beyond the middle u does
        of_u = _U_SIDES * jnp.sin(jnp.where(early, rest + length * x, length * y))
        of_v = _V_SIDES * jnp.sin(jnp.where(early, length * x, rest + length * y))
        u, v = pair.first * r * of_u, pair.second * r * of_v
        between = 2 * jnp.sin(rest / 2) * jnp.sin(length * (y - x) / 2)
        apart = jnp.where(same, r * (pair.norm_difference * of_u + pair.second * _U_SIDES * between), u - v)
        return _Arcs(u, v, apart, length * w * radial)

    def _products(self, parts: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        first, second, cosine, sine = (part.astype(jnp.float64) for part in parts)
        first, second = jnp.maximum(first, _SMALLEST), jnp.maximum(second, _SMALLEST)
        arcs = self._arcs(Pair(first, second, first - second, cosine, sine, cosine))
        one, two = value_and_slope(self.function, arcs.u), value_and_slope(self.function, arcs.v)
        values, slopes = (jnp.sum(arcs.weight * a * b) for a, b in zip(one, two, strict=True))
        return values, slopes

    def _features(self, pair: Pair) -> Features:
        """Map one pair, of scalars."""
        pair = pair._replace(first=jnp.maximum(pair.first, _SMALLEST), second=jnp.maximum(pair.second, _SMALLEST))
        f1, f2, norm_difference = self._radial(pair)
        arcs = self._arcs(pair)
        (value1, slope1), (value2, slope2) = (value_and_slope(self.function, x) for x in (arcs.u, arcs.v))
        unit, change = ratio(value1, f1), ratio(difference(self.function, arcs.u, arcs.v, arcs.apart), f2)
        aligned, slopes = jnp.sum(arcs.weight * unit * ratio(value2, f2)), jnp.sum(arcs.weight * slope1 * slope2)
        common = jnp.sum(arcs.weight * unit * change)
        square = jnp.minimum(jnp.sum(arcs.weight * (change - common * unit) ** 2), 1.0)
        cosine = jnp.where(aligned > 0.7, jnp.sqrt(1 - square), aligned)
        return Features(
            f1, f2, norm_difference, cosine, jnp.sqrt(square), ratio(pair.first, f1) * ratio(pair.second, f2) * slopes
        )

    def _radial(self, pair: Pair) -> tuple[Array, Array, Array]:
        """Return both root mean squares and their difference."""
        (one, _, weight), (two, _, _) = self._on_line(pair.first), self._on_line(pair.second)
        f1, f2 = _norm(one, weight), _norm(two, weight)
        r, _ = self.rule.line()
        u = np.array([[1.0], [-1.0]]) * r
        change = difference(self.function, pair.first * u, pair.second * u, pair.norm_difference * u)
        return f1, f2, jnp.sum(weight * change * (ratio(one, f1 + f2) + ratio(two, f1 + f2)))


def _opaque(constants: T) -> T:
    """Keep the compiler from working on large constants, which takes it seconds."""
    kept: T = jax.lax.optimization_barrier(constants)  # type: ignore[no-untyped-call]
    return kept


def _in_batches(function: Callable[[Any], Any], points: Any, size: int) -> Any:
    """Map over the first axis, ``size`` at once, the last batch filled up: one program, not two."""
    count = len(jax.tree.leaves(points)[0])
    padded = jax.tree.map(lambda x: jnp.pad(x, (0, -count % size), mode="edge").reshape(-1, size), points)
    result = jax.lax.map(jax.vmap(function), padded)
    return jax.tree.map(lambda x: x.reshape(-1)[:count], result)


def _norm(values: Array, weight: Array) -> Array:
    """Return the root of the weighted sum of squares without under- or overflow."""
    largest = jnp.max(jnp.abs(values) * (weight > 0))
    return largest * jnp.sqrt(jnp.sum(weight * ratio(values, largest) ** 2))


_ANGLES = np.array([1e-5, 0.05, 0.8, np.pi / 2, 2.2, 3.0])  # of the pairs at which the error is measured
_ENOUGH = 2e-14  # for a rule to be taken without trying a finer one


def polar(function: Function, deviations: Floats) -> tuple[Polar, float]:
    """Return the cheapest such dual activation for ``deviations`` (n,) > 0, or the best; and its error.

    The error of a rule is its difference from the next finer one, at the smallest, middle and largest deviation.
    """
    some = np.unique(np.quantile(deviations, (0.0, 0.5, 1.0)))
    first, second, angle = (part.ravel() for part in np.meshgrid(some, some, _ANGLES))
    best, error = Polar(function, ladder(1.0)[0][0], _sign(function, deviations)), np.inf
    for rules in ladder(float(deviations.max())):
        coarse = _measured(function, rules[0], first, second, angle)
        for rule, finer in pairwise(rules):
            fine = _measured(function, finer, first, second, angle)
            scale = np.concatenate([np.ones_like(fine[:2]), np.where(fine[2:] > 0, fine[2:], 1.0)])
            change = 2 * float(np.nan_to_num(np.abs(fine - coarse) / scale, nan=np.inf).max())
            if change < error:
                best, error = replace(best, rule=rule), change
            if error <= _ENOUGH:
                return best, error
            coarse = fine
    return best, error


def _measured(function: Function, rule: Rule, first: Floats, second: Floats, angle: Floats) -> Floats:
    """Return E[phi phi] and E[phi' phi'] over the products of root mean squares, and those over the first's: (4, n)."""
    with enable_x64(True):
        parts = _products(Polar(function, rule, 0), *(jnp.asarray(part) for part in (first, second, angle)))
        return np.stack([np.asarray(part) for part in parts])


@partial(jax.jit, static_argnums=0)
def _products(dual: Polar, first: Array, second: Array, angle: Array) -> tuple[Array, ...]:
    moments = dual.moments(jnp.concatenate([first, second]))  # at once: one loop to compile, not two
    one, two = (jax.tree.map(lambda part, i=i: jnp.split(part, 2)[i], moments) for i in (0, 1))
    values, slopes = dual.products(one, two, first * second * jnp.cos(angle))
    return ratio(values, one.rms * two.rms), ratio(slopes, one.slope * two.slope), one.rms, one.slope


def _sign(function: Function, deviations: Floats) -> int:
    """Say whether ``function`` is even (1), odd (-1), or neither (0), to rounding."""
    x = np.outer(np.unique(np.quantile(deviations, (0.0, 0.5, 1.0))), np.linspace(0.01, 6, 100))
    with enable_x64(True):
        right, left = (np.asarray(function(jnp.asarray(side * x))) for side in (1.0, -1.0))
    size = 8 * np.finfo(float).eps * np.abs(right)
    return next((sign for sign in (1, -1) if (np.abs(left - sign * right) <= size).all()), 0)
