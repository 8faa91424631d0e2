"""The backend ``sklearn-linear``: ridge regression on the inputs themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import Ridge

from .selection import answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ntkbench.plugin import Float, Request, Solution

    from .parameters import LinearParameters
    from .selection import Setting


class Linear:
    """Linear regression with an intercept, penalised by the squared norm of its weights."""

    name = "sklearn-linear"
    tuning_rows = None

    def __init__(self, parameters: LinearParameters) -> None:
        self.settings = [{"ridge": ridge} for ridge in parameters.ridges]

    def outputs(self, x: Float, y: Float, settings: Sequence[Setting], at: Float) -> Iterator[Float]:
        """Yield the predictions at ``at`` (M, O) of each penalty."""
        spread = float(np.square(x - x.mean(axis=0)).mean()) or 1.0
        for setting in settings:
            model = Ridge(alpha=setting["ridge"] * len(x) * spread, solver="svd").fit(x, y)
            yield model.predict(at).reshape(len(at), -1)


def solve(request: Request) -> Solution:
    """Return linear predictions, with the penalty chosen on ``problem.tuning``.

    :raises DataError: without tuning problems.
    """
    return answer(request, Linear(request.parameters))
