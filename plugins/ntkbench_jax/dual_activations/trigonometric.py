"""sin, cos, and the random feature of a Gaussian kernel.

With q = E[u^2], K = E[u v], d = Var(u - v) and t = Var(u + v): ``E[sin u sin v] = exp(-(q1 + q2) / 2) sinh K =
(exp(-d / 2) - exp(-t / 2)) / 2``, and ``E[cos u cos v]`` is the same with cosh and a sum (Williams 1997, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import jax
import jax.numpy as jnp

from .interface import Features, Moments, Pair, finite, ratio
from .separation import LARGEST, Separation, lost, mean_decay

Array = jax.Array
_TERMS = 10  # of the series of sinh z / z for z^2 <= 1
_HARD = 1.0  # below it a difference of products is summed as a series of squares


@dataclass(frozen=True)
class Sin:
    """``sin(x)``."""

    def moments(self, deviation: Array) -> Moments:
        """Return sqrt((1 - exp(-2 q)) / 2) and the same with a plus; the coefficients are q / 2 and exp(-q / 2)."""
        sine, cosine, *coefficients = _moments(deviation)
        return Moments(sine, cosine, tuple(coefficients))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return E[sin sin] and E[cos cos]."""
        return _products(first, second, covariance)

    def features(self, pair: Pair) -> Features:
        """Map any pair: ``cos = sinh K / sqrt(sinh q1 sinh q2)``, its sine in two parts without cancellation."""
        apart = Separation.of(pair)
        one, two = mean_decay(2 * apart.first**2), mean_decay(2 * apart.second**2)  # f^2 / q
        scale, product = jnp.sqrt(one) * jnp.sqrt(two), apart.first * apart.second
        aligned = jnp.abs(pair.cosine)
        decay = jnp.exp(-apart.nearer / 2)
        cosine = jnp.sign(pair.cosine) * jnp.minimum(aligned * decay * mean_decay(2 * product * aligned) / scale, 1.0)
        turned = (
            mean_decay(2 * product * apart.toward)
            * mean_decay(2 * product * apart.away)
            * jnp.exp(-(apart.norm_difference**2))
        )
        square = (turned / scale / scale) * apart.toward * apart.away + _radial(apart) / scale / scale
        first, second, norm_difference = _roots(apart)
        slope = (jnp.exp(-apart.difference / 2) + jnp.exp(-apart.total / 2)) / 2
        stretch1, stretch2 = _stretch(pair.first) / jnp.sqrt(one), _stretch(pair.second) / jnp.sqrt(two)
        sine = jnp.sqrt(jnp.clip(square, 0.0, 1.0))
        return Features(
            first, second, norm_difference, cosine, sine, finite(slope * finite(stretch1) * finite(stretch2))
        )


@dataclass(frozen=True)
class Cos:
    """``cos(x)``."""

    def moments(self, deviation: Array) -> Moments:
        """Return sqrt((1 + exp(-2 q)) / 2) and the same with a minus; coefficients as of :class:`Sin`."""
        sine, cosine, *coefficients = _moments(deviation)
        return Moments(cosine, sine, tuple(coefficients))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return E[cos cos] and E[sin sin]."""
        sine, cosine = _products(first, second, covariance)
        return cosine, sine

    def features(self, pair: Pair) -> Features:
        """Map any pair: ``sin^2 = (sinh(d / 2) sinh(t / 2) + sinh^2((q1 - q2) / 2)) / (cosh q1 cosh q2)``."""
        apart = Separation.of(pair)
        lesser, product = jnp.minimum(apart.first, apart.second) ** 2, apart.first * apart.second
        growth = jnp.abs(apart.norm_difference) * (apart.first + apart.second)  # |q1 - q2|
        power1, power2 = 1 + jnp.exp(-2 * apart.first**2), 1 + jnp.exp(-2 * apart.second**2)  # 2 f^2
        norm = jnp.sqrt(power1 * power2)
        cosine = (jnp.exp(-apart.difference / 2) + jnp.exp(-apart.total / 2)) / norm
        turned = jnp.sqrt(lost(apart.difference) * lost(apart.total))
        sine = jnp.hypot(turned, jnp.exp(-lesser) * lost(growth)) / norm
        first, second = jnp.sqrt(power1 / 2), jnp.sqrt(power2 / 2)
        norm_difference = (
            -jnp.sign(apart.norm_difference) * jnp.exp(-2 * lesser) * lost(2 * growth) / (2 * (first + second))
        )
        aligned = jnp.abs(pair.cosine)
        decay = 2 * jnp.exp(-apart.nearer / 2) * mean_decay(2 * product * aligned) / norm  # response / (s1 s2)^2 / cos
        reach1, reach2 = finite(pair.first), finite(pair.second)
        response = pair.cosine * (apart.first * (apart.second * decay)) * reach1 * reach2
        return Features(
            first, second, norm_difference, jnp.minimum(cosine, 1.0), jnp.minimum(sine, 1.0), finite(response)
        )


@dataclass(frozen=True)
class Rbf:
    """``sqrt(2) sin(sqrt(2 gamma) x + pi / 4)``, with ``E[phi phi] = exp(-gamma d)`` (Rahimi and Recht 2007)."""

    gamma: float = 1.0

    def moments(self, deviation: Array) -> Moments:
        """Return 1 and sqrt(2 gamma); the coefficient is gamma q."""
        one = jnp.ones_like(deviation)
        return Moments(one, jnp.sqrt(2 * self.gamma) * one, (finite(self.gamma * deviation * deviation),))

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return exp(-gamma d), and 2 gamma times that."""
        product = jnp.exp((2 * self.gamma) * covariance - (first.coefficients[0] + second.coefficients[0]))
        return product, (2 * self.gamma) * product

    def features(self, pair: Pair) -> Features:
        """Map any pair."""
        apart = Separation.of(pair)
        cosine, sine = jnp.exp(-self.gamma * apart.difference), jnp.sqrt(lost(2 * self.gamma * apart.difference))
        one = jnp.ones_like(pair.first)
        response = finite(2 * self.gamma * cosine * finite(pair.first) * finite(pair.second))
        return Features(one, jnp.ones_like(pair.second), jnp.zeros_like(pair.norm_difference), cosine, sine, response)


