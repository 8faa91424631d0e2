"""A regression problem, and the interface of every fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from ntkbench.plugin import DataError

from .source import AnalyticSource

if TYPE_CHECKING:
    from ntkbench.architecture.nodes import Architecture

    from .source import Array

Kernel = Literal["ntk", "nngp"]


@dataclass(frozen=True, eq=False)
class RegressionProblem:
    """``targets`` (N, O) at ``inputs`` (N, F), to be fitted by gradient flow until ``time``, from f_0 ~ N(0, nngp).

    ``kernel`` drives the training; ``ridge`` is relative to its mean diagonal; an iteration stops at
    ``tolerance``, see :attr:`RegressionFit.error`.
    """

    inputs: Array
    targets: Array
    architecture: Architecture
    kernel: Kernel
    ridge: float
    time: float
    tolerance: float

    def source(self, kernel: Kernel | None = None, inputs: Array | None = None) -> AnalyticSource:
        """Return the source of a kernel's entries; by default of the kernel that drives the training."""
        return AnalyticSource(
            self.inputs if inputs is None else inputs, self.architecture, self.kernel if kernel is None else kernel
        )

    def rho(self, diagonal: Array) -> float:
        """Return the absolute ridge for the ``diagonal`` (N,) of the kernel that drives the training.

        :raises DataError: if the diagonal is not finite.
        """
        if not np.isfinite(diagonal).all():
            raise DataError(f"the kernel of {self.architecture!r} is beyond the range of {diagonal.dtype} here")
        return self.ridge * float(np.mean(diagonal))


class RegressionFit(Protocol):
    """A trained ensemble.

    ``rho`` is the absolute ridge; ``rank`` is that of the matrix inverted; ``error`` (O,) bounds the 2-norm of the
    error of the mean on the training points, relative to that of the targets; ``iterations`` is the number of products
    with the kernel matrix. The last three are None if they do not apply.
    """

    rho: float
    rank: int | None
    error: Array | None
    iterations: int | None

    def mean(self, points: Array) -> Array:
        """Return the ensemble's mean (M, O)."""

    def mean_train(self) -> Array:
        """Return the ensemble's mean on the training points (N, O), without recomputing the kernel between them."""

    def variance(self, points: Array) -> Array:
        """Return the ensemble's variance (M,), the same for every output."""

    def covariance(self, points: Array) -> Array:
        """Return the ensemble's covariance (M, M) between points, the same for every output."""
