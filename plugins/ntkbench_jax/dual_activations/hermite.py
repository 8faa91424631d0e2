"""Activations as Hermite series: one integral per point and term, one multiplication per pair and term.

With u, v standard normal of correlation c, ``E[phi(s u) phi(s' v)] = sum_k a_k(s) a_k(s') c^k`` where ``a_k(s) =
E[phi(s u) h_k(u)]``, h_k the normalised Hermite polynomials (Daniely et al. 2016, section 4). By Stein's lemma
``a_k = s b_{k-1} / sqrt(k)``, b_k those of phi', so both expectations are sums over the same terms.
The integrals use the trapezoidal rule, which converges exponentially for integrands that decay on the whole line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .functions import Function, difference, value_and_slope
from .interface import Features, Moments, Pair, one_minus_cosine, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = jax.Array
Parity = Literal["even", "odd", "none"]
BLOCK = 16  # terms of a series are summed in blocks of this many
_POINTS_AT_ONCE = 128
_PAIRS_AT_ONCE = 32


@lru_cache(maxsize=16)
def nodes(reach: float, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return u from -reach to reach, ``steps`` to a side, and the roots of the trapezoidal weights: (2 steps + 1,)."""
    u = np.arange(-steps, steps + 1, dtype=np.float64) * (reach / steps)
    root: NDArray[np.float64] = np.sqrt(reach / steps / np.sqrt(2 * np.pi)) * np.exp(-(u**2) / 4)
    return u, root


@lru_cache(maxsize=4)
def weighted_polynomials(reach: float, steps: int, order: int) -> NDArray[np.float64]:
    """Return sqrt(w_i) h_k(u_i) at the nodes, (order, 2 steps + 1); the weights keep them from overflow."""
    u, root = nodes(reach, steps)
    values = np.empty((order, len(u)))
    values[0] = root
    if order > 1:
        values[1] = u * root
    for k in range(1, order - 1):
        values[k + 1] = (u * values[k] - np.sqrt(k) * values[k - 1]) / np.sqrt(k + 1)
    return values


class _HermitePoint(NamedTuple):
    """Per point, at the grid's nodes, times the root of their weights: phi, phi', and their sums."""

    values: Array
    slopes: Array
    moments: Moments


