"""One eigendecomposition per kernel: everything else is a function of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg

from ..errors import DataError
from .checks import Array, matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_ASYMMETRY_ALLOWED = (
    1e-5  # relative to the largest entry: float32 rounding stays below it, a wrong matrix is far above it
)
_DOUBLE = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """``eigenvalues`` (N,) of a symmetric kernel matrix, descending, and their rounding error.

    ``precision`` is the relative precision of the kernel's own floating-point type, such as float32.
    """

    eigenvalues: Array
    precision: float = field(default=_DOUBLE, kw_only=True)

    @cached_property
    def rounding(self) -> float:
        """``N * precision * max |lambda|``: how far rounding may have moved an eigenvalue."""
        return len(self.eigenvalues) * self.precision * float(np.abs(self.eigenvalues).max())

    @cached_property
    def cutoff(self) -> float:
        """Eigenvalues above it differ from zero: the rounding, or the size of the most negative eigenvalue."""
        return max(self.rounding, -float(self.eigenvalues.min()))

    @cached_property
    def cleaned(self) -> Array:
        """The eigenvalues (N,), with those that only rounding made negative set to zero."""
        raw = self.eigenvalues
        return np.where((raw < 0) & (raw >= -self.rounding), 0.0, raw)

    def rank(self, rho: float = 0.0) -> int:
        """Return how many eigenvalues of ``T + rho I`` exceed the cutoff: those a pseudo-inverse inverts."""
        return int(np.sum(self.cleaned + rho > self.cutoff))


@dataclass(frozen=True, eq=False)
class Spectrum(Eigenvalues):
    """The eigenvalues, and ``eigenvectors`` (N, N), in columns."""

    eigenvectors: Array

    def quadratic(self, y: Array, rho: float) -> Array:
        """Return ``y^T (T + rho I)^-1 y`` (O,), for full rank."""
        return np.asarray(np.sum((self.eigenvectors.T @ y) ** 2 / (self.cleaned + rho)[:, None], axis=0))

    def log_determinant(self, rho: float) -> float:
        """Return ``log det(T + rho I)``, for full rank."""
        return float(np.sum(np.log(self.cleaned + rho)))


def decompose(kernel_train: ArrayLike) -> Spectrum:
    """Diagonalise a symmetric kernel matrix (N, N), in float64, with each eigenvector's largest entry positive.

    Uses divide and conquer, whose eigenvectors are orthogonal to rounding. The default of LAPACK (relatively robust
    representations) leaves errors of 1e-12 at N = 1000, which every function of the kernel would inherit.

    :raises DataError: where it is not square, finite and symmetric (to the rounding of float32, which is averaged out).
    """
    eigenvalues, vectors = scipy.linalg.eigh(
        symmetric(kernel_train), check_finite=False, overwrite_a=True, driver="evd"
    )  # fmt: skip
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(vectors))]
    vectors = (vectors * np.where(largest < 0, -1.0, 1.0))[:, ::-1]
    return Spectrum(
        eigenvalues[::-1].copy(), np.ascontiguousarray(vectors), precision=precision_of(kernel_train)
    )  # fmt: skip


def symmetric(kernel_train: ArrayLike) -> Array:
    """Return a kernel matrix (N, N) as a new array of float64, symmetric to the bit.

    :raises DataError: where it is not square, finite and symmetric (to the rounding of float32, which is averaged out).
    """
    kernel = matrix("kernel_train", kernel_train)
    if kernel.shape[0] != kernel.shape[1] or kernel.size == 0:
        raise DataError(f"dynamics: kernel_train has shape {kernel.shape}, expected a square matrix (N, N)")
    halved = 0.5 * kernel
    asymmetry, scale = np.abs(halved - halved.T).max(), np.abs(halved).max()
    if asymmetry > _ASYMMETRY_ALLOWED * scale:
        raise DataError(
            f"dynamics: kernel_train is not symmetric: entries differ by up to {2 * asymmetry:.3g} "
            f"where the largest is {2 * scale:.3g}"
        )
    return halved + halved.T


def precision_of(kernel: ArrayLike) -> float:
    """Return the relative precision of a kernel's floating-point type."""
    dtype = np.asarray(kernel).dtype
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)
