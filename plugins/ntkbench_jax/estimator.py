"""Infinitely wide networks as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from math import inf
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import ValidationError

from ntkbench.architecture.nodes import Architecture
from ntkbench.plugin import UnavailableError, suggestion

try:
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise UnavailableError(
        'NTKRegressor needs scikit-learn, which is missing or too old: pip install "scikit-learn>=1.6"'
    ) from error

from .regression.choose import SOLVERS, fit
from .regression.problem import RegressionProblem

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from .regression.problem import Kernel

    Array = NDArray[np.float64]


class NTKRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The mean and the law of infinitely wide networks trained on the squared error, from f_0 ~ N(0, nngp).

    Inputs and targets are neither centred nor scaled. Computations are in float64, also for float32 data.

    :param depth: number of hidden layers; 0 is a linear model.
    :param activation: a name, such as ``relu`` or ``erf``, or any other activation that ``Architecture`` accepts.
    :param weight_std: sigma_w; ``bias_std``: sigma_b.
    :param kernel: ``ntk``: all layers are trained. ``nngp``: only the last one; at ``time = inf`` and ``ridge = 0``
        this is exact Bayesian inference, in mean and covariance (C16).
    :param ridge: relative to the kernel's mean diagonal: the cost gains ``rho / (2N) |theta - theta_0|^2``.
    :param time: time of gradient flow on half the squared error, averaged over points; inf is kernel regression.
    :param solver: the method, for N training points; memory is that of the fit, and in brackets that of the result:

        * ``eigen``: an eigendecomposition. Any time, mean and spread; the pseudo-inverse if the kernel is singular.
          About 6 matrices (N, N) of float64 [4].
        * ``cholesky``: ``time = inf``, mean and spread. One matrix, factorised in place [1]. It refuses a kernel that
          is singular to rounding.
        * ``iterative``: the mean only. At a finite time Lanczos, with one matrix; at ``time = inf`` conjugate
          gradients, with one matrix of float32 and the kernel computed anew in each iteration [0].
        * ``auto``: ``eigen`` for up to 2,000 points (at a finite time 4,000); beyond, at ``time = inf``, ``cholesky``
          for up to 32,768, with ``eigen`` as the fallback of a singular kernel for up to 8,000; else ``iterative``.
    :param tol: the ``error_`` at which an iteration stops. A result that does not reach it comes with a
        ``ConvergenceWarning`` that states the error reached.

    After :meth:`fit`: ``X_fit_`` (N, F) and ``y_fit_`` (N, O); ``solver_``, the one used; ``rho_``, the absolute ridge;
    ``rank_``, the numerical rank of the matrix inverted (None if none was); ``error_`` (O,), a bound on the 2-norm of
    the error of the mean on the training points, relative to the targets', for the given kernel (None from ``eigen``;
    at ``time = inf`` it is the residual of the linear system); ``iterations_``, the number of products with the kernel
    matrix (None from ``eigen``); and ``spectrum_``, that of the kernel that drives training (None except from
    ``eigen``).
    """

    def __init__(
        self,
        depth: int = 3,
        activation: str | Callable[..., Any] = "relu",
        weight_std: float = 2**0.5,
        bias_std: float = 0.1,
        kernel: Kernel = "ntk",
        ridge: float = 0.0,
        time: float = inf,
        solver: str = "auto",
        tol: float = 1e-8,
    ) -> None:
        self.depth = depth
        self.activation = activation
        self.weight_std = weight_std
        self.bias_std = bias_std
        self.kernel = kernel
        self.ridge = ridge
        self.time = time
        self.solver = solver
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train on ``X`` (N, F) and ``y`` (N,) or (N, O).

        :raises ValueError: for invalid parameters or data.
        :raises DataError: for a kernel that the solver cannot invert: singular to rounding, or beyond float64's range.
        :raises UnavailableError: for an activation without analytic kernels.
        """
        self._check_parameters()
        inputs, targets = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        targets = targets.astype(np.float64)
        self.X_fit_, self.y_fit_ = inputs, targets.reshape(len(inputs), -1)
        self.single_output_ = targets.ndim == 1
        problem = RegressionProblem(
            inputs, self.y_fit_, self._architecture(), self.kernel, float(self.ridge), float(self.time), float(self.tol)
        )
        self.solver_, self.fit_ = fit(problem, self.solver)
        self.rho_, self.rank_ = self.fit_.rho, self.fit_.rank
        self.error_, self.iterations_ = self.fit_.error, self.fit_.iterations
        self.spectrum_ = getattr(self.fit_, "spectrum", None)
        self._warn_unless_converged()
        return self

    def predict(self, X: ArrayLike, return_std: bool = False, return_cov: bool = False) -> Any:
        """Return the mean (M,) or (M, O) at ``X`` (M, F) and, on request, the ensemble's spread.

        Works in blocks of points: apart from the result, memory does not grow with M, except that ``return_cov`` needs
        a few matrices (N, M).

        :param return_std: also return the standard deviation over the ensemble, in the mean's shape.
        :param return_cov: also return the covariance between points, (M, M) or (M, M, O).
        :raises ValueError: if both are requested.
        :raises DataError: for a spread from ``solver = "iterative"``.
        """
        if return_std and return_cov:
            raise ValueError("ask for return_std or return_cov, not both")
        check_is_fitted(self, "fit_")
        inputs = validate_data(self, X, dtype=np.float64, reset=False)
        if return_std:
            spread = self._of_every_output(np.sqrt(self.fit_.variance(inputs)))
        elif return_cov:
            spread = self._of_every_output(self.fit_.covariance(inputs))
        found = self.fit_.mean(inputs)
        mean = found[:, 0] if self.single_output_ else found
        return (mean, spread) if return_std or return_cov else mean

    def _of_every_output(self, spread: Array) -> Array:
        return spread if self.single_output_ else np.repeat(spread[..., None], self.y_fit_.shape[1], axis=-1)

    def _warn_unless_converged(self) -> None:
        if self.error_ is not None and not (self.error_ <= self.tol).all():
            warnings.warn(
                f'solver "{self.solver_}" reached an error of {np.max(self.error_):.2g}, not the tol of '
                f"{self.tol:.2g}, after {self.iterations_} iterations (error_ has it for each output); a ridge, a "
                "shorter time or a larger tol would help",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _architecture(self) -> Architecture:
        try:
            return Architecture(
                depth=self.depth, activation=self.activation, weight_std=self.weight_std, bias_std=self.bias_std
            )
        except ValidationError as error:
            wrong = [f"{one['loc'][0]} is {one['input']!r}: {one['msg']}" for one in error.errors()]
            raise ValueError("; ".join(wrong)) from None

    def _check_parameters(self) -> None:
        if self.kernel not in ("ntk", "nngp"):
            raise ValueError(f'kernel is {self.kernel!r}; expected "ntk" or "nngp"')
        if not (isinstance(self.ridge, Real) and 0 <= self.ridge < inf):
            raise ValueError(f"ridge is {self.ridge!r}; expected a finite number that is not negative")
        if not (isinstance(self.time, Real) and self.time >= 0):
            raise ValueError(f"time is {self.time!r}; expected a number that is not negative, or inf")
        if not (isinstance(self.tol, Real) and 0 < self.tol < 1):
            raise ValueError(f"tol is {self.tol!r}; expected a number between 0 and 1")
        known = (*SOLVERS, "auto")
        if self.solver not in known:
            hint = suggestion(str(self.solver), known)
            raise ValueError(f"solver is {self.solver!r}; there are {', '.join(known)}{hint}")
        if self.solver == "cholesky" and self.time != inf:
            raise ValueError(
                f'solver "cholesky" is for time = inf, and time is {self.time}; use "iterative" or "eigen"'
            )
