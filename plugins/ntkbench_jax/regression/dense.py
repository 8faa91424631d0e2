"""Dense symmetric matrices in Fortran order, without copies of them (scipy's BLAS)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import get_blas_funcs

if TYPE_CHECKING:
    from .source import Float

_FEW_OF_HALF = 8  # up to this many columns, single products at memory bandwidth beat a blocked product
_FEW_OF_WHOLE = 4  # the same, if the blocked product may read both triangles


def symmetric_product(matrix: Float, vectors: Float, *, both: bool) -> Float:
    """Return ``A vectors`` (N, O) for the symmetric A in the upper triangle of ``matrix`` (N, N), in its precision.

    :param both: whether the lower triangle holds A too, and may be read.
    """
    symv, symm, gemm = get_blas_funcs(("symv", "symm", "gemm"), (matrix,))
    right = np.asfortranarray(vectors, dtype=matrix.dtype)
    if right.shape[1] > (_FEW_OF_WHOLE if both else _FEW_OF_HALF):
        return np.asarray(gemm(1.0, matrix, right) if both else symm(1.0, matrix, right))
    result = np.empty_like(right)
    for column in range(right.shape[1]):
        result[:, column] = symv(1.0, matrix, right[:, column])
    return result


def diagonal_view(matrix: Float) -> Any:
    """Return the diagonal of a Fortran-ordered matrix, to write through."""
    return matrix.reshape(-1, order="F")[:: len(matrix) + 1]