def _moments(deviation: Array) -> tuple[Array, Array, Array, Array]:
    """Return the root mean squares of sin and cos, q / 2 and exp(-q / 2)."""
    reach = jnp.minimum(deviation, LARGEST)
    square = reach**2
    sine = reach * jnp.sqrt(mean_decay(2 * square))
    return sine, jnp.sqrt((1 + jnp.exp(-2 * square)) / 2), square / 2, jnp.exp(-square / 2)


def _products(first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
    """Return E[sin sin] and E[cos cos], the former by a series where two exponentials would cancel."""
    half = first.coefficients[0] + second.coefficients[0]
    with_, against = jnp.exp(covariance - half), jnp.exp(-covariance - half)
    short = jnp.clip(covariance, -1, 1)
    square, series = short * short, jnp.full_like(short, 1 / factorial(2 * _TERMS - 1))
    for k in reversed(range(_TERMS - 1)):
        series = series * square + 1 / factorial(2 * k + 1)
    near = first.coefficients[1] * second.coefficients[1] * (short * series)
    return jnp.where(jnp.abs(covariance) < 1, near, (with_ - against) / 2), (with_ + against) / 2


def _stretch(deviation: Array) -> Array:
    """Return the factor by which a deviation exceeds ``LARGEST``."""
    return jnp.maximum(finite(deviation) / LARGEST, 1.0)


def _roots(apart: Separation) -> tuple[Array, Array, Array]:
    """Return the root mean squares of sin, and their difference."""
    first = apart.first * jnp.sqrt(mean_decay(2 * apart.first**2))
    second = apart.second * jnp.sqrt(mean_decay(2 * apart.second**2))
    lesser, growth = (
        jnp.minimum(apart.first, apart.second) ** 2,
        jnp.abs(apart.norm_difference) * (apart.first + apart.second),
    )
    faded = jnp.exp(-2 * lesser) * mean_decay(2 * growth)
    return first, second, apart.norm_difference * faded * ratio(apart.first + apart.second, first + second)


def _radial(apart: Separation) -> Array:
    """Return ``exp(-q1 - q2) (sinh q1 sinh q2 - sinh^2(s1 s2)) / (q1 q2)``, nonnegative since log sinh(e^x) is convex.

    It is the same expression in ``(s1 - s2)^2 / 2`` and ``(s1 + s2)^2 / 2`` in place of q1 and q2: whichever two are
    further apart, by a factor of at least 5.8, are used, in a series of squares if they are small.
    """
    low, high = jnp.minimum(apart.first, apart.second) ** 2, jnp.maximum(apart.first, apart.second) ** 2
    norm_difference, total = apart.norm_difference**2 / 2, (apart.first + apart.second) ** 2 / 2
    close = norm_difference * high < low * total  # norm_difference^2 / total^2 < low / high, without the square
    less, more = jnp.where(close, norm_difference, low), jnp.where(close, total, high)
    spread = jnp.where(close, 2 * low, 2 * norm_difference)
    mean = jnp.sqrt(less) * jnp.sqrt(more)
    direct = mean_decay(2 * less) * mean_decay(2 * more) - jnp.exp(-spread) * mean_decay(2 * mean) ** 2
    small = more < _HARD
    series = jnp.exp(-(less + more)) * _sinh_convexity(jnp.where(small, less, 0.0), jnp.where(small, more, 0.0))
    unit = jnp.where(
        close,
        jnp.abs(apart.norm_difference) * ratio(ratio(apart.first + apart.second, apart.first), 2 * apart.second),
        1.0,
    )
    return unit**2 * jnp.where(small, series, direct)


def _sinh_convexity(x: Array, y: Array) -> Array:
    """Return Q(x) Q(y) - Q(sqrt(x y))^2 for Q(x) = sinh(x) / x and x, y <= 1: a sum of squares."""
    total = jnp.zeros_like(x)
    for j in range(_TERMS):
        for k in range(j + 1, _TERMS):
            weight = 1 / (factorial(2 * j + 1) * factorial(2 * k + 1))
            total += weight * (x * y) ** (2 * j) * (x ** (k - j) - y ** (k - j)) ** 2
    return total
