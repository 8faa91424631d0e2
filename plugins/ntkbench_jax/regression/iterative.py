"""Training by products with the kernel matrix: at finite times, or when a float64 factor does not fit into memory."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.plugin import DataError

from .cholesky import factorise
from .conjugate import conjugate_gradients
from .dense import diagonal_view, symmetric_product
from .krylov import krylov_dynamics
from .source import assemble, predict, product

if TYPE_CHECKING:
    from .problem import RegressionProblem
    from .source import Array, Float


class IterativeFit:
    """Holds only coefficients (N, O); see ``problem.RegressionFit``. It computes no spread of the ensemble.

    While fitting: at a finite time the matrix (N, N) in float64, and Krylov spaces; at ``time = inf`` its factor in
    float32, while the float64 products are computed tile by tile.
    """

    rank: int | None = None

    def __init__(self, problem: RegressionProblem) -> None:
        self.problem = problem
        self.rho = problem.rho(problem.source().diagonal())
        if problem.time == inf:
            self._solve_in_two_precisions()
        else:
            self._train()

    def mean(self, points: Array) -> Array:
        """Return the mean (M, O)."""
        return predict(self.problem.source(), points, self.coefficients)

    def mean_train(self) -> Array:
        """Return the mean on the training points (N, O), from tiles of one triangle."""
        return product(self.problem.source(), self.coefficients)

    def variance(self, points: Array) -> Array:
        """Refuse.

        :raises DataError: always.
        """
        raise DataError(_no_spread(self.problem.time))

    def covariance(self, points: Array) -> Array:
        """Refuse.

        :raises DataError: always.
        """
        raise DataError(_no_spread(self.problem.time))

    def _train(self) -> None:
        matrix = assemble(self.problem.source())
        trained = krylov_dynamics(
            lambda vectors: symmetric_product(matrix, vectors, both=True),
            self.problem.targets,
            times=[self.problem.time],
            rho=self.rho,
            tolerance=self.problem.tolerance,
        )
        self.coefficients: Array = trained.coefficients[0]
        self.error: Array | None = trained.error[0]
        self.iterations: int | None = max(trained.dimensions)

    def _solve_in_two_precisions(self) -> None:
        source, rho = self.problem.source(), self.rho
        matrix: Float = assemble(source, np.float32)
        diagonal = diagonal_view(matrix)
        diagonal += np.float32(rho)
        factor = factorise(matrix, shift_if_needed=True)
        solved = conjugate_gradients(
            lambda vectors: product(source, vectors) + rho * vectors,
            factor.solve,
            self.problem.targets,
            tolerance=self.problem.tolerance,
        )
        self.coefficients, self.error = solved.solution, solved.residual
        self.iterations = solved.iterations


def _no_spread(time: float) -> str:
    other = 'use solver "eigen"' + (' or "cholesky"' if time == inf else "")
    return f'solver "iterative" computes the mean only, not the spread of the ensemble: {other}, where N allows'
