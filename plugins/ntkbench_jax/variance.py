"""Variances: of an ensemble of trained networks, or of the kernel's own posterior (C8, C16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ntkbench.dynamics import Modes, ensemble_covariance, ensemble_law

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ntkbench.dynamics import Spectrum, TimeSpec

    from .matrices import KernelMatrices
    from .parameters import Parameters

    Array = NDArray[np.float64]


class Law(NamedTuple):
    """Variances ``train`` (T, N) and ``test`` (T, M), and ``covariance`` (T, M, M) between test points, or None."""

    train: Array
    test: Array
    covariance: Array | None


def law_of(
    parameters: Parameters, spectrum: Spectrum, kernels: KernelMatrices, rho: float, records: int, when: TimeSpec
) -> Law:
    """Return the requested law, that of each single output, at ``records`` times.

    :param spectrum: of the kernel that drives training; ``rho``: the absolute ridge.
    """
    if parameters.law == "posterior":
        found = posterior(parameters, spectrum, kernels, rho)
        train, test = (np.repeat(part[None], records, axis=0) for part in (found.train, found.test))
        constant = None if found.covariance is None else np.repeat(found.covariance[None], records, axis=0)
        return Law(train, test, constant)
    start = Modes.of_driving(spectrum) if parameters.kernel == "nngp" else Modes.of(spectrum, kernels.train.nngp)
    between = getattr(kernels.test, parameters.kernel)
    law = ensemble_law(spectrum, between, start, kernels.test.nngp, kernels.test_diagonal.nngp, rho=rho, **when)
    covariance = None
    if kernels.test_test is not None:
        test_test = kernels.test_test.nngp
        covariance = ensemble_covariance(spectrum, between, start, kernels.test.nngp, test_test, rho=rho, **when)
    return Law(law.train, law.test, covariance)


def posterior(parameters: Parameters, spectrum: Spectrum, kernels: KernelMatrices, rho: float) -> Law:
    """Return the posterior of a Gaussian process with the driving kernel as its prior, without the axis T.

    ``Theta(x, x') - Theta(x, X) (T + rho I)^-1 Theta(X, x')``, with the pseudo-inverse if that is singular. It is often
    taken for the law of networks with all layers trained, but is not, at any time (docs/theory.md).
    """
    eigenvalues = spectrum.cleaned
    inverted = eigenvalues + rho > spectrum.cutoff
    inverse = np.divide(1.0, eigenvalues + rho, out=np.zeros_like(eigenvalues), where=inverted)
    along = np.asarray(getattr(kernels.test, parameters.kernel), dtype=np.float64) @ spectrum.eigenvectors
    left = np.where(inverted, eigenvalues * rho * inverse, eigenvalues)  # lambda - lambda^2 / (lambda + rho)
    train = np.square(spectrum.eigenvectors) @ left
    test = getattr(kernels.test_diagonal, parameters.kernel) - np.square(along) @ inverse
    covariance = None
    if kernels.test_test is not None:
        covariance = getattr(kernels.test_test, parameters.kernel) - (along * inverse) @ along.T
        covariance = 0.5 * (covariance + covariance.T)
    return Law(np.maximum(train, 0.0), np.maximum(test, 0.0), covariance)
