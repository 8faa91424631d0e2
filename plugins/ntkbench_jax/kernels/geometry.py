"""Norms and angles of pairs of inputs, to full precision for every pair (numpy, float64).

An inner product loses the distance between close points: 1 - cos is only rounding. So nearly parallel pairs are
measured one by one, from their difference and from the remainder of one after projection on the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_SMALLEST = np.int64(-4096)  # stands for the exponent of zero: below that of any number
_HIGH_BITS = np.int64(-1 << 27)  # masks a float64 to its leading 26 bits


class Points(NamedTuple):
    """``scaled`` (n, F) times ``2**exponent`` (n, 1) are the points; ``norm`` (n,) are the norms of ``scaled``."""

    scaled: Array
    exponent: NDArray[np.int64]
    norm: Array

    def take(self, rows: NDArray[np.int64] | slice) -> Points:
        """Return a subset of the points."""
        return Points(self.scaled[rows], self.exponent[rows], self.norm[rows])

    def directions(self) -> Array:
        """Return unit vectors (n, F); zero for zero."""
        return _divide(self.scaled, self.norm[:, None])

    def rms(self) -> Array:
        """Return ``|x| / sqrt(F)`` (n,)."""
        with np.errstate(over="ignore"):
            rms: Array = np.ldexp(self.norm / np.sqrt(self.scaled.shape[1]), self.exponent[:, 0])
        return rms


class Angles(NamedTuple):
    """Per pair (P,): ``cosine`` and ``sine`` of the angle, and ``norm_difference``, the first's rms minus the second's.

    The cosine has an absolute error of a few roundings. The errors of the other two are a few roundings relative to
    the separation of the pair (of the points, or of one from the other's antipode).
    """

    cosine: Array
    sine: Array
    norm_difference: Array


def points(x: Array) -> Points:
    """Scale each row of ``x`` (n, F) by a power of two, exactly, so that no square over- or underflows."""
    exponent = np.frexp(np.abs(x).max(axis=1, keepdims=True, initial=0.0))[1].astype(np.int64)
    scaled = np.ldexp(x, -exponent)
    norm = np.sqrt(np.sum(scaled * scaled, axis=1))
    return Points(scaled, np.where(norm[:, None] == 0, _SMALLEST, exponent), norm)


def angles(first: Points, second: Points) -> Angles:
    """Measure pairs, one by one: rows of both; a zero vector is orthogonal to everything."""
    lengths = first.norm * second.norm
    cosine = np.clip(_divide(_inner(first.scaled, second.scaled)[:, 0], lengths), -1.0, 1.0)
    zero = lengths == 0
    safe = np.where(zero[:, None], 1.0, first.scaled)
    sine = np.where(zero, 1.0, _sine(safe, second.scaled, np.where(zero, 1.0, second.norm)))
    return Angles(cosine, sine, _norm_difference(first, second))


def _sine(x: Array, y: Array, norm: Array) -> Array:
    """Return |y minus its projection on x| / |y|, projecting twice; the first cancels digits, so it is exact."""
    left = _subtract_multiple(y, _inner(x, y) / _inner(x, x), x)
    left = left - (_inner(x, left) / _inner(x, x)) * x
    sine: Array = np.minimum(np.sqrt(np.sum(left * left, axis=1)) / norm, 1.0)
    return sine


def _subtract_multiple(y: Array, multiple: Array, x: Array) -> Array:
    """Return ``y - multiple * x`` by products of half-length numbers, which are exact."""
    high, x_high = _leading_bits(multiple), _leading_bits(x)
    low, x_low = multiple - high, x - x_high
    return (((y - high * x_high) - high * x_low) - low * x_high) - low * x_low


def _norm_difference(first: Points, second: Points) -> Array:
    """Return the difference of two rms from (x - y).(x + y), accurate for close and for antipodal points."""
    exponent = np.maximum(first.exponent, second.exponent)
    x, y = (np.ldexp(p.scaled, p.exponent - exponent) for p in (first, second))
    norms = np.sqrt(_inner(x, x)) + np.sqrt(_inner(y, y))
    with np.errstate(over="ignore"):
        difference: Array = np.ldexp(_divide(_inner(x - y, x + y), norms) / np.sqrt(x.shape[1]), exponent)[:, 0]
    return difference


def _inner(x: Array, y: Array) -> Array:
    products: Array = np.sum(x * y, axis=1, keepdims=True)
    return products


def _leading_bits(x: Array) -> Array:
    return (np.ascontiguousarray(x).view(np.int64) & _HIGH_BITS).view(np.float64)


def _divide(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)
