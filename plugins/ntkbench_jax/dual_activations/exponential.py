"""exp(x) and gaussian(x) = exp(-x^2).

With q = E[u^2], K = E[u v] and d = Var(u - v): ``E[e^u e^v] = exp((q1 + q2) / 2 + K)``, whose cosine is
``exp(-d / 2)``; ``E[e^(-u^2 - v^2)] = 1 / sqrt((1 + 2 q1) (1 + 2 q2) - 4 K^2)``.
The other expectations are derivatives with respect to K (Price 1958).
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from .interface import Features, Moments, Pair, finite
from .separation import Separation, lost

Array = jax.Array
_LARGEST_EXPONENT = 710.0  # exp of it has overflowed
_FAINT = 1e-300  # a cosine that may have underflown
_KEPT = 300.0  # exponent of the largest root mean square of a pair whose covariance is in range


@dataclass(frozen=True)
class Exp:
    """``exp(x)``. A relative error e in K becomes K e: digits are lost as K grows, exponentially with depth."""

    def moments(self, deviation: Array) -> Moments:
        """Return exp(q) for both root mean squares; the coefficient is q / 2."""
        square = finite(deviation * deviation)
        rms = jnp.exp(square)
        return Moments(rms, rms, (square / 2,))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return exp((q1 + q2) / 2 + K), twice."""
        product = jnp.exp(first.coefficients[0] + second.coefficients[0] + covariance)
        return product, product

    def features(self, pair: Pair) -> Features:
        """Map any pair; root mean squares overflow beyond deviations of 26.6, angles do not.

        If one overflows although the pair's covariance does not, it is set to exp(300) and the cosine takes the rest.
        """
        apart = Separation.of(pair)
        cosine, sine = jnp.exp(-apart.difference / 2), jnp.sqrt(lost(apart.difference))
        first, second = jnp.exp(apart.first**2), jnp.exp(apart.second**2)
        smaller = jnp.exp(jnp.minimum(jnp.minimum(apart.first, apart.second) ** 2, _LARGEST_EXPONENT - 1))
        growth = apart.norm_difference * (apart.first + apart.second)
        norm_difference = jnp.sign(growth) * finite(
            smaller * jnp.expm1(jnp.minimum(jnp.abs(growth), _LARGEST_EXPONENT))
        )
        kept1, kept2 = jnp.minimum(apart.first**2, _KEPT), jnp.minimum(apart.second**2, _KEPT)
        within = (jnp.maximum(first, second) == jnp.inf) & (apart.total < 2 * _LARGEST_EXPONENT)
        first, second = jnp.where(within, jnp.exp(kept1), first), jnp.where(within, jnp.exp(kept2), second)
        cosine = jnp.where(within, jnp.exp(apart.total / 2 - kept1 - kept2), cosine)
        cosine = jnp.where(apart.total >= 2 * _LARGEST_EXPONENT, jnp.maximum(cosine, _FAINT), cosine)  # inf times it
        response = finite(cosine * finite(pair.first) * finite(pair.second))
        return Features(first, second, norm_difference, cosine, sine, response)


@dataclass(frozen=True)
class Gaussian:
    """``exp(-x^2)``."""

    def moments(self, deviation: Array) -> Moments:
        """Return (1 + 4 q)^(-1/4) and sqrt(4 q) (1 + 4 q)^(-3/4); the coefficient is sqrt(1 + 2 q)."""
        twice = 2 * finite(deviation / 2) * 2
        root = jnp.hypot(1.0, finite(twice))
        rms = 1 / jnp.sqrt(root)
        return Moments(rms, finite(twice) / root * rms, (jnp.hypot(1.0, jnp.sqrt(2.0) * finite(deviation / 2) * 2),))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return det^(-1/2) and 4 K det^(-3/2); det, at least 1, as a product of two factors."""
        norm, twice = first.coefficients[0] * second.coefficients[0], 2 * covariance
        product = 1 / jnp.sqrt(jnp.maximum((norm - twice) * (norm + twice), 1))
        return product, 2 * (twice * product) * product * product

    def features(self, pair: Pair) -> Features:
        """Map any pair; with r = sqrt(1 + 4 q), 1 / cos^2 = 1 + (r1 - r2)^2 / (2 r1 r2) + 4 q1 q2 sin^2 / (r1 r2)."""
        one, two = finite(pair.first), finite(pair.second)
        half1, half2 = jnp.hypot(0.5, one), jnp.hypot(0.5, two)  # r / 2
        share1, share2 = one / half1, two / half2  # 2 s / r
        step = finite(pair.norm_difference) * ((one / 2 + two / 2) / (half1 / 2 + half2 / 2))  # (r1 - r2) / 2
        root1, root2 = jnp.sqrt(2.0) * jnp.sqrt(half1), jnp.sqrt(2.0) * jnp.sqrt(half2)
        radial = jnp.sqrt(2.0) * (step / root1 / root2)
        angular = jnp.sqrt(share1 * share2) * jnp.sqrt(one) * jnp.sqrt(two) * pair.sine
        tangent = finite(jnp.hypot(radial, angular))
        secant = jnp.hypot(1.0, tangent)
        norm_difference = -2 * (step / root1 / root2 / (root1 + root2))
        response = pair.cosine * share1 * share2 / secant * (one / secant) * (two / secant)
        return Features(1 / root1, 1 / root2, norm_difference, 1 / secant, tangent / secant, finite(response))
