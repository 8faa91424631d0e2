"""Gradient descent on the squared error, predicted from kernel matrices alone (numpy and scipy).

Per output and eigenvalue lambda of ``T = Theta(X, X)``, with the cost ``C + rho / (2N) |theta - theta_0|^2``:

    f_t(x) = f_0(x) + Theta(x, X) g_t(T) (y - f_0(X))        g_t(lambda) = (1 - decay_t) / (lambda + rho)
    decay  = exp(-t (lambda + rho) / N)                      gradient flow at time t
    decay  = (1 - learning_rate (lambda + rho) / N)^k        gradient descent after k steps, exactly
    decay  = the companion matrix's power                    heavy-ball and Nesterov momentum, exactly

(Jacot et al. 2018; Lee et al. 2019, eqs. 8-16.) One eigendecomposition serves every time, ridge, member and output.
Shapes: N training points, M test points, O outputs, T times, ``*B`` any leading axes, such as members.
"""

from ..theory.optimizers import stable_learning_rate
from .descent import kernel_descent
from .ensemble import (
    EnsembleVariance,
    Modes,
    ensemble_covariance,
    ensemble_covariance_cross,
    ensemble_covariance_train,
    ensemble_law,
)
from .likelihood import LogLikelihood, log_marginal_likelihood
from .mean import Dynamics, kernel_dynamics, mode_residuals
from .schedule import TimeSpec
from .spectral_quantities import (
    Definiteness,
    SmallestEigenvalue,
    effective_dimension,
    operator_norm,
    smallest_eigenvalue,
    target_projections,
)
from .spectrum import Spectrum, decompose, precision_of
from .tridiagonal import Tridiagonal, tridiagonalise

__all__ = [
    "Definiteness",
    "Dynamics",
    "EnsembleVariance",
    "LogLikelihood",
    "Modes",
    "SmallestEigenvalue",
    "Spectrum",
    "TimeSpec",
    "Tridiagonal",
    "decompose",
    "effective_dimension",
    "ensemble_covariance",
    "ensemble_covariance_cross",
    "ensemble_covariance_train",
    "ensemble_law",
    "kernel_descent",
    "kernel_dynamics",
    "log_marginal_likelihood",
    "mode_residuals",
    "operator_norm",
    "precision_of",
    "smallest_eigenvalue",
    "stable_learning_rate",
    "target_projections",
    "tridiagonalise",
]
