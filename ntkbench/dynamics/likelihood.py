"""The log marginal likelihood of a Gaussian process, from one decomposition."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import DataError
from .checks import Array, ridge, targets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .spectrum import Spectrum
    from .tridiagonal import Tridiagonal


class LogLikelihood(NamedTuple):
    """``value``, the sum of ``per_output`` (O,) = ``-(data_fit + log_determinant + N log 2 pi) / 2``, in nats.

    ``data_fit`` (O,) is ``y^T (K + rho I)^-1 y``; ``log_determinant`` is ``log det(K + rho I)``.
    """

    value: float
    per_output: Array
    data_fit: Array
    log_determinant: float


def log_marginal_likelihood(spectrum: Spectrum | Tridiagonal, y_train: ArrayLike, rho: float = 0.0) -> LogLikelihood:
    """Return log p(y) for outputs drawn independently from N(0, K + rho I).

    The evidence of the NNGP if ``rho`` is the variance of the noise (Lee et al. 2018; Rasmussen and Williams 2006, eq.
    2.30). One spectrum serves every ``rho`` and all outputs.

    :param spectrum: of K (N, N), or its tridiagonal form.
    :param y_train: (N, O).
    :raises DataError: if ``K + rho I`` is singular to rounding: it has no density, and the limit of small noise
        is +inf if ``y`` lies in the kernel's range and -inf otherwise, which rounding makes undecidable.
    """
    rho, y = ridge(rho), targets(y_train, len(spectrum.eigenvalues))
    if (rank := spectrum.rank(rho)) < len(y):
        raise DataError(
            f"dynamics: K + rho I has rank {rank} of {len(y)} (cutoff {spectrum.cutoff:.3g}): a singular Gaussian has "
            f"no density; add noise, a rho above {spectrum.cutoff:.3g}"
        )
    data_fit, log_determinant = spectrum.quadratic(y, rho), spectrum.log_determinant(rho)
    per_output = -0.5 * (data_fit + log_determinant + len(y) * np.log(2 * np.pi))
    return LogLikelihood(float(per_output.sum()), per_output, data_fit, log_determinant)
