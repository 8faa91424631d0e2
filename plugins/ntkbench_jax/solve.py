"""Solve one reference: kernels, one eigendecomposition, and the law of the ensemble at the asked times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ntkbench.dynamics import Dynamics, Spectrum, decompose, ensemble_law, kernel_dynamics
from ntkbench.errors import DataError
from ntkbench.exchange import Measurement, Problem, Request, Solution, Training

from .kernels import analytic_kernels, kernel_diagonal

if TYPE_CHECKING:
    from .kernels import Float, Kernels
    from .parameters import Parameters


def solve(request: Request) -> Solution:
    """Return mean and variance of infinitely wide networks, trained on ``request.problem`` from f_0 ~ N(0, nngp).

    The kernel that drives training is Theta, or, for ``kernel = "nngp"``, K: the last layer alone is trained, which at
    t = inf is exact Bayesian inference (theory C8, C16; Lee et al. 2019, eqs. 14-16).

    :raises UnavailableError: for an architecture or device that JAX has no kernel or place for here.
    :raises DataError: for a kernel beyond the range of ``request.dtype``, or without a stable rate.
    """
    parameters: Parameters = request.parameters
    kernels = _Matrices.of(request)
    train, test = (getattr(pair, parameters.kernel) for pair in (kernels.train, kernels.test))
    spectrum = decompose(train)
    request.progress(2, 3)
    rho = parameters.ridge * float(np.mean(np.diag(train), dtype=np.float64))
    training = request.training.resolved(float(spectrum.eigenvalues[0]) + rho, len(train))
    schedule = _schedule(parameters, training)
    mean = kernel_dynamics(train, test, request.problem.y_train, spectrum=spectrum, rho=rho, **schedule)
    law = ensemble_law(
        spectrum, test, kernels.train.nngp, kernels.test.nngp, kernels.test_diagonal.nngp, rho=rho, **schedule
    )
    request.progress(3, 3)
    return Solution(
        times=schedule.get("times", training.times),
        steps=schedule.get("steps"),
        learning_rate=training.learning_rate,
        mean_train=mean.train,
        mean_test=mean.test,
        variance_train=_of_every_output(law.train, request.problem),
        variance_test=_of_every_output(law.test, request.problem),
        kernel_train=train,
        kernel_test=test,
        eigenvalues=spectrum.eigenvalues,
        eigenvectors=spectrum.eigenvectors,
        rho=rho,
        measurements=_measurements(spectrum, mean),
    )


class _Matrices(NamedTuple):
    """Both kernels between training points, of test with training points, and of each test point with itself."""

    train: Kernels
    test: Kernels
    test_diagonal: Kernels

    @classmethod
    def of(cls, request: Request) -> _Matrices:
        where: dict[str, Any] = {"architecture": request.architecture, "dtype": request.dtype, "device": request.device}
        x_train, x_test = request.problem.x_train, request.problem.x_test
        train = analytic_kernels(x_train, **where)
        request.progress(1, 3)
        matrices = cls(train, analytic_kernels(x_test, x_train, **where), kernel_diagonal(x_test, **where))
        if not all(np.isfinite(part).all() for kernels in matrices for part in kernels):
            raise DataError(f"the kernel of {request.architecture!r} is beyond the range of {request.dtype}")
        return matrices


def _schedule(parameters: Parameters, training: Training) -> dict[str, Any]:
    """Return the keywords of :func:`kernel_dynamics` that say when to look."""
    if parameters.dynamics == "descent":
        return {"steps": training.steps, "learning_rate": training.learning_rate}
    return {"times": training.times if parameters.times is None else np.array(parameters.times, dtype=np.float64)}


def _of_every_output(variance: Float, problem: Problem) -> Float:
    return np.repeat(variance[..., None], problem.y_train.shape[1], axis=-1)


def _measurements(spectrum: Spectrum, dynamics: Dynamics) -> tuple[Measurement, ...]:
    values = {"largest_eigenvalue": spectrum.eigenvalues[0], "smallest_eigenvalue": spectrum.eigenvalues[-1]}
    if dynamics.rank is not None and dynamics.cutoff is not None:
        values |= {"pseudo_inverse_rank": dynamics.rank, "pseudo_inverse_cutoff": dynamics.cutoff}
    return tuple(Measurement(metric=name, value=float(value), unit="1") for name, value in values.items())
