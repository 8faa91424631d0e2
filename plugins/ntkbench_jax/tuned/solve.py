"""The backend's entry point: choose, fit to all training rows, and say how likely the test targets are."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from ntkbench.exchange import Measurement, Solution

from ..regression import choose as solvers
from ..regression.iterative import IterativeFit
from ..regression.problem import Problem as Regression
from .select import choose, shortened

if TYPE_CHECKING:
    from ntkbench.exchange import Float, Problem, Request

    from ..regression.problem import Fit, Kernel
    from .parameters import Parameters
    from .select import Choice

_TOLERANCE = 1e-8
_NOISE = (-18.0, 3.0)  # natural logarithms of its variance, in units of the scaled targets


def solve(request: Request) -> Solution:
    """Return kernel regression at t = inf, its ridge and architecture chosen on the training rows alone.

    The spread is the law of an ensemble of infinitely wide networks (Lee et al. 2019, eqs. 14-16) with the chosen
    ridge. To it comes noise, of one variance, the likeliest on the rows for validation: ``negative_log_likelihood`` is
    the mean over test points of -log N(y; mean, law + noise), in nats, in the data's own units. The iterative solver
    knows the mean alone, and neither the variance nor the likelihood is reported. ``solver_error`` says how well the
    linear system was solved, in units of the targets; an eigendecomposition has none.

    :raises DataError: without rows for validation, or for a kernel that cannot be inverted.
    """
    problem, parameters = request.problem, request.parameters
    chosen = choose(problem, request.architecture, parameters)
    request.progress(1, 3)
    noise = _noise(problem, chosen, parameters)
    request.progress(2, 3)
    found = _fit(problem.x_train, problem.y_train, chosen, parameters.kernel, parameters.solver)
    mean, variance = found.mean(problem.x_test), _variance(found, problem.x_test, problem.y_test.shape[1])
    mean_train = found.mean_train()
    request.progress(3, 3)
    likelihood: tuple[Measurement, ...] = ()
    if variance is not None:
        scale = np.ones(1) if problem.target_std is None else np.asarray(problem.target_std)
        likelihood = (_nats(float(np.mean(_surprise(problem.y_test - mean, variance + noise) + np.log(scale)))),)
    return Solution(
        times=np.array([inf]),
        mean_train=mean_train[None],
        mean_test=mean[None],
        variance_test=None if variance is None else variance[None],
        rho=found.rho,
        measurements=(*_facts(chosen, noise), *_reached(found), *likelihood),
    )


def _facts(chosen: Choice, noise: float) -> tuple[Measurement, ...]:
    facts = {
        "chosen_depth": (chosen.architecture.depth, "layer"),
        "chosen_weight_std": (chosen.architecture.weight_std, "1"),
        "chosen_bias_std": (chosen.architecture.bias_std, "1"),
        "chosen_ridge": (chosen.ridge, "1"),
        "noise_std": (np.sqrt(noise), "target"),
    }
    return tuple(Measurement(metric=name, value=float(value), unit=unit) for name, (value, unit) in facts.items())


def _reached(found: Fit) -> tuple[Measurement, ...]:
    """Return how well the linear system is solved: |y - (Theta + rho) c| / |y|, of the worst output, where known."""
    if found.error is None:
        return ()
    return (Measurement(metric="solver_error", value=float(np.max(found.error)), unit="1", goal="min"),)


def _nats(value: float) -> Measurement:
    return Measurement(metric="negative_log_likelihood", value=value, unit="nat", goal="min", split="test", time=inf)


def _fit(x: Float, y: Float, chosen: Choice, kernel: Kernel, solver: str = "auto") -> Fit:
    return solvers.fit(Regression(x, y, chosen.architecture, kernel, chosen.ridge, inf, _TOLERANCE), solver)[1]


def _variance(found: Fit, x: Float, outputs: int) -> Float | None:
    """Return the ensemble's variance (M, O), the same of every output; None where the solver knows the mean alone."""
    if isinstance(found, IterativeFit):
        return None
    return np.repeat(np.maximum(found.variance(x), 0.0)[:, None], outputs, axis=1)


def _noise(problem: Problem, chosen: Choice, parameters: Parameters) -> float:
    """Return the variance of the noise under which the rows for validation are likeliest, in scaled units."""
    residuals, variances = [], []
    for part in problem.tuning:
        found = _fit(*shortened(part, parameters), chosen, parameters.kernel)
        residuals.append(part.y_test - found.mean(part.x_test))
        variance = _variance(found, part.x_test, part.y_test.shape[1])
        variances.append(np.zeros_like(part.y_test) if variance is None else variance)
    residual, variance = np.concatenate(residuals), np.concatenate(variances)

    def surprise(logarithm: float) -> float:
        return float(np.mean(_surprise(residual, variance + np.exp(logarithm))))

    return float(np.exp(minimize_scalar(surprise, bounds=_NOISE, method="bounded").x))


def _surprise(residual: Float, variance: Float) -> Float:
    return (np.log(2 * np.pi * variance) + residual**2 / variance) / 2
