"""Which way of solving suits a problem."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .cholesky import SingularKernelError
from .direct import CholeskyFit
from .eigen import EigenFit
from .iterative import IterativeFit

if TYPE_CHECKING:
    from collections.abc import Callable

    from .problem import Fit, Problem

SOLVERS: dict[str, Callable[[Problem], Fit]] = {"eigen": EigenFit, "cholesky": CholeskyFit, "iterative": IterativeFit}
_EIGEN_AT_REST = 2_000  # points up to which an eigendecomposition is a matter of seconds
_EIGEN_IN_TIME = 4_000  # the same where the alternative does not know the spread
_EIGEN_IF_SINGULAR = 8_000  # where the alternative is none: minutes, and three matrices of 512 MB
_CHOLESKY = 32_768  # points up to which a float64 matrix takes 8 GiB


def fit(problem: Problem, solver: str) -> tuple[str, Fit]:
    """Fit by the named solver, and return its name with what it found; ``auto`` chooses by N and time.

    :raises DataError: for what the solver cannot solve.
    """
    if solver != "auto":
        return solver, SOLVERS[solver](problem)
    points = len(problem.inputs)
    name = _suitable(points, at_rest=problem.time == inf)
    try:
        return name, SOLVERS[name](problem)
    except SingularKernelError:
        if name == "cholesky" and points <= _EIGEN_IF_SINGULAR:
            return "eigen", EigenFit(problem)
        raise


def _suitable(points: int, *, at_rest: bool) -> str:
    if points <= (_EIGEN_AT_REST if at_rest else _EIGEN_IN_TIME):
        return "eigen"
    return "cholesky" if at_rest and points <= _CHOLESKY else "iterative"
