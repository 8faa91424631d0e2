"""The backend ``sklearn-rbf``: ridge regression with the Gaussian kernel exp(-gamma |x - x'|^2)."""

from __future__ import annotations

import warnings
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgWarning, eigh
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import rbf_kernel

from .selection import answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ntkbench.plugin import Float, Request, Solution

    from .parameters import RbfParameters
    from .selection import Setting


class RbfRegression:
    """Kernel ridge regression; settings with the same gamma are consecutive and share one kernel."""

    name = "sklearn-rbf"

    def __init__(self, parameters: RbfParameters) -> None:
        self.tuning_rows = parameters.tuning_rows
        self.settings = [{"gamma": gamma, "ridge": ridge} for gamma in parameters.gammas for ridge in parameters.ridges]

    def outputs(self, x: Float, y: Float, settings: Sequence[Setting], at: Float) -> Iterator[Float]:
        """Yield the predictions at ``at`` (M, O) of each setting."""
        scale = x.shape[1] * (float(x.var()) or 1.0)
        for gamma, group in groupby(settings, key=lambda setting: setting["gamma"]):
            kernel, across = rbf_kernel(x, gamma=gamma / scale), rbf_kernel(at, x, gamma=gamma / scale)
            ridges = [setting["ridge"] for setting in group]
            yield from _along_modes(kernel, y, across, ridges) if len(ridges) > 1 else _fit(kernel, y, across, ridges)


def _fit(kernel: Float, y: Float, across: Float, ridges: Sequence[float]) -> Iterator[Float]:
    for ridge in ridges:
        with warnings.catch_warnings():  # a small penalty can be the best, although the solver warns about it
            warnings.filterwarnings("ignore", message="Singular matrix")
            warnings.simplefilter("ignore", LinAlgWarning)
            yield KernelRidge(kernel="precomputed", alpha=ridge).fit(kernel, y).predict(across)


def _along_modes(kernel: Float, y: Float, across: Float, ridges: Sequence[float]) -> Iterator[Float]:
    """Yield what ``_fit`` would predict: one eigendecomposition serves all penalties, instead of a factor for each."""
    values, vectors = eigh(kernel, overwrite_a=True, driver="evd")
    targets, along = vectors.T @ y, across @ vectors
    for ridge in ridges:
        yield along @ (targets / (np.maximum(values, 0.0) + ridge)[:, None])


def solve(request: Request) -> Solution:
    """Return the predictions of Gaussian kernel ridge regression, with gamma and penalty chosen on ``problem.tuning``.

    :raises DataError: without tuning problems.
    """
    return answer(request, RbfRegression(request.parameters))
