"""Check what a backend returned: shapes, finite laws, positive time scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import PluginError
from ..plugin.types import Solution

if TYPE_CHECKING:
    from ..plugin.types import Request


def check_solution(backend: str, role: str, request: Request, solution: Solution) -> None:
    """Raise :class:`PluginError`, naming the field, if a solution violates the conventions of :class:`Solution`."""
    if not isinstance(solution, Solution):
        raise PluginError(f'backend "{backend}": returned {type(solution).__name__}, expected a Solution')
    for name, shape in _shapes(role, request, solution).items():
        array = getattr(solution, name)
        if array is None:
            if name in ("members_train", "members_test") and role == "subject":
                raise PluginError(f'backend "{backend}": {name} is missing from its solution')
        elif array.shape != shape:
            raise PluginError(f'backend "{backend}": {name} has shape {array.shape}, expected {shape}')
    for name in ("mean_train", "mean_test", "kernel_train", "kernel_test"):
        array = getattr(solution, name)
        if array is not None and not np.isfinite(array).all():
            raise PluginError(f'backend "{backend}": {name} holds values that are not finite')
    if not 0 < solution.time_scale < np.inf:
        raise PluginError(f'backend "{backend}": time_scale is {solution.time_scale}, expected a positive number')


def _shapes(role: str, request: Request, solution: Solution) -> dict[str, tuple[int, ...]]:
    n, outputs = request.problem.y_train.shape
    m, records = len(request.problem.x_test), len(solution.times)
    shapes: dict[str, tuple[int, ...]] = {
        "times": (records,),
        "steps": (records,),
        "mean_train": (records, n, outputs),
        "mean_test": (records, m, outputs),
        "variance_train": (records, n, outputs),
        "variance_test": (records, m, outputs),
        "covariance_test": (records, m, m),
        "kernel_train": (n, n),
        "kernel_test": (m, n),
        "eigenvalues": (n,),
        "eigenvectors": (n, n),
        "mode_residuals": (records, n, outputs),
    }
    if role == "subject":
        shapes["members_train"] = (request.members, len(request.training.steps), n, outputs)
        shapes["members_test"] = (request.members, len(request.training.steps), m, outputs)
        shapes["diverged_at"] = shapes["stopped_at"] = (request.members,)
    return shapes
