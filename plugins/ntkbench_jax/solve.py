"""Solve one reference: kernels, one eigendecomposition, and the law of the ensemble at the requested times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkbench.dynamics import (
    Dynamics,
    Spectrum,
    decompose,
    effective_dimension,
    kernel_descent,
    kernel_dynamics,
    log_marginal_likelihood,
    mode_residuals,
    operator_norm,
    smallest_eigenvalue,
)
from ntkbench.plugin import DataError, Measurement, Solution, UnavailableError

from .kernels.analytic import analytic_kernel
from .matrices import KernelMatrices
from .variance import law_of

if TYPE_CHECKING:
    from ntkbench.dynamics import TimeSpec
    from ntkbench.plugin import Float, Problem, Request, Training

    from .parameters import Parameters

_ENTRY_ERROR = {"float32": 4e-6, "float64": 1e-13}  # error of the kernels, relative to sqrt(k(x,x) k(x',x'))


def solve(request: Request) -> Solution:
    """Return mean and variance of infinitely wide networks, trained on ``request.problem`` from f_0 ~ N(0, nngp).

    The kernel that drives training is Theta, or, for ``kernel = "nngp"``, K: only the last layer is trained, which at
    t = inf is exact Bayesian inference (C8, C16; Lee et al. 2019, eqs. 14-16). A deliberately wrong theory multiplies
    weight_std and the learning rate; the reported times and rate remain the study's.

    :raises UnavailableError: for an architecture without analytic kernels, or a missing device.
    :raises DataError: for a kernel beyond the range of ``request.dtype`` or without a stable rate, or a ``slice_at``
        beyond the test points.
    """
    parameters: Parameters = request.parameters
    architecture = request.architecture
    if parameters.weight_std_multiplier != 1:
        weight_std = parameters.weight_std_multiplier * architecture.weight_std
        request = replace(request, architecture=architecture.model_copy(update={"weight_std": weight_std}))
    rows = () if parameters.slice_at is None else _slice(request, parameters.slice_at)
    solution = _solved(request)
    return replace(
        solution,
        time_scale=parameters.learning_rate_multiplier,
        measurements=(*solution.measurements, *rows),
    )


def _solved(request: Request) -> Solution:
    parameters: Parameters = request.parameters
    kernels = KernelMatrices.of(request)
    train, test = (getattr(pair, parameters.kernel) for pair in (kernels.train, kernels.test))
    spectrum = decompose(train)
    request.progress(2, 3)
    rho = parameters.ridge * float(np.mean(np.diag(train), dtype=np.float64))
    training = request.training.resolved(float(spectrum.eigenvalues[0]) + rho, len(train))
    when, y = _when(parameters, training), request.problem.y_train
    if request.problem.loss != "squared-error" or training.batch_size is not None or training.non_gradient:
        return _step_by_step(request, training, train, test, spectrum, rho)
    mean = kernel_dynamics(train, test, y, spectrum=spectrum, rho=rho, **when)
    law = law_of(parameters, spectrum, kernels, rho, len(mean.test), when)
    facts = _facts(train, spectrum, rho, _ENTRY_ERROR[request.dtype]) | _at_infinity(mean)
    if parameters.kernel == "nngp" and spectrum.rank(rho) == len(train):
        facts["log_marginal_likelihood"] = log_marginal_likelihood(spectrum, y, rho).value
    request.progress(3, 3)
    return Solution(
        times=_flow_times(parameters, training) if "times" in when else training.times,
        steps=training.steps if "steps" in when else None,
        training=training,
        mean_train=mean.train,
        mean_test=mean.test,
        variance_train=_of_every_output(law.train, request.problem),
        variance_test=_of_every_output(law.test, request.problem),
        covariance_test=law.covariance,
        kernel_train=train,
        kernel_test=test,
        eigenvalues=spectrum.eigenvalues,
        eigenvectors=spectrum.eigenvectors,
        mode_residuals=mode_residuals(spectrum, y, rho=rho, **when),
        rho=rho,
        measurements=_measured(facts),
    )


def _step_by_step(
    request: Request, training: Training, train: Float, test: Float, spectrum: Spectrum, rho: float
) -> Solution:
    """Return descent from f_0 = 0 on any cost or in mini-batches, for which the law has no closed form."""
    if request.parameters.dynamics == "flow":
        raise UnavailableError('dynamics = "flow" is for the squared error and whole batches; use "descent"')
    found = kernel_descent(
        train,
        test,
        request.problem.y_train,
        learning_rate=_rate(request.parameters, training),
        steps=training.steps,
        loss=request.problem.loss,
        optimizer=training.optimizer,
        momentum=training.momentum,
        rho=rho,
        batch_size=training.batch_size,
        batch_seed=training.batch_seed,
        non_gradient=training.non_gradient,
    )
    request.progress(3, 3)
    return Solution(
        times=training.times,
        steps=training.steps,
        training=training,
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


def _slice(request: Request, point: int) -> tuple[Measurement, ...]:
    """Return the limit kernel Theta (M,) between test point ``point`` and every test point, as rows (C2, C4)."""
    x = request.problem.x_test
    if point >= len(x):
        raise DataError(f"slice_at is {point}, but there are {len(x)} test points, counted from 0")
    where: dict[str, Any] = {"architecture": request.architecture, "dtype": request.dtype, "device": request.device}
    return tuple(
        Measurement(metric="ntk_slice", value=float(value), unit="1", split="test", component=j)
        for j, value in enumerate(analytic_kernel(x[point : point + 1], x, **where)[0])
    )


def _when(parameters: Parameters, training: Training) -> TimeSpec:
    """Return the steps or times, as keywords of :func:`kernel_dynamics`."""
    if parameters.dynamics == "flow":
        return {"times": parameters.learning_rate_multiplier * _flow_times(parameters, training)}
    return {
        "steps": training.steps,
        "learning_rate": _rate(parameters, training),
        "optimizer": training.optimizer,
        "momentum": training.momentum,
    }


def _flow_times(parameters: Parameters, training: Training) -> Float:
    return training.flow_times if parameters.times is None else np.array(parameters.times, dtype=np.float64)


def _rate(parameters: Parameters, training: Training) -> float:
    """Return the theory's learning rate: the training's times the multiplier of a wrong theory."""
    return parameters.learning_rate_multiplier * training.rate


def _of_every_output(variance: Float, problem: Problem) -> Float:
    return np.repeat(variance[..., None], problem.y_train.shape[1], axis=-1)


def _facts(kernel: Float, spectrum: Spectrum, rho: float, entry_error: float) -> dict[str, float]:
    """Return facts of the driving kernel's spectrum; ``smallest_eigenvalue_error`` includes the entries' errors."""
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
