"""Solve one reference: kernels, one eigendecomposition, and the law of the ensemble at the asked times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ntkbench.dynamics import (
    Dynamics,
    Modes,
    Spectrum,
    decompose,
    effective_dimension,
    ensemble_covariance,
    ensemble_law,
    kernel_descent,
    kernel_dynamics,
    log_marginal_likelihood,
    mode_residuals,
    operator_norm,
    smallest_eigenvalue,
)
from ntkbench.errors import DataError, UnavailableError
from ntkbench.exchange import Measurement, Problem, Request, Solution, Training

from .kernels import analytic_kernels, kernel_diagonal

if TYPE_CHECKING:
    from ntkbench.architecture import Architecture
    from ntkbench.dynamics import When

    from .kernels import Float, Kernels
    from .parameters import Parameters

_ENTRY_ERROR = {"float32": 4e-6, "float64": 1e-13}  # of the kernels, relative to sqrt(k(x,x) k(x',x'))


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
    resolved = request.training.resolved(float(spectrum.eigenvalues[0]) + rho, len(train))
    training = _at_other_rate(resolved, parameters.rate_factor)
    when, y = _when(parameters, training), request.problem.y_train
    if request.problem.loss != "squared-error" or training.batch_size is not None or training.swirl:
        return replace(
            _step_by_step(request, training, train, test, spectrum, rho),
            learning_rate=resolved.learning_rate,
            times=resolved.times,
            rate_factor=parameters.rate_factor,
        )
    mean = kernel_dynamics(train, test, y, spectrum=spectrum, rho=rho, **when)
    start = Modes.of_driving(spectrum) if parameters.kernel == "nngp" else Modes.of(spectrum, kernels.train.nngp)
    law = _variances(request, kernels, spectrum, start, rho, when)
    facts = _facts(train, spectrum, rho, _ENTRY_ERROR[request.dtype]) | _at_infinity(mean)
    if parameters.kernel == "nngp" and spectrum.rank(rho) == len(train):
        facts["log_marginal_likelihood"] = log_marginal_likelihood(spectrum, y, rho).value
    request.progress(3, 3)
    return Solution(
        times=when.get("times", resolved.times),
        steps=training.steps if "steps" in when else None,
        learning_rate=resolved.learning_rate,
        mean_train=mean.train,
        mean_test=mean.test,
        variance_train=_of_every_output(law.train, request.problem),
        variance_test=_of_every_output(law.test, request.problem),
        covariance_test=law.covariance_test,
        rate_factor=parameters.rate_factor,
        kernel_train=train,
        kernel_test=test,
        eigenvalues=spectrum.eigenvalues,
        eigenvectors=spectrum.eigenvectors,
        mode_residuals=mode_residuals(spectrum, y, rho=rho, **when),
        rho=rho,
        measurements=(*_measured(facts), *_slice(request)),
    )


def _at_other_rate(training: Training, factor: float) -> Training:
    """Return the training at a rate that is wrong by a factor."""
    if factor == 1.0 or training.learning_rate is None:
        return training
    return replace(training, learning_rate=factor * training.learning_rate)


class _Variances(NamedTuple):
    """Variances (T, N) and (T, M), and the covariance (T, M, M) between test points or None."""

    train: Float
    test: Float
    covariance_test: Float | None


def _variances(
    request: Request, kernels: _Matrices, spectrum: Spectrum, start: Modes, rho: float, when: When
) -> _Variances:
    """Return the law's variances at the times asked for, of the ensemble or, as a control, of the posterior."""
    parameters: Parameters = request.parameters
    driving = kernels.test.nngp if parameters.kernel == "nngp" else kernels.test.ntk
    if parameters.law == "posterior":
        return _posterior(request, kernels, spectrum, rho)
    law = ensemble_law(spectrum, driving, start, kernels.test.nngp, kernels.test_diagonal.nngp, rho=rho, **when)
    if not parameters.covariance:
        return _Variances(law.train, law.test, None)
    between = _between_test_points(request).nngp
    covariance = ensemble_covariance(spectrum, driving, start, kernels.test.nngp, between, rho=rho, **when)
    return _Variances(law.train, law.test, covariance)


def _posterior(request: Request, kernels: _Matrices, spectrum: Spectrum, rho: float) -> _Variances:
    """Return ``Theta(x, x') - Theta(x, X) (T + rho)^+ Theta(X, x')``, at every time: the law of no network (C8)."""
    name = request.parameters.kernel
    driving = {part: getattr(getattr(kernels, part), name) for part in ("test", "test_diagonal")}
    kept = np.arange(len(spectrum.eigenvalues)) < spectrum.rank(rho)
    inverse = np.where(kept, 1 / np.where(kept, spectrum.eigenvalues + rho, 1.0), 0.0)
    modes = driving["test"] @ spectrum.eigenvectors
    records = len(request.training.steps)
    variance = driving["test_diagonal"] - np.square(modes) @ inverse
    at_train = spectrum.eigenvalues * (1 - spectrum.eigenvalues * inverse)
    train = np.square(spectrum.eigenvectors) @ at_train
    covariance = None
    if request.parameters.covariance:
        matrix = getattr(_between_test_points(request), name) - (modes * inverse) @ modes.T
        covariance = np.repeat(matrix[None], records, axis=0)
    parts = (np.repeat(np.maximum(part, 0.0)[None], records, axis=0) for part in (train, variance))
    return _Variances(*parts, covariance)


