"""The kernel matrices of one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ntkbench.plugin import DataError

from .kernels.analytic import analytic_kernels, kernel_diagonal

if TYPE_CHECKING:
    from ntkbench.plugin import Request

    from .kernels.analytic import Kernels


class KernelMatrices(NamedTuple):
    """Both kernels between training points, between test and training points, and of each test point with itself.

    ``test_test``: between test points, if their covariance is requested.
    """

    train: Kernels
    test: Kernels
    test_diagonal: Kernels
    test_test: Kernels | None

    @classmethod
    def of(cls, request: Request) -> KernelMatrices:
        """Return the kernels of a request, finite."""
        where: dict[str, Any] = {"architecture": request.architecture, "dtype": request.dtype, "device": request.device}
        x_train, x_test = request.problem.x_train, request.problem.x_test
        train = analytic_kernels(x_train, **where)
        request.progress(1, 3)
        between = analytic_kernels(x_test, **where) if request.parameters.covariance else None
        matrices = cls(train, analytic_kernels(x_test, x_train, **where), kernel_diagonal(x_test, **where), between)
        if not all(np.isfinite(part).all() for kernels in matrices if kernels is not None for part in kernels):
            raise DataError(f"the kernel of {request.architecture!r} is beyond the range of {request.dtype}")
        return matrices
