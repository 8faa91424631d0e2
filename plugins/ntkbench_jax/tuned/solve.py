"""The backend's entry point: choose, fit to all training rows, and compute the likelihood of the test targets."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize_scalar

from ntkbench.plugin import DataError, Measurement, Solution

from ..regression import choose as solvers
from ..regression.iterative import IterativeFit
from ..regression.problem import RegressionProblem
from .select import choose, chosen_values, grid_edges, in_units_of, shortened

if TYPE_CHECKING:
    from ntkbench.plugin import Float, Problem, Request

    from ..regression.problem import RegressionFit
    from .parameters import Parameters
    from .select import TunedKernel

_TOLERANCE = 1e-8
_WORTHLESS = 1e-3  # relative to the targets: a solution with a larger error is rejected
_GRID = 200  # grid points of the log of the noise's variance, before the best is refined
_LEAST = 1e-12  # variance of noise, over the mean squared residual, below which it counts as zero


def solve(request: Request) -> Solution:
    """Return kernel regression at t = inf, with ridge and architecture chosen only on the training rows.

    The spread is the law of an ensemble of infinitely wide networks (Lee et al. 2019, eqs. 14-16) with the chosen
    ridge, plus noise whose variance has the highest likelihood on the validation rows. ``negative_log_likelihood`` is
    the mean over test points and outputs of -log N(y; mean, law + noise), in nats, in the data's own units. The
    iterative solver computes the mean only, so it reports neither the variance nor the likelihood. ``solver_error``
    is the error of the linear system's solution, relative to the targets; an eigendecomposition has none.
    ``NAME_at_grid_edge`` is 1 if the choice is the smallest or the largest of its list.

    :raises DataError: without validation rows, or for a system that cannot be solved to 1e-3 of its targets.
    """
    problem, parameters = request.problem, request.parameters
    chosen = choose(problem, request.architecture, parameters)
    request.progress(1, 3)
    noise = _noise(problem, chosen, parameters)
    request.progress(2, 3)
    found = _fit(problem.x_train, problem.y_train, chosen, parameters)
    mean, variance = found.mean(problem.x_test), _variance(found, problem.x_test, problem.y_test.shape[1])
    mean_train = found.mean_train()
    request.progress(3, 3)
    facts = [*_choices(chosen, parameters), *_reached(found)]
    if noise is not None:
        facts.append(Measurement(metric="noise_std", value=float(np.sqrt(noise)), unit="target"))
    if noise is not None and variance is not None:
        facts += _likelihood(problem, mean, variance + noise)
    return Solution(
        times=np.array([inf]),
        mean_train=mean_train[None],
        mean_test=mean[None],
        variance_test=None if variance is None else variance[None],
        rho=found.rho,
        measurements=tuple(facts),
    )


def _choices(chosen: TunedKernel, parameters: Parameters) -> list[Measurement]:
    values = chosen_values(chosen).items()
    rows = [(f"chosen_{name}", value, "layer" if name == "depth" else "1") for name, value in values]
    rows += [(f"{name}_at_grid_edge", end, "1") for name, end in grid_edges(chosen, parameters).items()]
    return [Measurement(metric=name, value=float(value), unit=unit) for name, value, unit in rows]


def _reached(found: RegressionFit) -> list[Measurement]:
    """Return the relative residual of the linear system, |y - (Theta + rho) c| / |y|, of the worst output, if known."""
    if found.error is None:
        return []
    return [Measurement(metric="solver_error", value=float(np.max(found.error)), unit="1", goal="min")]


def _likelihood(problem: Problem, mean: Float, variance: Float) -> list[Measurement]:
    """Return the negative log-likelihood of the test targets; none if a variance is zero, which has no density."""
    if not (variance > 0).all():
        return []
    value = float(np.mean(_surprise(problem.y_test - mean, variance) + np.log(np.asarray(problem.target_std))))
    return [
        Measurement(
            metric="negative_log_likelihood", value=value, unit="nat", goal="min", split="test", time=inf
        )
    ]  # fmt: skip


def _fit(x: Float, y: Float, chosen: TunedKernel, parameters: Parameters) -> RegressionFit:
    """Fit the chosen kernel to the training rows.

    :raises DataError: if the solver does not reach three digits of the targets.
    """
    problem = RegressionProblem(x, y, chosen.architecture, parameters.kernel, chosen.ridge, inf, _TOLERANCE)
    name, found = solvers.fit(problem, parameters.solver)
    if found.error is not None and not (found.error <= _WORTHLESS).all():
        raise DataError(
            f"backend jax-tuned: solver {name} with ridge {chosen.ridge:g} left an error of "
            f"{np.max(found.error):.2g} of the targets; give larger ridges, or solver eigen where memory allows"
        )
    return found


def _variance(found: RegressionFit, x: Float, outputs: int) -> Float | None:
    """Return the ensemble's variance (M, O), the same for every output; None if the solver computes the mean only."""
    if isinstance(found, IterativeFit):
        return None
    return np.repeat(np.maximum(found.variance(x), 0.0)[:, None], outputs, axis=1)


def _noise(problem: Problem, chosen: TunedKernel, parameters: Parameters) -> float | None:
    """Return the variance of the noise with the highest likelihood on the validation rows, in scaled units.

    None if the solver does not compute the law's variance.
    """
    residuals, variances = [], []
    for part in problem.tuning:
        found = _fit(*shortened(part, parameters), chosen, parameters)
        variance, unit = _variance(found, part.x_test, part.y_test.shape[1]), in_units_of(problem, part)
        if variance is None:
            return None
        residuals.append(unit * (part.y_test - found.mean(part.x_test)))
        variances.append(unit**2 * variance)
    return likeliest_noise(np.concatenate(residuals), np.concatenate(variances))


def likeliest_noise(residual: Float, variance: Float) -> float:
    """Return the s^2 that maximises the likelihood of residuals (M, O) under N(0, ``variance`` + s^2).

    It is at most the largest squared residual; 0 if the maximum is below 1e-12 of the mean squared residual.
    """
    squares = np.square(residual)
    if not squares.any():
        return 0.0

    def surprise(logarithm: float) -> float:
        return float(np.mean(_surprise(residual, variance + np.exp(logarithm))))

    grid = np.linspace(np.log(_LEAST * squares.mean()), np.log(squares.max()), _GRID)
    best = int(np.argmin([surprise(point) for point in grid]))
    if best == 0:
        return 0.0
    around = grid[best - 1], grid[min(best + 1, _GRID - 1)]
    return float(np.exp(minimize_scalar(surprise, bounds=around, method="bounded").x))


def _surprise(residual: Float, variance: Float) -> Float:
    return np.asarray((np.log(2 * np.pi * variance) + residual**2 / variance) / 2)
