"""Choose a ridge and an architecture: one kernel and one tridiagonal form serve all ridges."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ntkbench.dynamics import decompose, log_marginal_likelihood, tridiagonalise
from ntkbench.plugin import DataError, at_grid_edge, select, tuning_problems

from ..kernels.analytic import analytic_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ntkbench.architecture.nodes import Architecture
    from ntkbench.plugin import Float, Problem

    from .parameters import Parameters


class OutOfRangeError(DataError):
    """The kernel of one candidate is not finite."""


@dataclass(frozen=True)
class TunedKernel:
    """An architecture, a ridge relative to the kernel's mean diagonal, and the score they were chosen for."""

    architecture: Architecture
    ridge: float
    score: float


def candidates(architecture: Architecture, parameters: Parameters) -> Iterator[Architecture]:
    """Yield the candidate architectures: all combinations of the lists, in order."""
    names = ("depth", "weight_std", "bias_std")
    lists = [getattr(parameters, name) or (getattr(architecture, name),) for name in names]
    for values in product(*lists):
        yield architecture.model_copy(update=dict(zip(names, values, strict=True)))


def choose(problem: Problem, architecture: Architecture, parameters: Parameters) -> TunedKernel:
    """Return the best of all architectures and ridges, the first one among equals.

    The score is the mean squared error on the validation rows, in units of the problem's scaled targets, or, for
    marginal likelihood, minus the log evidence per number. A candidate whose kernel overflows is excluded.

    :raises DataError: without validation rows, or if no candidate has a score.
    """
    tuning_problems("jax-tuned", problem)
    among, scores = list(candidates(architecture, parameters)), []
    reason = "no ridge gives a kernel that can be inverted; give larger ones"
    for candidate in among:
        try:
            scores.append(_scores(problem, candidate, parameters))
        except OutOfRangeError as error:
            reason = str(error)
            scores.append(np.full(len(parameters.ridges), np.inf))
    best = select(among, scores)
    if best.failed:
        raise DataError(f"backend jax-tuned: {reason}")
    return TunedKernel(best.candidate, parameters.ridges[best.place[0]], best.score)


def chosen_values(chosen: TunedKernel) -> dict[str, float]:
    """Return the chosen values by name."""
    of = chosen.architecture
    return {"depth": of.depth, "weight_std": of.weight_std, "bias_std": of.bias_std, "ridge": chosen.ridge}


def grid_edges(chosen: TunedKernel, parameters: Parameters) -> dict[str, bool]:
    """Return, for each list of several values, whether the choice is its smallest or its largest one."""
    grids: dict[str, Sequence[float] | None] = {
        "depth": parameters.depth,
        "weight_std": parameters.weight_std,
        "bias_std": parameters.bias_std,
        "ridge": parameters.ridges,
    }
    return at_grid_edge(grids, chosen_values(chosen))


def shortened(problem: Problem, parameters: Parameters) -> tuple[Float, Float]:
    """Return the inputs and targets to choose on: the first ``tuning_rows`` of the training rows."""
    return problem.x_train[: parameters.tuning_rows], problem.y_train[: parameters.tuning_rows]


def in_units_of(problem: Problem, part: Problem) -> Float:
    """Return the factors (O,) that convert scaled targets of a tuning problem to those of the whole problem."""
    return np.asarray(np.asarray(part.target_std) / np.asarray(problem.target_std))


def _scores(problem: Problem, architecture: Architecture, parameters: Parameters) -> Float:
    """Return the score of each ridge (R,); lower is better."""
    if parameters.by == "marginal-likelihood":
        return _evidence(problem, architecture, parameters)
    squares = [_squares(part, in_units_of(problem, part), architecture, parameters) for part in problem.tuning]
    return np.asarray(np.sum(squares, axis=0) / sum(part.y_test.size for part in problem.tuning))


def _squares(part: Problem, unit: Float, architecture: Architecture, parameters: Parameters) -> Float:
    """Return the sum of squared errors, in ``unit`` (O,), on a problem's test points for each ridge (R,)."""
    x, y = shortened(part, parameters)
    kernel = _kernel(x, architecture, parameters)
    between = analytic_kernel(part.x_test, x, architecture=architecture, kernel=parameters.kernel)
    coefficients = _coefficients(kernel, y, _absolute(parameters.ridges, kernel))
    return np.array([np.sum(np.square(unit * (between @ one - part.y_test))) for one in coefficients])


def _kernel(x: Float, architecture: Architecture, parameters: Parameters) -> Float:
    kernel = np.asarray(analytic_kernel(x, architecture=architecture, kernel=parameters.kernel), dtype=np.float64)
    if not np.isfinite(kernel).all():
        raise OutOfRangeError(f"the kernel of {architecture!r} is beyond the range of float64 here")
    return kernel


def _coefficients(kernel: Float, y: Float, ridges: Sequence[float]) -> Float:
    """Return ``(T + rho)^-1 y`` (R, N, O); by the pseudo-inverse for ridges that leave T singular to rounding."""
    form = tridiagonalise(kernel)
    full = [rho for rho in ridges if form.rank(rho) == len(y)]
    found = dict(zip(full, form.solve(y, full), strict=True)) if full else {}
    if len(full) < len(ridges):
        spectrum = decompose(kernel)
        for rho in ridges:
            if rho not in found:
                damped = spectrum.cleaned + rho
                inverse = np.divide(1.0, damped, out=np.zeros_like(damped), where=damped > spectrum.cutoff)
                found[rho] = spectrum.eigenvectors @ (inverse[:, None] * (spectrum.eigenvectors.T @ y))
    return np.stack([found[rho] for rho in ridges])


def _evidence(problem: Problem, architecture: Architecture, parameters: Parameters) -> Float:
    """Return minus the NNGP's log evidence per number for each ridge (R,): y ~ N(0, s^2 (K + rho I)), s^2 the best."""
    x, y = shortened(problem, parameters)
    kernel = _kernel(x, architecture, parameters)
    if not y.any():
        raise DataError("backend jax-tuned: all targets are zero, and any kernel has infinite evidence")
    form = tridiagonalise(kernel)
    scores = []
    for rho in _absolute(parameters.ridges, kernel):
        try:
            found = log_marginal_likelihood(form, y, rho)
        except DataError:  # singular to rounding: no density
            scores.append(np.inf)
            continue
        amplitude = np.mean(found.data_fit) / len(y)
        scores.append((np.log(2 * np.pi * amplitude) + 1 + found.log_determinant / len(y)) / 2)
    return np.array(scores)


def _absolute(ridges: Sequence[float], kernel: Float) -> list[float]:
    mean = float(np.mean(np.diag(kernel)))
    return [ridge * mean for ridge in ridges]
