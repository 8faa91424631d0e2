"""The separation of a pair of pre-activations, without cancellation."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .interface import Pair, one_minus_cosine, one_plus_cosine

Array = jax.Array
LARGEST = 1e70  # deviations beyond it count as this: their squares, and the products of those, stay in range


class Separation(NamedTuple):
    """Deviations (at most ``LARGEST``), their ``norm_difference``, variances of difference and sum, and ``1 -+ |cos|``.

    ``difference`` = Var(u - v) and ``total`` = Var(u + v) are sums of positive terms; ``nearer`` is the smaller one.
    """

    first: Array
    second: Array
    norm_difference: Array
    difference: Array
    total: Array
    toward: Array
    away: Array

    @classmethod
    def of(cls, pair: Pair) -> Separation:
        """Measure ``pair``."""
        first, second = jnp.minimum(pair.first, LARGEST), jnp.minimum(pair.second, LARGEST)
        norm_difference = jnp.clip(pair.norm_difference, -LARGEST, LARGEST)
        minus, plus, product = one_minus_cosine(pair), one_plus_cosine(pair), 2 * first * second
        difference, total = norm_difference**2 + product * minus, norm_difference**2 + product * plus
        return cls(
            first, second, norm_difference, difference, total, jnp.minimum(minus, plus), jnp.maximum(minus, plus)
        )

    @property
    def nearer(self) -> Array:
        """Return the smaller variance, that of the difference once antipodal pairs are reflected."""
        return jnp.minimum(self.difference, self.total)


def lost(x: Array) -> Array:
    """Return 1 - exp(-x)."""
    return -jnp.expm1(-x)


def mean_decay(x: Array) -> Array:
    """Return (1 - exp(-x)) / x for x >= 0."""
    tiny = x < 1e-20
    return jnp.where(tiny, 1.0, lost(x) / jnp.where(tiny, 1.0, x))
