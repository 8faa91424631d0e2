"""The law of infinitely wide networks, trained from ``f_0 ~ N(0, K)``: C8, Lee et al. 2019, eqs. 14-16.

In the eigenbasis V of T, with ``B = V^T K(X,X) V``, ``D = Theta(x,X) V``, ``S = K(x,X) V``, and the filters g (gain)
and r (retained) as diagonal matrices,

    f_t(x) - mean = f_0(x) - D g V^T f_0(X)                f_t(X) - mean = V r V^T f_0(X)
    cov(x, x')    = K(x,x') + W B W^T - W S^T - S W^T      W = D g
    cov(x, X)     = (S - W B) r V^T                        cov(X, X) = V r B r V^T

B is computed once for all times. Each time costs M N (N + 2 M) flops between test points: with B = U + U^T, where U
is triangular, the quadratic form is W U W^T and its transpose, half the work of W B W^T.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Unpack

import numpy as np
from scipy.linalg.blas import dgemm, dtrmm

from ..errors import DataError
from .checks import Array, matrix, of_training_points
from .filters import make_filters
from .schedule import TimeSpec, make_schedule

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .spectrum import Spectrum

_BLOCK = 256  # columns per block of the upper triangle of a product


class EnsembleVariance(NamedTuple):
    """Variance of each single output over an infinite ensemble: ``train`` (T, N), ``test`` (T, M)."""

    train: Array
    test: Array


@dataclass(frozen=True, eq=False)
class Modes:
    """``B = V^T K V`` of an initial law K (N, N), in the eigenbasis V of the kernel that drives training.

    If that kernel is K itself, B is diagonal, with its eigenvalues: see :meth:`of_driving`.
    """

    diagonal: Array
    upper: Array | None

    @classmethod
    def of(cls, spectrum: Spectrum, nngp_train: ArrayLike) -> Modes:
        """Return the modes of K, in about 3 N^3 flops; all predictions from one spectrum can share them.

        :raises DataError: if ``nngp_train`` is not (N, N) and finite.
        """
        start, vectors = matrix("nngp_train", nngp_train), spectrum.eigenvectors
        of_training_points("nngp_train", start.shape, len(spectrum.eigenvalues))
        product, half = start @ vectors, np.zeros_like(start)
        for first in range(0, len(half), _BLOCK):
            block = slice(first, first + _BLOCK)
            half[: block.stop, block] = vectors[:, : block.stop].T @ product[:, block]
        half = np.triu(half)
        diagonal = np.diagonal(half).copy()
        half[np.diag_indices_from(half)] *= 0.5
        return cls(diagonal, half)

    @classmethod
    def of_driving(cls, spectrum: Spectrum) -> Modes:
        """Return the modes for K as the driving kernel, as when only the last layer is trained (C16)."""
        return cls(spectrum.cleaned, None)

    def halved(self, rows: Array, out: Array) -> Array:
        """Return ``rows @ U`` (M, N), where ``B = U + U^T``, in the C-contiguous array ``out``."""
        if self.upper is None:
            return np.multiply(rows, 0.5 * self.diagonal, out=out)
        np.copyto(out, rows)
        return np.asarray(dtrmm(1.0, self.upper.T, out.T, lower=1, overwrite_b=1)).T

    def applied(self, rows: Array) -> Array:
        """Return ``rows @ B`` (M, N)."""
        if self.upper is None:
            return rows * self.diagonal
        transposed = np.asarray(dtrmm(1.0, self.upper.T, rows.T, lower=1, trans_a=1)).T
        return self.halved(rows, np.empty_like(rows)) + transposed


def ensemble_law(
    spectrum: Spectrum,
    kernel_test: ArrayLike,
    nngp_train: ArrayLike | Modes,
    nngp_test: ArrayLike,
    nngp_test_diagonal: ArrayLike,
    *,
    rho: float = 0.0,
    **when: Unpack[TimeSpec],
) -> EnsembleVariance:
    """Return the variance over the ensemble; values that rounding makes negative are set to zero.

    :param spectrum: of ``Theta(X, X)``, the kernel that drives training; ``kernel_test`` (M, N) is ``Theta(x, X)``.
    :param nngp_train: (N, N), or its :class:`Modes`; ``nngp_test`` (M, N) and ``nngp_test_diagonal`` (M,): the law K.
    :param when: times, or steps with their learning rate and optimizer, as in :func:`.kernel_dynamics`.
    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    modes, test = _modes(spectrum, nngp_train), _TestPoints.of(spectrum, kernel_test, nngp_test)
    diagonal = np.asarray(nngp_test_diagonal, dtype=np.float64)
    if diagonal.shape != (len(test.driven),):
        raise DataError(f"dynamics: nngp_test_diagonal has shape {diagonal.shape}, expected ({len(test.driven)},)")
    moments = list(_moments(spectrum, rho, when))
    at_train, at_test = np.empty((len(moments), len(spectrum.eigenvalues))), np.empty((len(moments), len(diagonal)))
    weights, half = np.empty_like(test.driven), np.empty_like(test.driven)
    left, half_left = np.empty_like(spectrum.eigenvectors), np.empty_like(spectrum.eigenvectors)
    for t, (gain, retained, power) in enumerate(moments):
        np.multiply(spectrum.eigenvectors, retained, out=left)
        at_train[t] = _ldexp(2 * np.einsum("ij,ij->i", modes.halved(left, half_left), left), 2 * power)
        change = modes.halved(np.multiply(test.driven, gain, out=weights), half)
        change -= _ldexp(test.start, -power)
        at_test[t] = _ldexp(_ldexp(diagonal, -2 * power) + 2 * np.einsum("ij,ij->i", change, weights), 2 * power)
    return EnsembleVariance(np.maximum(at_train, 0.0), np.maximum(at_test, 0.0))


