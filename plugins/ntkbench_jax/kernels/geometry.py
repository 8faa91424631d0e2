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
_SPLITTER = 2.0**27 + 1  # Dekker: splits a number into halves of 26 bits


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
    """Return |y minus its projection on x| / |y|, 0 for parallel vectors.

    First subtract the multiple of x that cancels y at x's largest coordinate, relatively accurate as a difference of
    exact products. The remainder is far from parallel to x, so its projection does not cancel digits.
    """
    largest = np.argmax(np.abs(x), axis=1, keepdims=True)
    x_there, y_there = np.take_along_axis(x, largest, axis=1), np.take_along_axis(y, largest, axis=1)
    left = _difference_of_products(x_there, y, x, y_there) / x_there
    left = left - (_inner(x, left) / _inner(x, x)) * x
    sine: Array = np.minimum(np.sqrt(np.sum(left * left, axis=1)) / norm, 1.0)
    return sine


def _difference_of_products(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Return ``a b - c d`` of numbers up to 1, to rounding of the result (Dekker 1971)."""
    (one, one_rest), (other, other_rest) = _product(a, b), _product(c, d)
    return (one - other) + (one_rest - other_rest)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the rounded product, and what rounding took from it."""
    product, (high, low), (b_high, b_low) = a * b, _halves(a), _halves(b)
    return product, ((high * b_high - product) + high * b_low + low * b_high) + low * b_low


def _halves(x: Array) -> tuple[Array, Array]:
    """Split numbers into two of 26 bits, whose products are exact."""
    scaled = _SPLITTER * x
    high = scaled - (scaled - x)
    return high, x - high


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


def _divide(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)
