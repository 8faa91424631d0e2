"""The dual activation: the expectations ``E[phi(u) phi(v)]`` and ``E[phi'(u) phi'(v)]`` over a Gaussian pair (u, v).

There are two kinds. A :class:`Homogeneous` one maps angles to angles, independent of the norms; a :class:`Smooth` one
also depends on the deviations. Both have two forms: a fast one for tiles of ordinary pairs, and one that is accurate to
the last digit, for lists of pairs that are nearly parallel or of extreme norm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array = jax.Array


class Pair(NamedTuple):
    """Pre-activations: deviations ``first`` and ``second``, their difference, ``cosine`` and ``sine`` of the angle.

    A deviation is sqrt(K(x,x)); ``cosine`` is K / (first second), ``ntk`` is Theta / (first second);
    ``norm_difference`` = first - second and ``sine`` keep their relative accuracy near coincident and antipodal points.
    All fields broadcast against each other.
    """

    first: Array
    second: Array
    norm_difference: Array
    cosine: Array
    sine: Array
    ntk: Array


class Features(NamedTuple):
    """The same for activations (root mean squares for deviations), and their response.

    ``response`` is ``E[phi'(u) phi'(v)]`` times the pre-activations' deviations over the activations'.
    """

    first: Array
    second: Array
    norm_difference: Array
    cosine: Array
    sine: Array
    response: Array


class Moments(NamedTuple):
    """Moments of single pre-activations: ``rms`` = sqrt(E[phi^2]), ``slope`` = sqrt(E[phi'^2]).

    ``coefficients`` are the data per point that :meth:`Smooth.products` needs: arrays whose last axes are the
    deviation's; leading axes are free.
    """

    rms: Array
    slope: Array
    coefficients: tuple[Array, ...] = ()


@runtime_checkable
class Homogeneous(Protocol):
    """An activation with phi(a x) = a^degree phi(x) for a > 0; hashable, since programs are compiled for it."""

    def moments(self, deviation: Array) -> Moments:
        """Return the moments at ``deviation`` (any shape)."""

    def dual_cosine(self, distance: Array) -> tuple[Array, Array]:
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
    """Return 1 - cos, from the sine where the cosine loses it to rounding."""
    return jnp.where(pair.cosine > 0, pair.sine**2 / (1 + jnp.maximum(pair.cosine, 0.0)), 1 - pair.cosine)


def one_plus_cosine(pair: Pair | Features) -> Array:
    """Return 1 + cos likewise, for antipodal points."""
    return jnp.where(pair.cosine < 0, pair.sine**2 / (1 - jnp.minimum(pair.cosine, 0.0)), 1 + pair.cosine)


def finite(x: Array) -> Array:
    """Return ``x`` with infinities replaced by the largest number."""
    largest = np.finfo(x.dtype).max
    return jnp.clip(x, -largest, largest)


def share(part: Array, whole: Array) -> Array:
    """Return ``part / whole`` for numbers that may have overflowed; 0 where ``whole`` is."""
    return ratio(finite(part), finite(whole))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Return the quotient, or 0 where the denominator is 0."""
    return jnp.where(denominator == 0, 0.0, numerator / jnp.where(denominator == 0, 1.0, denominator))


@runtime_checkable
class Adaptive(Protocol):
    """An activation known only as a function: the work it takes depends on the deviations."""

    def resolved(self, deviations: NDArray[np.float64]) -> tuple[Smooth, float]:
        """Return the dual activation at these deviations of pre-activations (any shape), and its error.

        The error bounds truncation and quadrature errors of both products, relative to those of root mean squares.

        :raises UnavailableError: if the tolerance cannot be met; the message gives the achieved error.
        """
