"""Arithmetic on unevaluated sums of two float64 numbers: 106 bits, elementwise, on arrays.

Dekker 1971; Hida, Li and Bailey 2001. Relative error of a sum or a product: a few units in 2**-104, for magnitudes
between 2**-900 and 2**900.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_SPLITTER = float(2**27 + 1)


@dataclass(frozen=True, eq=False)
class DoubleDouble:
    """``high + low``, two arrays of one shape; ``high`` is the float64 nearest to the sum."""

    high: Array
    low: Array

    @classmethod
    def of(cls, value: Array) -> DoubleDouble:
        """Convert float64 numbers, exactly."""
        return cls(value, np.zeros_like(value))

    def __add__(self, other: DoubleDouble) -> DoubleDouble:
        high, error = _two_sum(self.high, other.high)
        low, rest = _two_sum(self.low, other.low)
        high, error = _fast_two_sum(high, error + low)
        return DoubleDouble(*_fast_two_sum(high, error + rest))

    def __mul__(self, other: DoubleDouble) -> DoubleDouble:
        product, error = _two_product(self.high, other.high)
        return DoubleDouble(*_fast_two_sum(product, error + (self.high * other.low + self.low * other.high)))

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.high, -self.low)

    def __sub__(self, other: DoubleDouble) -> DoubleDouble:
        return self + -other

    def __getitem__(self, key: Any) -> DoubleDouble:
        return DoubleDouble(self.high[key], self.low[key])

    def scaled(self, power: NDArray[np.int64]) -> DoubleDouble:
        """Return the number times ``2**power``, exactly except for underflow."""
        return DoubleDouble(np.ldexp(self.high, power), np.ldexp(self.low, power))


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)


def _fast_two_sum(larger: Array, smaller: Array) -> tuple[Array, Array]:
    total = larger + smaller
    return total, smaller - (total - larger)


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    product = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: Array) -> tuple[Array, Array]:
    wide = _SPLITTER * a
    high = wide - (wide - a)
    return high, a - high
