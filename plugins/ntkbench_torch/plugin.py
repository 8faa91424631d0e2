"""What ntkbench learns about this package without importing torch: its backend, what it supports and what it costs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ntkbench.costs import LOSSES
from ntkbench.errors import suggestion
from ntkbench.hookspecs import hookimpl
from ntkbench.optimizers import OPTIMIZERS
from ntkbench.specs import BackendSpec, Estimate

from .layout import group_size, layer_sizes, parameter_count

if TYPE_CHECKING:
    from ntkbench.architecture import Architecture
    from ntkbench.specs import Sizes, Width

ACTIVATIONS = ("erf", "relu")
OBSERVABLES = ("ntk_distance", "ntk_change")
_FLOAT_BYTES = 8  # the estimate is not told the dtype: float64 is the upper bound
_PROCESS_BYTES = 3.5e8  # a process that has imported torch


def supports(architecture: Architecture) -> str | None:
    """Return why networks of this architecture cannot be trained, or None."""
    if architecture.activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        near = suggestion(architecture.activation, ACTIVATIONS)
        return f"activation {architecture.activation!r} is none of {known}{near}"
    if architecture.global_rate and architecture.depth == 0:
        return "with one global rate for all tensors the first layer drops out: nothing is left to train at depth 0"
    return None


def estimate(
    sizes: Sizes, architecture: Architecture, width: Width, members: int, steps: int, records: int
) -> Estimate:
    """Return the floating-point operations and the peak bytes of a cell, in float64 and with all observables.

    A step is three products per weight matrix (forward, backward but for the first, update), 2 N flops per weight each;
    a record is a forward pass of the test points; the tangent kernel is three times taken on the training points. Only
    one group of members is in memory at a time.
    """
    layers = layer_sizes(sizes.n_features, width, architecture.depth, sizes.n_outputs)
    parameters = parameter_count(layers)
    first = (layers[0] + 1) * layers[1]
    step = 2 * sizes.n_train * (3 * parameters - first)
    flops = members * (steps * step + records * 2 * sizes.n_test * parameters + 3 * _kernel_flops(sizes, layers))
    return Estimate(flops=float(flops), bytes=_peak_bytes(sizes, layers, members, records))


def _kernel_flops(sizes: Sizes, layers: tuple[int, ...]) -> float:
    """Count one empirical tangent kernel with all its output blocks: signals of every output, then Gram matrices."""
    rows = sizes.n_train * sizes.n_outputs
    signals = sum(2 * rows * fan_in * fan_out for fan_in, fan_out in pairwise(layers[1:]))
    return float(signals + sum(2 * rows**2 * width for width in layers[1:-1]) + 4 * len(layers) * rows**2)


def _peak_bytes(sizes: Sizes, layers: tuple[int, ...], members: int, records: int) -> float:
    group = group_size(layers, "cpu")
    activations = sizes.n_train * sum(layers) * 3 + min(sizes.n_test, 4096) * sum(layers)
    kernels = 4 * (sizes.n_train * sizes.n_outputs) ** 2
    signals = 2 * sizes.n_train * sizes.n_outputs * sum(layers[1:-1])
    outputs = 2 * members * records * (sizes.n_train + sizes.n_test) * sizes.n_outputs
    networks = 2 * group * parameter_count(layers)  # the group itself, and as it was drawn
    return _PROCESS_BYTES + _FLOAT_BYTES * float(networks + group * (activations + signals) + kernels + outputs)


@hookimpl
def ntkbench_register_backends() -> tuple[BackendSpec, ...]:
    """Bring the backend ``torch``."""
    return (
        BackendSpec(
            name="torch",
            version=1,
            summary="ensembles of finite networks trained by gradient descent, and their empirical tangent kernels",
            role="subject",
            parameters="ntkbench_torch.parameters:Parameters",
            target="ntkbench_torch.solve:solve",
            supports=supports,
            estimate=estimate,
            observables=OBSERVABLES,
            optimizers=OPTIMIZERS,
            losses=LOSSES,
            batches=True,
            stops=True,
            requires=("torch>=2.4",),
            install='pip install "ntkbench[torch]"',
            citation="Jacot, Gabriel and Hongler 2018 (arXiv:1806.07572)",
        ),
    )
