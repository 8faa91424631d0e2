"""What the kernels ask of an activation: how the law of a pair of pre-activations becomes that of its activations.

Each activation is one of two kinds of law. A :class:`Homogeneous` one maps angles to angles whatever the norms; a
:class:`Smooth` one depends on the deviations too. Either answers in two ways: fast, on tiles of ordinary pairs, and
to the last digit, on lists of pairs that are nearly parallel, of extreme norm, or both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Array = jax.Array


class Pair(NamedTuple):
    """Pre-activations: deviations ``first``, ``second``, ``gap`` = first - second, ``cosine``, ``sine`` of the angle.

    A deviation is sqrt(K(x,x)); ``cosine`` is K / (first second), ``ntk`` is Theta / (first second). ``gap`` and
    ``sine`` keep their relative accuracy for coincident and antipodal points. All broadcast against each other.
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


class Moments(NamedTuple):
    """Of single pre-activations: ``rms`` = sqrt(E[phi^2]), ``slope`` = sqrt(E[phi'^2]).

    ``coefficients`` is whatever :meth:`Smooth.products` wants to know of a point: arrays whose last axes are the
    deviation's; axes before those are free.
    """

    rms: Array
    slope: Array
    coefficients: tuple[Array, ...] = ()


@runtime_checkable
class Homogeneous(Protocol):
    """An activation with phi(a x) = a^degree phi(x) for a > 0; hashable, since programs are compiled for it."""

    def moments(self, deviation: Array) -> Moments:
        """Return the moments at ``deviation`` (any shape)."""

    def turn(self, distance: Array) -> tuple[Array, Array]:
        """Map 1 - cos of pre-activations to 1 - cos of activations, and ``E[phi' phi']`` over both slopes.

        In the arithmetic of ``distance``, for angles that are not within 0.1 of pi; the error in the new angle is a
        few roundings, absolute, also where it is small.
        """

    def features(self, pair: Pair) -> Features:
        """Map any pair to the last digits (float64)."""


@runtime_checkable
class Smooth(Protocol):
    """Any other activation; hashable, since programs are compiled for it."""

    def moments(self, deviation: Array) -> Moments:
        """Return the moments, and the coefficients of :meth:`products`, at ``deviation`` (any shape, float64)."""

    def products(self, first: Moments, second: Moments, covariance: Array) -> tuple[Array, Array]:
        """Return ``E[phi(u) phi(v)]`` and ``E[phi'(u) phi'(v)]``, in the arithmetic of ``covariance`` (n, m).

        ``first`` has fields (n, 1), ``second`` (1, m) or of any shapes that broadcast. Errors are a few roundings of
        the products of root mean squares. Pairs may be taken to be far from parallel (|cos| < 0.98 before the first
        layer), deviations to be between 1e-75 and 1e75 (1e-8 and 1e8 in float32).
        """

    def features(self, pair: Pair) -> Features:
        """Map any pair to the last digits (float64)."""


def one_minus_cosine(pair: Pair | Features) -> Array:
    """Return 1 - cos from the sine, which knows it where the cosine does not."""
    return jnp.where(pair.cosine > 0, pair.sine**2 / (1 + jnp.maximum(pair.cosine, 0.0)), 1 - pair.cosine)


def one_plus_cosine(pair: Pair | Features) -> Array:
    """Return 1 + cos likewise, near antipodal points."""
    return jnp.where(pair.cosine < 0, pair.sine**2 / (1 - jnp.minimum(pair.cosine, 0.0)), 1 + pair.cosine)


def finite(x: Array) -> Array:
    """Return ``x`` with infinities replaced by the largest number."""
    largest = jnp.finfo(x.dtype).max
    return jnp.clip(x, -largest, largest)


def share(part: Array, whole: Array) -> Array:
    """Return ``part / whole`` for numbers that may have overflown; 0 where ``whole`` is."""
    return ratio(finite(part), finite(whole))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Return the quotient, or 0 where the denominator is 0."""
    return jnp.where(denominator == 0, 0.0, numerator / jnp.where(denominator == 0, 1.0, denominator))


@runtime_checkable
class Adaptive(Protocol):
    """An activation known by a function alone: how much work it takes depends on where it is asked."""

    def resolved(self, deviations: NDArray[np.float64]) -> tuple[Smooth, float]:
        """Return the law for pre-activations of these deviations (any shape), and its error.

        The error bounds what was cut off or missed, relative to the products of root mean squares, of both products.

        :raises UnavailableError: where the tolerance cannot be met, saying what was achieved.
        """
