"""Quantities from a kernel's spectrum: norm, effective dimension, projections of targets, and definiteness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf

from ..errors import DataError
from .checks import Array, matrix, of_training_points, ridge, targets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .spectrum import Spectrum

_UNIT = 2.0**-53  # float64's unit roundoff
_TINY = 2.0**-1000  # above any effect of underflow on a matrix with entries near 1

Definiteness = Literal["positive", "zero within error", "undecided", "negative"]


class SmallestEigenvalue(NamedTuple):
    """``value``, as computed, with ``|value - true| <= error``, and ``noise``, the usual rounding error.

    ``positive`` and ``negative`` are certain: zero is further away than ``error``. A value no larger than
    ``noise`` is ``zero within error``; one between the two is ``undecided``.
    """

    value: float
    error: float
    noise: float

    @property
    def definiteness(self) -> Definiteness:
        """The kernel's definiteness by this value (C13 in docs/theory.md)."""
        if abs(self.value) > self.error:
            return "positive" if self.value > 0 else "negative"
        return "zero within error" if abs(self.value) <= self.noise else "undecided"


def operator_norm(eigenvalues: ArrayLike) -> float:
    """Return the largest absolute eigenvalue over N: the norm of a kernel on its data (docs/theory.md, "Norms")."""
    values = np.asarray(eigenvalues, dtype=np.float64)
    return float(np.abs(values).max() / len(values))


def effective_dimension(spectrum: Spectrum, rho: float) -> float:
    """Return ``sum lambda / (lambda + rho)``, the degrees of freedom of ridge regression; the rank if rho is 0."""
    if ridge(rho) == 0:
        return float(spectrum.rank())
    return float(np.sum(spectrum.cleaned / (spectrum.cleaned + rho)))


def target_projections(spectrum: Spectrum, y_train: ArrayLike) -> Array:
    """Return ``V^T y`` (N, O), the targets' coefficients along the eigenvectors; ``y_train`` (N, O)."""
    return np.asarray(spectrum.eigenvectors.T @ targets(y_train, len(spectrum.eigenvalues)))


def smallest_eigenvalue(kernel_train: ArrayLike, spectrum: Spectrum, entry_error: float = 0.0) -> SmallestEigenvalue:
    """Return the smallest eigenvalue of a symmetric kernel (N, N) with a bound on its error (C13).

    The bound assumes nothing about the eigensolver. From above, the residual: some eigenvalue lies within
    ``|A v - lambda v| / |v|`` of the computed one. From below, a certificate: if the Cholesky factorisation
    of ``A - sigma I`` succeeds in float64, then ``lambda_min >= sigma - gamma tr(A - sigma I)`` (Demmel
    1989; Rump 2006). The bound includes all rounding, also of the certificate; it is about ``4 N eps tr(A)``.

    :param entry_error: the largest error of an entry k(x, x') of the kernel itself, relative to
        ``sqrt(k(x, x) k(x', x'))``; by Weyl's inequality it moves an eigenvalue by at most that times the trace.
    :raises DataError: if the kernel is not (N, N), or ``entry_error`` is negative or not finite.
    """
    kernel = matrix("kernel_train", kernel_train)
    n = len(spectrum.eigenvalues)
    of_training_points("kernel_train", kernel.shape, n)
    if not 0 <= entry_error < np.inf:
        raise DataError(f"dynamics: entry_error is {entry_error}; it must be finite and not negative")
    _, power = np.frexp(0.5 * np.abs(kernel).max())  # entries near 1: nothing overflows, and _TINY is tiny
    kernel = np.ldexp(0.5 * kernel, -power) + np.ldexp(0.5 * kernel.T, -power)
    value, vector = float(spectrum.eigenvalues[-1]), spectrum.eigenvectors[:, -1]
    scaled = float(np.ldexp(value, -power))
    own = max(_above(kernel, scaled, vector), _below(kernel, scaled))
    error = float(np.ldexp(own + entry_error * float(np.abs(np.diagonal(kernel)).sum()), power))
    typical = max(spectrum.precision, float(np.finfo(np.float64).eps))
    noise = float(n**0.5 * typical * np.abs(spectrum.eigenvalues).max())
    return SmallestEigenvalue(value, error, noise)


def _above(kernel: Array, value: float, vector: Array) -> float:
    """Return a bound on ``lambda_min - value``, rounding of the residual included."""
    n, length = len(kernel), float(np.linalg.norm(vector))
    residual = float(np.linalg.norm(kernel @ vector - value * vector)) / length
    return (1 + 4 * n * _UNIT) * residual + 2 * _gamma(n + 4) * (_frobenius(kernel) + abs(value)) + _TINY


def _below(kernel: Array, value: float) -> float:
    """Return a bound on ``value - lambda_min``: the first, among growing candidates, that a factorisation certifies."""
    n, diagonal = len(kernel), np.diagonal(kernel)
    step = _gamma(n + 1) * float(np.abs(diagonal).sum() + n * abs(value)) + _TINY
    shifted, shift = np.empty_like(kernel, order="F"), 2 * step
    while True:
        sigma = value - shift
        shifted[...] = kernel
        shifted[np.diag_indices(n)] = diagonal - sigma
        trace = float(np.abs(diagonal - sigma).sum())
        _, failed = dpotrf(shifted, lower=1, clean=0, overwrite_a=1)
        if failed == 0:
            rounded = 2 * _UNIT * (float(np.abs(diagonal - sigma).max()) + abs(sigma) + _frobenius(kernel))
            return (1 + 8 * n * _UNIT) * (shift + 2 * _gamma(n + 1) * trace) + rounded + _TINY
        shift *= 2


def _frobenius(kernel: Array) -> float:
    return float(np.linalg.norm(kernel)) * (1 + 4 * kernel.size * _UNIT)


def _gamma(terms: int) -> float:
    """Return Higham's gamma, the bound on the relative error of a number of roundings."""
    return terms * _UNIT / (1 - terms * _UNIT)
