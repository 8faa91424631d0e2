"""The cost of the baselines, without importing scikit-learn."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

from ntkbench.plugin import Estimate

if TYPE_CHECKING:
    from ntkbench.plugin import Workload

_PROCESS_BYTES = 2e8  # a process that has imported scikit-learn
_FLOPS_PER_COMPARISON = 20  # when sorting the points at a node of a tree


def linear(work: Workload) -> Estimate:
    """Return the cost of a singular value decomposition for each penalty, and one of all rows."""
    from .parameters import LinearParameters

    parameters = work.parameters or LinearParameters()
    n, features = work.sizes.n_train, work.sizes.n_features
    return Estimate(
        flops=(len(parameters.ridges) + 1) * 6.0 * n * features * min(n, features),
        bytes=_PROCESS_BYTES + 8.0 * 4 * n * features,
    )


def rbf(work: Workload) -> Estimate:
    """Return the cost of an eigendecomposition for each gamma, and one Cholesky factor of all rows."""
    from .parameters import RbfParameters

    parameters = work.parameters or RbfParameters()
    (n, m, features, *_), rows = work.sizes, min(work.sizes.n_train, parameters.tuning_rows)
    kernels = len(parameters.gammas) * rows * (rows + m) * 2.0 * features
    modes = len(parameters.gammas) * 10.0 * rows**3
    return Estimate(
        flops=kernels + modes + n**3 / 3 + n * (n + m) * 2.0 * features,
        bytes=_PROCESS_BYTES + 8.0 * (2 * n * n + n * (n + m)),
    )


def forest(work: Workload) -> Estimate:
    """Return the cost of growing a forest for each setting, and one on all rows."""
    from .parameters import ForestParameters

    parameters = work.parameters or ForestParameters()
    n, features = work.sizes.n_train, work.sizes.n_features
    rows = min(n, parameters.tuning_rows)
    settings = len(parameters.max_features) * len(parameters.min_samples_leaf)
    sorted_points = settings * rows * log2(max(rows, 2)) ** 2 + n * log2(max(n, 2)) ** 2
    return Estimate(
        flops=parameters.trees * features * sorted_points * _FLOPS_PER_COMPARISON,
        bytes=_PROCESS_BYTES + 8.0 * (4 * n * features + 20 * parameters.trees * n),
    )
