"""The cost of choosing among support vector machines, without importing scikit-learn or JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import Estimate

if TYPE_CHECKING:
    from ntkbench.plugin import Workload

_FLOPS_PER_PAIR = 150  # of a kernel, per layer
_FLOPS_PER_FIT = 500  # of a machine, per pair of points
_PROCESS_BYTES = 4e8  # a process that has imported JAX and scikit-learn


def estimate(work: Workload) -> Estimate:
    """Return the cost of all kernels up to the architecture's depth, and of a machine for each kernel and each C."""
    points, depth = float(work.sizes.n_train), work.architecture.depth
    parameters = work.parameters
    penalties = 7 if parameters is None else len(parameters.c)
    kernels = (
        depth + 1 if parameters is not None and parameters.fixed_layers == "none" else (depth + 1) * (depth + 2) / 2
    )
    flops = kernels * points**2 * (2 * work.sizes.n_features + depth * _FLOPS_PER_PAIR + penalties * _FLOPS_PER_FIT)
    return Estimate(flops=flops, bytes=_PROCESS_BYTES + 8 * 4 * points**2)