@dataclass(frozen=True)
class Hermite:
    """The dual of ``function`` by ``order`` Hermite coefficients of its derivative, a sum over ``2 steps + 1`` nodes.

    ``parity`` states that phi' is even, or odd except for a constant, so that every other coefficient is omitted.
    ``sign`` is 1 or -1 for an even or odd phi, else 0. ``short`` terms are enough for float32.
    """

    function: Function
    order: int
    short: int
    reach: float
    steps: int
    parity: Parity
    sign: int

    def moments(self, deviation: Array) -> Moments:
        """Return the moments at ``deviation``; coefficients E[phi], s, 1/s, b_0 and (order, ...) b_k / sqrt(k + 1)."""
        flat = jnp.ravel(deviation)
        moments = jax.lax.map(lambda s: self._point(s).moments, flat, batch_size=_POINTS_AT_ONCE)
        shaped: Moments = jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1).reshape(x.shape[1:] + deviation.shape), moments)
        return shaped

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Sum the series by Horner's rule, and its derivative along with it."""
        mean1, deviation1, inverse1, line1, terms1 = first.coefficients
        mean2, deviation2, inverse2, line2, terms2 = second.coefficients
        cosine = covariance * inverse1 * inverse2
        if covariance.dtype == jnp.float32:
            terms1, terms2 = terms1[: self.short], terms2[: self.short]
        series, slopes = self._series(terms1, terms2, cosine, line1 * line2)
        return mean1 * mean2 + deviation1 * deviation2 * series, slopes

    def features(self, pair: Pair) -> Features:
        """Find 1 - cos as a sum of positive terms, for angles below a right one where phi is odd or even."""
        shape = jnp.broadcast_shapes(*(jnp.shape(x) for x in pair))
        flat = Pair(*(jnp.broadcast_to(x, shape).ravel() for x in pair))
        mirrored = (flat.cosine < 0) & (self.sign != 0)
        acute = flat._replace(cosine=jnp.where(mirrored, -flat.cosine, flat.cosine))
        result = jax.lax.map(self._features, acute, batch_size=_PAIRS_AT_ONCE)
        turned = jnp.where(mirrored, -1.0, 1.0)
        if self.sign < 0:  # phi(-v) = -phi(v), phi' alike
            result = result._replace(cosine=result.cosine * turned)
        else:
            result = result._replace(response=result.response * turned)
        shaped: Features = jax.tree.map(lambda x: x.reshape(shape), result)
        return shaped

    def _point(self, deviation: Array) -> _HermitePoint:
        u, root = nodes(self.reach, self.steps)
        value, slope = value_and_slope(self.function, deviation * u)
        values, slopes = value * root, slope * root
        terms = jnp.asarray(self._projector()) @ slopes
        inverse = ratio(jnp.ones_like(deviation), deviation)
        coefficients = (values @ root, deviation, inverse, slopes @ root, terms)
        return _HermitePoint(values, slopes, Moments(_norm(values), _norm(slopes), coefficients))

    def _projector(self) -> NDArray[np.float64]:
        """Return the matrix (order, nodes) that maps sqrt(w) phi' to b_k / sqrt(k + 1)."""
        every, start = (1 if self.parity == "none" else 2), int(self.parity == "odd")
        k = start + every * np.arange(self.order)
        return weighted_polynomials(self.reach, self.steps, int(k[-1]) + 1)[k] / np.sqrt(k + 1)[:, None]

    def _series(self, first: Array, second: Array, cosine: Array, line: Array) -> tuple[Array, Array]:
        """Return ``R = sum_k b_k b'_k c^(k+1) / (k+1)`` and dR/dc; the first axis of the terms is k."""
        every = 1 if self.parity == "none" else 2
        powers = 1 + int(self.parity == "odd") + every * np.arange(len(first), dtype=np.float64)
        slopes = first * jnp.asarray(powers, first.dtype).reshape((-1,) + (1,) * (first.ndim - 1))
        y = cosine if every == 1 else cosine * cosine
        total, slope = (horner(terms, second, y) for terms in (first, slopes))
        if self.parity == "odd":
            return cosine * (line + cosine * total), line + cosine * slope
        return cosine * total, slope

    def _features(self, pair: Pair) -> Features:
        """Map one pair, of scalars."""
        one, two = self._point(pair.first), self._point(pair.second)
        (f1, _, c1), (f2, _, c2) = one.moments, two.moments
        u, root = nodes(self.reach, self.steps)
        apart = difference(self.function, pair.first * u, pair.second * u, pair.norm_difference * u) * root
        unit1, change = _over(one.values, f1), _over(apart, f2)
        rejected = change - unit1 * (unit1 @ change)
        aligned = unit1 @ _over(two.values, f2)
        radial = rejected @ rejected
        radial = jnp.where(aligned > 0.5, radial / (1 + jnp.maximum(aligned, 0.5)), 1 - aligned)
        scale = ratio(pair.first, f1) * ratio(pair.second, f2)
        lost, series, slopes = self._lost(c1[4], c2[4], pair, c1[3] * c2[3])
        distance = radial + scale * lost
        direct = ratio(c1[0], f1) * ratio(c2[0], f2) + scale * series
        sums = _over(one.values, f1 + f2) + _over(two.values, f1 + f2)
        return Features(
            first=f1,
            second=f2,
            norm_difference=apart @ sums,
            cosine=jnp.where(distance < 0.5, 1 - distance, direct),
            sine=jnp.sqrt(jnp.maximum(distance * (2 - distance), 0.0)),
            response=scale * slopes,
        )

    def _lost(self, first: Array, second: Array, pair: Pair, line: Array) -> tuple[Array, Array, Array]:
        """Return ``sum_k b_k b'_k (1 - c^(k+1)) / (k+1)``, without cancellation for c > 0, and :meth:`_series`."""
        c, d, powers = pair.cosine, one_minus_cosine(pair), first * second
        heads = jnp.cumsum(powers[::-1])[::-1]  # sums of the terms from k on
        if self.parity == "none":
            lost = d * jnp.sum(heads * c ** jnp.arange(len(powers)))
        else:
            geometric = (c * c) ** jnp.arange(len(powers))
            if self.parity == "even":
                lost = d * heads[0] + c * d * (1 + c) * jnp.sum(heads[1:] * geometric[:-1])
            else:
                lost = line * d + d * (1 + c) * jnp.sum(heads * geometric)
        series, slopes = self._series(first[:, None], second[:, None], c[None], line)
        return lost, series[0], slopes[0]


def horner(first: Array, second: Array, y: Array) -> Array:
    """Return ``sum_k first_k second_k y^k`` over the first axis of both, whose length is a multiple of ``BLOCK``.

    One sum at a time, in blocks of 16: XLA keeps this loop in registers, and splits any other into several passes.
    """
    blocks = len(first) // BLOCK

    def body(i: Array, total: Array) -> Array:
        start = (blocks - 1 - i) * BLOCK
        a, b = (jax.lax.dynamic_slice_in_dim(terms, start, BLOCK, 0) for terms in (first, second))
        for k in reversed(range(BLOCK)):
            total = total * y + a[k] * b[k]
        return total

    total: Array = jax.lax.fori_loop(0, blocks, body, jnp.zeros_like(y))
    return total


def _norm(x: Array) -> Array:
    """Return the Euclidean norm without under- or overflow."""
    largest = jnp.max(jnp.abs(x))
    return largest * jnp.sqrt(jnp.sum(_over(x, largest) ** 2))


def _over(x: Array, norm: Array) -> Array:
    return x * ratio(jnp.ones_like(norm), norm)
