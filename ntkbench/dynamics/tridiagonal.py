"""Kernel regression for many ridges without eigenvectors: one tridiagonal form per kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.linalg
from scipy.linalg.lapack import dormqr, dpttrf, dpttrs, dsytrd, dsytrd_lwork

from ..errors import DataError
from .spectrum import Eigenvalues, precision_of, symmetric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from .checks import Array


@dataclass(frozen=True, eq=False)
class Tridiagonal(Eigenvalues):
    """``T = Q D Q^T`` with ``diagonal`` (N,) and ``beside`` (N - 1,) of D, and Q as reflections.

    Each further ridge costs O(N) operations to solve in this form and 2 N^2 to transform back, while a Cholesky factor
    costs N^3 / 3. The form itself costs less than half of an eigendecomposition. Solutions are backward stable: they
    are exact for a matrix within a few roundings of ``|T|`` from T.
    """

    diagonal: Array
    beside: Array
    reflections: Array
    scales: Array

    def solve(self, y: Array, ridges: Sequence[float]) -> Array:
        """Return ``(T + rho I)^-1 y`` (R, N, O) for R ridges.

        :raises DataError: if ``T + rho I`` is not positive definite.
        """
        projected = self._turn(y, "T")
        found = np.stack([self._solve_within(projected, rho) for rho in ridges], axis=1)  # (N, R, O)
        flat = self._turn(found.reshape(len(y), -1), "N").reshape(found.shape)
        return np.moveaxis(flat, 1, 0)

    def quadratic(self, y: Array, rho: float) -> Array:
        """Return ``y^T (T + rho I)^-1 y`` (O,), for full rank."""
        projected = self._turn(y, "T")
        return np.asarray(np.sum(projected * self._solve_within(projected, rho), axis=0))

    def log_determinant(self, rho: float) -> float:
        """Return ``log det(T + rho I)``, for full rank."""
        return float(np.sum(np.log(self._factor(rho)[0])))

    def _solve_within(self, projected: Array, rho: float) -> Array:
        pivots, below = self._factor(rho)
        return projected / pivots if len(pivots) == 1 else np.asarray(dpttrs(pivots, below, projected)[0])

    def _factor(self, rho: float) -> tuple[Array, Array]:
        if len(self.diagonal) == 1:
            pivots, below, order = self.diagonal + rho, np.empty(0), int(self.diagonal[0] + rho <= 0)
        else:
            pivots, below, order = dpttrf(self.diagonal + rho, self.beside)
        if order:
            raise DataError(f"dynamics: T + {rho:.6g} I is not positive definite; give a ridge above {self.cutoff:.3g}")
        return pivots, below

    def _turn(self, vectors: Array, direction: str) -> Array:
        """Return ``Q vectors`` ("N") or ``Q^T vectors`` ("T"): Q leaves the first row unchanged."""
        if len(vectors) == 1:
            return vectors.copy()
        below = np.array(vectors[1:], order="F")  # a copy, to be overwritten
        workspace = int(dormqr("L", direction, self.reflections, self.scales, below, -1)[1][0])
        turned = dormqr("L", direction, self.reflections, self.scales, below, workspace, overwrite_c=True)[0]
        return np.vstack([vectors[:1], turned])


def tridiagonalise(kernel_train: ArrayLike) -> Tridiagonal:
    """Return the tridiagonal form of a symmetric kernel matrix (N, N), in float64, by Householder reflections.

    :raises DataError: where it is not square, finite and symmetric (to the rounding of float32, which is averaged out).
    """
    kernel = symmetric(kernel_train)
    n = len(kernel)
    workspace = int(dsytrd_lwork(n, lower=True)[0])
    packed, diagonal, beside, scales, _ = dsytrd(kernel.T, lower=True, lwork=workspace, overwrite_a=True)
    eigenvalues = scipy.linalg.eigvalsh_tridiagonal(diagonal, beside, check_finite=False, lapack_driver="sterf")
    return Tridiagonal(
        np.array(eigenvalues[::-1], dtype=np.float64),
        diagonal,
        beside,
        np.asfortranarray(packed[1:, :-1]),
        scales,
        precision=precision_of(kernel_train),
    )
