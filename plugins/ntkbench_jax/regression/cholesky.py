"""Cholesky factorisation in place, keeping the matrix readable in the other triangle (scipy's LAPACK and BLAS).

L is written on and below the diagonal; entries above stay. With the diagonal saved separately the matrix is still
available, so residuals and a second attempt need no second array. Panels of columns go through LAPACK one by one,
because ``potrf`` of OpenBLAS (0.3.30 and before, as in scipy's wheels) overruns its buffers on two threads beyond order
16,384.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs
from scipy.sparse.linalg import LinearOperator, onenormest

from ntkbench.plugin import DataError

from .dense import diagonal_view, symmetric_product
from .source import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Float

_PANEL = 512  # columns factorised at once; the workspace is a few times as large
_STRIP = 256  # columns mirrored at once


class SingularKernelError(DataError):
    """A kernel matrix without a Cholesky factor in its precision, or with one whose solutions have no certain digit."""


@dataclass(frozen=True, eq=False)
class Factor:
    """``A = L L^T``: L in the lower triangle of ``matrix`` (N, N), A above it, A's ``diagonal`` (N,) beside it.

    ``norm`` is ``|A|_1``; ``shift`` was added to the diagonal of the factorised matrix, not to A.
    """

    matrix: Float
    diagonal: Float
    norm: float
    shift: float = 0.0

    def solve(self, right: Float) -> Float:
        """Return ``(A + shift I)^-1 right`` (N, O), in the factor's precision."""
        potrs: Any = get_lapack_funcs("potrs", (self.matrix,))
        solution: Float
        solution, _ = potrs(self.matrix, np.asfortranarray(right, dtype=self.matrix.dtype), lower=True)
        return solution

    def product(self, vectors: Float) -> Float:
        """Return ``A vectors`` (N, O), from the triangle that holds A."""
        with self._diagonal_in_place():
            return symmetric_product(self.matrix, vectors, both=False)

    def reciprocal_condition(self) -> float:
        """Return an estimate of ``1 / (|A|_1 |A^-1|_1)``, from above (Hager 1984; Higham 1988), by a few solves."""

        def solve(right: Float) -> Float:
            return self.solve(right.reshape(len(right), -1)).reshape(right.shape)

        inverse = LinearOperator(self.matrix.shape, solve, solve, dtype=self.matrix.dtype)
        return 1 / (self.norm * float(onenormest(inverse, t=1)))  # one column, without random ones

    @contextmanager
    def _diagonal_in_place(self) -> Iterator[None]:
        view = diagonal_view(self.matrix)
        pivots = view.copy()
        view[:] = self.diagonal
        try:
            yield
        finally:
            view[:] = pivots


def factorise(matrix: Float, *, shift_if_needed: bool = False) -> Factor:
    """Factorise a symmetric ``matrix`` (N, N), Fortran-ordered, with both triangles given, in place.

    :param shift_if_needed: if A has no factor, add the smallest sufficient shift to the diagonal, a power of ten in
        roundings: a solver of ``A + shift I`` is a preconditioner for A.
    :raises SingularKernelError: if A is not positive definite to the rounding of its type.
    :raises DataError: if it is not finite.
    """
    lange: Any = get_lapack_funcs("lange", (matrix,))
    norm = float(lange("1", matrix))
    if not np.isfinite(norm):
        raise DataError(f"the kernel matrix has entries, or sums of a row, beyond the range of {matrix.dtype}")
    diagonal = diagonal_view(matrix).copy()
    shift = 0.0
    while True:
        order = _lower_factor(matrix)
        if order == 0:
            return Factor(matrix, diagonal, norm, shift)
        shift = max(10 * shift, float(np.finfo(matrix.dtype).eps) * norm)
        if not shift_if_needed or not 0 < shift <= norm:
            raise SingularKernelError(_not_definite(order, matrix.dtype))
        _mirror_upper(matrix)
        diagonal_view(matrix)[:] = diagonal + matrix.dtype.type(shift)


def well_conditioned(factor: Factor) -> Factor:
    """Return ``factor``.

    :raises SingularKernelError: if no digit of a solution is certain.
    """
    reciprocal, epsilon = factor.reciprocal_condition(), float(np.finfo(factor.matrix.dtype).eps)
    if reciprocal < epsilon:
        raise SingularKernelError(
            f"the kernel matrix is singular to the rounding of {factor.matrix.dtype}: its reciprocal condition number "
            f"is about {reciprocal:.1e}"
        )
    return factor


def _lower_factor(matrix: Float) -> int:
    """Write L into the lower triangle, panel by panel from the left; return 0, or the order of a minor without one.

    For each panel: subtract the contribution of earlier columns (one matrix product, nearly all of the work), factorise
    its corner, and solve for the rest.
    """
    potrf: Any = get_lapack_funcs("potrf", (matrix,))
    trsm: Any = get_blas_funcs("trsm", (matrix,))
    for columns in blocks(len(matrix), _PANEL):
        before, below = slice(0, columns.start), slice(columns.start, None)
        # transposed views have contiguous rows, which numpy's product writes
        left = matrix[below, columns].T - matrix[columns, before] @ matrix[below, before].T
        width = len(left)
        corner, order = potrf(left[:, :width].T, lower=True, clean=True)
        if order:
            return int(columns.start + order)
        lower = np.tril_indices(width)
        matrix[columns, columns][lower] = corner[lower]
        rest = left[:, width:].T
        matrix[columns.stop :, columns] = trsm(1.0, corner, rest, side=True, lower=True, trans_a=True)
    return 0


def _mirror_upper(matrix: Float) -> None:
    """Copy the strictly upper triangle to the lower one, a strip at a time."""
    for strip in blocks(len(matrix), _STRIP):
        matrix[strip.stop :, strip] = matrix[strip, strip.stop :].T
        corner = matrix[strip, strip]
        lower = np.tril_indices(len(corner), -1)
        corner[lower] = corner.T[lower]


def _not_definite(order: int, dtype: Any) -> str:
    return (
        f"the kernel matrix is not positive definite to the rounding of {dtype}: its leading minor of order {order} is "
        f"not, so point {order - 1} (from 0) is, for this kernel, a combination of those before it, such as a "
        "duplicate"
    )
