"""Arc-cosine kernels near their zero, where pre-activations are antipodal (Cho and Saul 2009)."""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

import jax.numpy as jnp

if TYPE_CHECKING:
    from jax import Array

_SERIES_BELOW = 0.5
_TERMS = range(13)

# J_n as sums of a sin(m x) and of -x a cos(m x), x the supplement of the angle
_SINES: dict[int, dict[int, float]] = {1: {1: 1.0}, 2: {2: -1.5}, 3: {1: 6.75, 3: 2.75}}
_COSINES: dict[int, dict[int, float]] = {1: {1: 1.0}, 2: {0: -2.0, 2: -1.0}, 3: {1: 13.5, 3: 1.5}}


def _series(n: int) -> tuple[float, ...]:
    """Return the coefficients of x^(2k + 1)."""
    return tuple(
        (-1) ** k
        * (
            sum(a * m ** (2 * k + 1) for m, a in _SINES[n].items()) / factorial(2 * k + 1)
            - sum(a * m ** (2 * k) for m, a in _COSINES[n].items()) / factorial(2 * k)
        )
        for k in _TERMS
    )


def arc_cosine(n: int, supplement: Array, sine: Array, cosine: Array) -> Array:
    """Return J_n (n = 0 to 3) of obtuse angles, to relative accuracy: ``supplement`` is pi minus the angle."""
    if n == 0:
        return supplement
    direct = (
        sine + supplement * cosine,
        3 * sine * cosine + supplement * (1 + 2 * cosine**2),
        4 * sine**3 + 15 * sine * cosine**2 + supplement * cosine * (9 * sine**2 + 15 * cosine**2),
    )[n - 1]
    small = jnp.minimum(supplement, _SERIES_BELOW)
    coefficients = _series(n)[n:]  # earlier coefficients are zero
    total = jnp.full_like(small, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * small**2 + coefficient
    return jnp.where(supplement < _SERIES_BELOW, total * small ** (2 * n + 1), direct)
