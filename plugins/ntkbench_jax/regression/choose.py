"""The choice of a solver for a problem."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .cholesky import SingularKernelError
from .direct import CholeskyFit
from .eigen import EigenFit
from .iterative import IterativeFit
from .suitable import eigen_if_singular, suitable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .problem import RegressionFit, RegressionProblem

SOLVERS: dict[str, Callable[[RegressionProblem], RegressionFit]] = {
    "eigen": EigenFit,
    "cholesky": CholeskyFit,
    "iterative": IterativeFit,
}


def fit(problem: RegressionProblem, solver: str) -> tuple[str, RegressionFit]:
    """Fit with the named solver, and return its name and the fit; ``auto`` chooses by N and time.

    :raises DataError: for a problem that the solver cannot solve.
    """
    if solver != "auto":
        return solver, SOLVERS[solver](problem)
    points = len(problem.inputs)
    name: str = suitable(points, at_rest=problem.time == inf)
    try:
        return name, SOLVERS[name](problem)
    except SingularKernelError:
        if name == "cholesky" and eigen_if_singular(points):
            return "eigen", EigenFit(problem)
        raise
