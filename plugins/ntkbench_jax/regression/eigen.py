"""Mean and law at any time, by one eigendecomposition."""

from __future__ import annotations

from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.dynamics import Modes, decompose, ensemble_covariance, ensemble_law, kernel_dynamics

from ..kernels.analytic import analytic_kernels, kernel_diagonal
from .source import row_blocks

if TYPE_CHECKING:
    from ..kernels.analytic import Kernels
    from .problem import RegressionProblem
    from .source import Array


class EigenFit:
    """The mean and law of :mod:`ntkbench.dynamics`, with the pseudo-inverse at ``time = inf``.

    Holds three matrices (N, N), both kernels and the eigenvectors, and a fourth once a spread has been requested.
    """

    error: Array | None = None
    iterations: int | None = None

    def __init__(self, problem: RegressionProblem) -> None:
        self.problem = problem
        self.kernels: Kernels = analytic_kernels(problem.inputs, architecture=problem.architecture, dtype=np.float64)
        self.driving = self._driving(self.kernels)
        self.rho = problem.rho(np.diag(self.driving))
        self.spectrum = decompose(self.driving)
        self._when: dict[str, Any] = {"times": [problem.time], "rho": self.rho}
        self.rank = self.spectrum.rank(self.rho) if problem.time == inf else None

    def mean(self, points: Array) -> Array:
        """Return the mean (M, O), a block of points at a time."""
        source, result = self.problem.source(), np.empty((len(points), self.problem.targets.shape[1]))
        for rows in row_blocks(len(points), source.size):
            trained = kernel_dynamics(
                self.driving, source.against(points[rows]), self.problem.targets, spectrum=self.spectrum, **self._when
            )
            result[rows] = trained.test[0]
        return result

    def mean_train(self) -> Array:
        """Return the mean on the training points (N, O)."""
        nowhere = self.driving[:0]
        trained = kernel_dynamics(self.driving, nowhere, self.problem.targets, spectrum=self.spectrum, **self._when)
        return np.asarray(trained.train[0])

    def variance(self, points: Array) -> Array:
        """Return the variance (M,), a block of points at a time."""
        result = np.empty(len(points))
        for rows in row_blocks(len(points), len(self.driving)):
            between = self._between(points[rows])
            start = kernel_diagonal(points[rows], architecture=self.problem.architecture, dtype=np.float64).nngp
            law = ensemble_law(self.spectrum, self._driving(between), self._modes, between.nngp, start, **self._when)
            result[rows] = law.test[0]
        return result

    def covariance(self, points: Array) -> Array:
        """Return the covariance (M, M)."""
        between = self._between(points)
        start = analytic_kernels(points, architecture=self.problem.architecture, dtype=np.float64).nngp
        driving, modes = self._driving(between), self._modes
        covariances = ensemble_covariance(self.spectrum, driving, modes, between.nngp, start, **self._when)
        return np.asarray(covariances[0])

    @cached_property
    def _modes(self) -> Modes:
        """The law of f_0 in the eigenbasis, N^3 work, shared by all blocks and calls."""
        if self.problem.kernel == "nngp":
            return Modes.of_driving(self.spectrum)
        return Modes.of(self.spectrum, self.kernels.nngp)

    def _between(self, points: Array) -> Kernels:
        problem = self.problem
        return analytic_kernels(points, problem.inputs, architecture=problem.architecture, dtype=np.float64)

    def _driving(self, kernels: Kernels) -> Array:
        return np.asarray(getattr(kernels, self.problem.kernel))