def _between_test_points(request: Request) -> Kernels:
    return analytic_kernels(request.problem.x_test, architecture=_architecture(request), dtype=request.dtype)


def _slice(request: Request) -> tuple[Measurement, ...]:
    """Return the driving kernel between one test point and all of them, as rows by point."""
    chosen = request.parameters.slice_at
    if chosen is None:
        return ()
    if chosen >= len(request.problem.x_test):
        raise DataError(f"slice_at is {chosen}: there are {len(request.problem.x_test)} test points, counted from 0")
    row = getattr(_between_test_points(request), request.parameters.kernel)[chosen]
    return tuple(
        Measurement(metric="ntk_slice", value=float(value), unit="1", split="test", component=j)
        for j, value in enumerate(np.asarray(row))
    )


def _architecture(request: Request) -> Architecture:
    """Return the architecture whose kernels are computed: the networks' own, unless a control says otherwise."""
    factor = request.parameters.weight_std_factor
    own = request.architecture
    return own if factor == 1.0 else own.model_copy(update={"weight_std": factor * own.weight_std})


def _step_by_step(
    request: Request, training: Training, train: Float, test: Float, spectrum: Spectrum, rho: float
) -> Solution:
    """Return descent from f_0 = 0 on any cost, or in mini-batches: no law of the ensemble is known in closed form."""
    if request.parameters.dynamics == "flow":
        raise UnavailableError('dynamics = "flow" is for the squared error and whole batches; use "descent"')
    if training.learning_rate is None:
        raise DataError("the learning rate is unresolved")
    found = kernel_descent(
        train,
        test,
        request.problem.y_train,
        learning_rate=training.learning_rate,
        steps=training.steps,
        loss=request.problem.loss,
        optimizer=training.optimizer,
        momentum=training.momentum,
        rho=rho,
        batch_size=training.batch_size,
        batch_seed=request.seed,
        swirl=training.swirl,
    )
    request.progress(3, 3)
    return Solution(
        times=training.times,
        steps=training.steps,
        learning_rate=training.learning_rate,
        mean_train=found.train,
        mean_test=found.test,
        kernel_train=train,
        kernel_test=test,
        eigenvalues=spectrum.eigenvalues,
        eigenvectors=spectrum.eigenvectors,
        rho=rho,
        measurements=_measured(_facts(train, spectrum, rho, _ENTRY_ERROR[request.dtype])),
    )


def _measured(facts: dict[str, float]) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(metric=name, value=float(value), unit="nat" if name.startswith("log_") else "1")
        for name, value in facts.items()
    )


class _Matrices(NamedTuple):
    """Both kernels between training points, of test with training points, and of each test point with itself."""

    train: Kernels
    test: Kernels
    test_diagonal: Kernels

    @classmethod
    def of(cls, request: Request) -> _Matrices:
        where: dict[str, Any] = {
            "architecture": _architecture(request),
            "dtype": request.dtype,
            "device": request.device,
        }
        x_train, x_test = request.problem.x_train, request.problem.x_test
        train = analytic_kernels(x_train, **where)
        request.progress(1, 3)
        matrices = cls(train, analytic_kernels(x_test, x_train, **where), kernel_diagonal(x_test, **where))
        if not all(np.isfinite(part).all() for kernels in matrices for part in kernels):
            raise DataError(f"the kernel of {request.architecture!r} is beyond the range of {request.dtype}")
        return matrices


def _when(parameters: Parameters, training: Training) -> When:
    """Return the keywords of :func:`kernel_dynamics` that say when to look."""
    if parameters.dynamics == "flow":
        times = training.flow_times if parameters.times is None else np.array(parameters.times, dtype=np.float64)
        return {"times": times}
    return {
        "steps": training.steps,
        "learning_rate": training.learning_rate,
        "optimizer": training.optimizer,
        "momentum": training.momentum,
    }


def _of_every_output(variance: Float, problem: Problem) -> Float:
    return np.repeat(variance[..., None], problem.y_train.shape[1], axis=-1)


def _facts(kernel: Float, spectrum: Spectrum, rho: float, entry_error: float) -> dict[str, float]:
    """Return what the driving kernel's spectrum says; ``smallest_eigenvalue_error`` counts the entries' errors too."""
    smallest = smallest_eigenvalue(kernel, spectrum, entry_error)
    return {
        "largest_eigenvalue": spectrum.eigenvalues[0],
        "smallest_eigenvalue": smallest.value,
        "smallest_eigenvalue_error": smallest.error,
        "operator_norm": operator_norm(spectrum.eigenvalues),
        "effective_dimension": effective_dimension(spectrum, rho),
        "numerical_rank": spectrum.rank(),
        "numerical_rank_cutoff": spectrum.cutoff,
    }


def _at_infinity(dynamics: Dynamics) -> dict[str, float]:
    if dynamics.rank is None or dynamics.cutoff is None:
        return {}
    return {"pseudo_inverse_rank": dynamics.rank, "pseudo_inverse_cutoff": dynamics.cutoff}
