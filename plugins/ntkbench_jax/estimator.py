"""Infinitely wide networks as a scikit-learn estimator."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ntkbench.architecture import Architecture
from ntkbench.dynamics import decompose, ensemble_covariance, ensemble_law, kernel_dynamics
from ntkbench.errors import UnavailableError

try:
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise UnavailableError(
        'NTKRegressor needs scikit-learn, which is missing or too old: pip install "scikit-learn>=1.6"'
    ) from error

from .kernels import Kernels, analytic_kernels, kernel_diagonal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


class NTKRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """The mean and the law of infinitely wide networks trained on the squared error, from f_0 ~ N(0, nngp).

    Inputs and targets are taken as they are, neither centred nor scaled.

    :param depth: hidden layers; 0 is a linear model.
    :param activation: ``relu`` or ``erf``.
    :param weight_std: sigma_w; ``bias_std``: sigma_b.
    :param kernel: ``ntk``, all layers trained, or ``nngp``, the last one alone: at ``time = inf`` and ``ridge = 0``
        exact Bayesian inference, mean and covariance (theory C16).
    :param ridge: relative to the kernel's mean diagonal: the cost gains ``rho / (2N) |theta - theta_0|^2``.
    :param time: of gradient flow on the mean over points of half the squared error; inf is kernel regression, by the
        pseudo-inverse where the kernel is singular.

    After :meth:`fit`: ``X_fit_`` (N, F), ``y_fit_`` (N, O), ``spectrum_`` of the kernel that drives training, ``rho_``,
    and ``rank_``, its rank as the pseudo-inverse saw it (None at finite time).
    """

    def __init__(
        self,
        depth: int = 3,
        activation: str = "relu",
        weight_std: float = 2**0.5,
        bias_std: float = 0.1,
        kernel: str = "ntk",
        ridge: float = 0.0,
        time: float = inf,
    ) -> None:
        self.depth = depth
        self.activation = activation
        self.weight_std = weight_std
        self.bias_std = bias_std
        self.kernel = kernel
        self.ridge = ridge
        self.time = time

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Decompose the kernel of ``X`` (N, F); ``y`` (N,) or (N, O).

        :raises ValueError: for parameters or data that make no sense.
        """
        self._check_parameters()
        inputs, targets = self._check_training_data(X, y)
        kernels = analytic_kernels(inputs, architecture=self._architecture())
        driving = getattr(kernels, self.kernel)
        self.X_fit_, self.y_fit_ = inputs, targets.reshape(len(inputs), -1)
        self.single_output_ = targets.ndim == 1
        self.kernels_, self.spectrum_ = kernels, decompose(driving)
        self.rho_ = float(self.ridge * np.mean(np.diag(driving)))
        self.rank_ = kernel_dynamics(driving, driving[:1], self.y_fit_, **self._options(), spectrum=self.spectrum_).rank
        return self

    def predict(self, X: ArrayLike, return_std: bool = False, return_cov: bool = False) -> Any:
        """Return the mean (M,) or (M, O) at ``X`` (M, F); with it, on request, the ensemble's spread.

        :param return_std: also the standard deviation over the ensemble, of the mean's shape.
        :param return_cov: also the covariance between points, (M, M) or (M, M, O).
        :raises ValueError: for both at once.
        """
        if return_std and return_cov:
            raise ValueError("ask for return_std or return_cov, not both")
        check_is_fitted(self, "spectrum_")
        inputs = self._check_inputs(X)
        architecture = self._architecture()
        between = analytic_kernels(inputs, self.X_fit_, architecture=architecture)
        driving, driven = getattr(self.kernels_, self.kernel), getattr(between, self.kernel)
        dynamics = kernel_dynamics(driving, driven, self.y_fit_, **self._options(), spectrum=self.spectrum_)
        mean = dynamics.test[0, :, 0] if self.single_output_ else dynamics.test[0]
        if return_std:
            return mean, self._of_every_output(np.sqrt(self._variance(inputs, between, driven)))
        if return_cov:
            return mean, self._of_every_output(self._covariance(inputs, between, driven))
        return mean

    def _variance(self, inputs: Array, between: Kernels, driven: Array) -> Array:
        start = kernel_diagonal(inputs, architecture=self._architecture()).nngp
        return ensemble_law(
            self.spectrum_, driven, self.kernels_.nngp, between.nngp, start, **self._options()
        ).test[0]  # fmt: skip

    def _covariance(self, inputs: Array, between: Kernels, driven: Array) -> Array:
        start = analytic_kernels(inputs, architecture=self._architecture()).nngp
        return ensemble_covariance(
            self.spectrum_, driven, self.kernels_.nngp, between.nngp, start, **self._options()
        )[0]  # fmt: skip

    def _of_every_output(self, spread: Array) -> Array:
        return spread if self.single_output_ else np.repeat(spread[..., None], self.y_fit_.shape[1], axis=-1)

    def _options(self) -> dict[str, Any]:
        return {"times": [self.time], "rho": self.rho_}

    def _architecture(self) -> Architecture:
        return Architecture(
            depth=self.depth, activation=self.activation, weight_std=self.weight_std, bias_std=self.bias_std
        )

    def _check_parameters(self) -> None:
        if self.kernel not in ("ntk", "nngp"):
            raise ValueError(f'kernel is {self.kernel!r}; it is "ntk" or "nngp"')
        if not 0 <= self.ridge < inf:
            raise ValueError(f"ridge is {self.ridge}; it is finite and not negative")
        if not self.time >= 0:
            raise ValueError(f"time is {self.time}; it is not negative, and may be inf")

    def _check_training_data(self, X: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
        inputs, targets = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        return inputs, targets.astype(np.float64)

    def _check_inputs(self, X: ArrayLike) -> Array:
        return validate_data(self, X, dtype=np.float64, reset=False)