def ensemble_covariance(
    spectrum: Spectrum,
    kernel_test: ArrayLike,
    nngp_train: ArrayLike | Modes,
    nngp_test: ArrayLike,
    nngp_test_test: ArrayLike,
    *,
    rho: float = 0.0,
    **when: Unpack[TimeSpec],
) -> Array:
    """Return the covariance (T, M, M) between test points; :func:`ensemble_law` gives its diagonal.

    :param nngp_test_test: (M, M), the law K of ``f_0`` between test points; the others as in :func:`ensemble_law`.
    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    modes, test = _modes(spectrum, nngp_train), _TestPoints.of(spectrum, kernel_test, nngp_test)
    start = matrix("nngp_test_test", nngp_test_test)
    if start.shape != (len(test.driven), len(test.driven)):
        raise DataError(f"dynamics: nngp_test_test has shape {start.shape}, expected {(len(test.driven),) * 2}")
    moments = list(_moments(spectrum, rho, when))
    result = np.empty((len(moments), *start.shape))
    weights, work, half = np.empty_like(test.driven), np.empty_like(test.driven), np.empty_like(start)
    for t, (gain, _, power) in enumerate(moments):
        left = modes.halved(np.multiply(test.driven, gain, out=weights), work)
        left -= _ldexp(test.start, -power)
        half = _outer(left, weights, half)
        np.add(half, half.T, out=result[t])
        result[t] += _ldexp(start, -2 * power)
        result[t] = _ldexp(result[t], 2 * power)
    return result


def ensemble_covariance_train(
    spectrum: Spectrum,
    nngp_train: ArrayLike | Modes,
    *,
    rho: float = 0.0,
    **when: Unpack[TimeSpec],
) -> Array:
    """Return the covariance (T, N, N) between training points; arguments as in :func:`ensemble_law`.

    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    modes = _modes(spectrum, nngp_train)
    moments = list(_moments(spectrum, rho, when))
    result = np.empty((len(moments), *spectrum.eigenvectors.shape))
    left, work, half = (np.empty_like(spectrum.eigenvectors) for _ in range(3))
    for t, (_, retained, power) in enumerate(moments):
        np.multiply(spectrum.eigenvectors, retained, out=left)
        half = _outer(modes.halved(left, work), left, half)
        np.add(half, half.T, out=result[t])
        result[t] = _ldexp(result[t], 2 * power)
    return result


def ensemble_covariance_cross(
    spectrum: Spectrum,
    kernel_test: ArrayLike,
    nngp_train: ArrayLike | Modes,
    nngp_test: ArrayLike,
    *,
    rho: float = 0.0,
    **when: Unpack[TimeSpec],
) -> Array:
    """Return the covariance (T, M, N) between test and training points; arguments as in :func:`ensemble_law`.

    :raises DataError: for shapes that do not fit, values that are not finite, or an ambiguous schedule.
    """
    modes, test = _modes(spectrum, nngp_train), _TestPoints.of(spectrum, kernel_test, nngp_test)
    moments = list(_moments(spectrum, rho, when))
    result = np.empty((len(moments), *test.start.shape))
    for t, (gain, retained, power) in enumerate(moments):
        left = _ldexp(test.start, -power) - modes.applied(test.driven * gain)
        result[t] = _ldexp(left @ (spectrum.eigenvectors * retained).T, 2 * power)
    return result


class _TestPoints(NamedTuple):
    """Theta(x,X) V and K(x,X) V, each (M, N)."""

    driven: Array
    start: Array

    @classmethod
    def of(cls, spectrum: Spectrum, kernel_test: ArrayLike, nngp_test: ArrayLike) -> _TestPoints:
        between, start = matrix("kernel_test", kernel_test), matrix("nngp_test", nngp_test)
        for name, found in (("kernel_test", between), ("nngp_test", start)):
            of_training_points(name, found.shape, len(spectrum.eigenvalues))
        if between.shape != start.shape:
            raise DataError(f"dynamics: kernel_test is {between.shape} but nngp_test is {start.shape}")
        return cls(between @ spectrum.eigenvectors, start @ spectrum.eigenvectors)


def _modes(spectrum: Spectrum, nngp_train: ArrayLike | Modes) -> Modes:
    if not isinstance(nngp_train, Modes):
        return Modes.of(spectrum, nngp_train)
    if nngp_train.diagonal.shape != spectrum.eigenvalues.shape:
        points, n = len(nngp_train.diagonal), len(spectrum.eigenvalues)
        raise DataError(f"dynamics: the modes are of {points} training points, the spectrum of {n}")
    return nngp_train


def _moments(spectrum: Spectrum, rho: float, when: TimeSpec) -> Iterator[tuple[Array, Array, int]]:
    """Yield gain (N,), retained (N,) and power at each time."""
    filters = make_filters(spectrum, make_schedule(**when), rho)
    for gain, retained, power in zip(filters.gain, filters.retained, filters.power, strict=True):
        yield gain, retained, int(power)


def _outer(first: Array, second: Array, out: Array) -> Array:
    """Return ``first @ second.T``, in ``out``, using the same BLAS as the triangular product.

    SciPy has its own BLAS, which numpy's idle but spinning threads would slow down.
    """
    return np.asarray(dgemm(1.0, second.T, first.T, trans_a=1, c=out.T, overwrite_c=1)).T


def _ldexp(values: Array, power: int) -> Array:
    """Return ``values * 2**power``, which overflows to inf; fast for power 0, by far the most common."""
    with np.errstate(over="ignore"):
        return values if power == 0 else np.ldexp(values, power)
