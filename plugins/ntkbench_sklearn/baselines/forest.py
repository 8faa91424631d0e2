"""The backend ``sklearn-forest``: random forests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from .selection import answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ntkbench.plugin import Float, Request, Solution

    from .parameters import ForestParameters
    from .selection import Setting


class Forest:
    """A random forest of regression trees. On the numeric targets of classes its splits are those of Gini's impurity.

    Predictions do not depend on the number of threads: each tree has its own seed, and trees are summed in order.
    """

    name = "sklearn-forest"

    def __init__(self, parameters: ForestParameters, seed: int, threads: int) -> None:
        self.tuning_rows = parameters.tuning_rows
        self.settings = [
            {"max_features": share, "min_samples_leaf": leaf}
            for share in parameters.max_features
            for leaf in parameters.min_samples_leaf
        ]
        self._trees, self._threads = parameters.trees, threads
        self._seed = int(np.random.SeedSequence(seed).generate_state(1)[0])

    def outputs(self, x: Float, y: Float, settings: Sequence[Setting], at: Float) -> Iterator[Float]:
        """Yield the predictions at ``at`` (M, O) of each setting."""
        for setting in settings:
            forest = RandomForestRegressor(
                n_estimators=self._trees,
                max_features=float(setting["max_features"]),
                min_samples_leaf=int(setting["min_samples_leaf"]),
                random_state=self._seed,
                n_jobs=self._threads,
            ).fit(x, y if y.shape[1] > 1 else y[:, 0])
            forest.n_jobs = 1  # threads would add the trees' predictions in the order in which they finish
            yield forest.predict(at).reshape(len(at), -1)


def solve(request: Request) -> Solution:
    """Return the predictions of a random forest, with split and leaf settings chosen on ``problem.tuning``.

    :raises DataError: without tuning problems.
    """
    return answer(request, Forest(request.parameters, request.seed, request.threads))
