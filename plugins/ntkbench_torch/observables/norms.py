"""Largest eigenvalues and singular values, by products with vectors where a matrix is large."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from ntkbench.plugin import Float

_DENSE = 400  # rows up to which all eigenvalues are cheaper than one
_TOLERANCE = 1e-8  # relative, of the operator norm of larger matrices
_SINGULAR_TOLERANCE = 1e-4  # relative, at worst, of a squared singular value


def operator_norm(matrix: Float) -> float:
    """Return the largest absolute eigenvalue of a symmetric matrix (n, n)."""
    if len(matrix) > _DENSE:
        value = _lanczos(matrix, len(matrix), _TOLERANCE)
        if value is not None:
            return value
    return float(torch.linalg.eigvalsh(torch.tensor(matrix)).abs().max())  # in the threads that have just multiplied


def largest_eigenvalue(product: Callable[[Tensor], Tensor], like: Tensor) -> float | None:
    """Return the largest absolute eigenvalue of a symmetric operator on tensors shaped ``like``, or None.

    The relative tolerance is 1e-10 in float64 and 1e-6 in float32; None where it is not reached.
    """

    def apply(vector: Float) -> Float:
        argument = torch.from_numpy(vector.reshape(like.shape)).to(like)
        return product(argument).double().cpu().numpy().ravel()

    size, tolerance = like.numel(), 1e-10 if like.dtype == torch.float64 else 1e-6
    return _lanczos(LinearOperator((size, size), matvec=apply, dtype=np.float64), size, tolerance)


def spectral_norm(matrix: Tensor) -> float:
    """Return the largest singular value of a matrix (rows, columns), to 5e-5 at worst; nan where it is not finite."""
    rows, columns = matrix.shape
    if not bool(torch.isfinite(matrix).all()):
        return nan
    if not bool(matrix.any()):
        return 0.0
    if min(rows, columns) <= _DENSE // 4:
        return float(torch.linalg.matrix_norm(matrix.double(), 2))

    def apply(vector: Float) -> Float:
        squared = matrix.mT @ (matrix @ torch.from_numpy(vector.ravel()).to(matrix))
        return squared.double().cpu().numpy()

    operator = LinearOperator((columns, columns), matvec=apply, dtype=np.float64)
    value = _lanczos(operator, columns, _SINGULAR_TOLERANCE)
    return float(torch.linalg.matrix_norm(matrix.double(), 2)) if value is None else value**0.5


def _lanczos(operator: Float | LinearOperator, size: int, tolerance: float) -> float | None:
    start = np.random.default_rng(0).standard_normal(size)
    try:
        value = eigsh(operator, k=1, which="LM", v0=start, tol=tolerance, return_eigenvectors=False)
    except ArpackNoConvergence:
        return None
    return float(abs(value[0]))
