"""The backend ``sklearn-rbf``: ridge regression with the Gaussian kernel exp(-gamma |x - x'|^2)."""

from __future__ import annotations

import warnings
from itertools import groupby
from typing import TYPE_CHECKING

from scipy.linalg import LinAlgWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from .selection import answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ntkbench.exchange import Float, Request, Solution

    from .parameters import RadialParameters
    from .selection import Setting


class Radial:
    """Kernel ridge regression; settings of one gamma stand together and share one kernel."""

    name = "sklearn-rbf"

    def __init__(self, parameters: RadialParameters) -> None:
        self.tuning_rows = parameters.tuning_rows
        self.settings = [{"gamma": gamma, "ridge": ridge} for gamma in parameters.gammas for ridge in parameters.ridges]

    def outputs(self, x: Float, y: Float, settings: Sequence[Setting], at: Float) -> Iterator[Float]:
        """Yield the predictions at ``at`` (M, O) of each setting."""
        scale = x.shape[1] * (float(x.var()) or 1.0)
        for gamma, group in groupby(settings, key=lambda setting: setting["gamma"]):
            kernel, across = rbf_kernel(x, gamma=gamma / scale), rbf_kernel(at, x, gamma=gamma / scale)
            for setting in group:
                with warnings.catch_warnings():  # a penalty too small for the kernel loses on the rows for validation
                    warnings.filterwarnings("ignore", message="Singular matrix")
                    warnings.simplefilter("ignore", LinAlgWarning)
                    model = KernelRidge(kernel="precomputed", alpha=setting["ridge"]).fit(kernel, y)
                yield model.predict(across)


def solve(request: Request) -> Solution:
    """Return the predictions of Gaussian kernel ridge regression, gamma and penalty chosen on ``problem.tuning``.

    :raises DataError: without problems to choose on.
    """
    return answer(request, Radial(request.parameters))
