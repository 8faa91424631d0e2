"""Kernel regression (time = inf) by a float64 Cholesky factor, in place of the kernel matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .cholesky import SingularKernelError, factorise, well_conditioned
from .conjugate import conjugate_gradients
from .dense import diagonal_view
from .source import assemble, predict, product, row_blocks

if TYPE_CHECKING:
    from .problem import RegressionProblem
    from .source import Array

_REFINEMENTS = 2  # products: the second corrects the error of the first
_SPREAD_BYTES = (
    1 << 28
)  # bytes of solutions held at once for a spread: each block costs a product with the NNGP's matrix
_ENOUGH = 2 * float(np.finfo(np.float64).eps)


class CholeskyFit:
    """Holds one matrix (N, N); see ``problem.RegressionFit``.

    :raises SingularKernelError: if the matrix is singular to rounding.
    """

    def __init__(self, problem: RegressionProblem) -> None:
        self.problem = problem
        matrix = assemble(problem.source())
        diagonal = diagonal_view(matrix)
        self.rho = problem.rho(diagonal)
        diagonal += self.rho
        try:
            self.factor = well_conditioned(factorise(matrix))
        except SingularKernelError as error:
            raise SingularKernelError(
                f'{error}; give a ridge, drop one of the points, or use solver "eigen", the pseudo-inverse'
            ) from None
        solved = conjugate_gradients(
            self.factor.product,
            self.factor.solve,
            problem.targets,
            tolerance=_ENOUGH,
            max_iterations=_REFINEMENTS,
        )
        self.coefficients = solved.solution
        self.error: Array | None = solved.residual
        self.rank: int | None = len(matrix)
        self.iterations: int | None = solved.iterations

    def mean(self, points: Array) -> Array:
        """Return the mean (M, O)."""
        return predict(self.problem.source(), points, self.coefficients)

    def mean_train(self) -> Array:
        """Return the mean on the training points (N, O)."""
        return np.asarray(self.factor.product(self.coefficients) - self.rho * self.coefficients, dtype=np.float64)

    def variance(self, points: Array) -> Array:
        """Return the variance (M,), with a product with the NNGP's matrix for each block of points."""
        result = np.empty(len(points))
        for rows in row_blocks(len(points), self.problem.source().size, _SPREAD_BYTES):
            weights, change = self._weights_and_change(points[rows])
            start = self.problem.source("nngp", points[rows]).diagonal()
            result[rows] = start + np.einsum("nm,nm->m", weights, change)
        return np.maximum(result, 0.0)

    def covariance(self, points: Array) -> Array:
        """Return the covariance (M, M); holds a few matrices (N, M)."""
        weights, change = self._weights_and_change(points)
        half = 0.5 * weights.T @ change
        start = self.problem.source("nngp", points).tile(slice(0, len(points)), slice(0, len(points)))
        return start + (half + half.T)

    def _weights_and_change(self, points: Array) -> tuple[Array, Array]:
        """Return ``W = (T + rho)^-1 Theta(X, x)`` and ``K(X, X) W - 2 K(X, x)``, both (N, M).

        Half of ``W^T change``, symmetrised, is the change of the covariance by training (L19, eq. 16).
        """
        driven = self.problem.source().against(points).T
        weights = np.asarray(self.factor.solve(driven), dtype=np.float64)
        if self.problem.kernel == "nngp":  # K(X, X) W = K(X, x) - rho W
            return weights, -driven - self.rho * weights
        nngp = self.problem.source("nngp")
        return weights, product(nngp, weights) - 2 * nngp.against(points).T
