"""Flops and bytes of the observables, for planning. Light: no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ntkbench.plugin import Estimate

from ..networks.layout import group_size
from .catalogue import BETWEEN, FORMING_KERNEL, LINEARIZED, OBSERVABLE_OF_ALL

if TYPE_CHECKING:
    from ntkbench.plugin import Workload

_LANCZOS = 30  # products with the kernel per eigenvalue
_PRODUCT = 3  # passes per product with the tangent kernel
_MOMENTS = (2, 4)  # copies held of all members' tangent kernels and of their NNGP kernels
_EIGEN = 10  # flops of an eigendecomposition, over rows cubed
_SINGULAR = 4  # flops of singular values, over rows times columns squared (Golub and Van Loan, 8.6)
_KERNEL_FLOATS = 2**23  # numbers in the kernels measured in one pass
_KERNELS = 4  # arrays as large as the current kernel: itself and what is derived from it
_WORKSPACE = 4  # arrays as large as the kernel in an eigendecomposition
_BLOCK = 4096  # test points per block
_BYTES = {"float32": 4, "float64": 8}


def observation_cost(work: Workload, layers: tuple[int, ...]) -> Estimate:
    """Return the flops of all observations of one member, and the bytes held beside those of training.

    Where an observable needs a kernel, it is formed at the first and the last recorded step, or at all of them; steps
    between take a pass over the points.
    """
    wanted, sizes = frozenset(work.observe), work.sizes
    if not wanted:
        return Estimate(0.0, 0.0)
    rows = sizes.n_train * sizes.n_outputs
    weights = float(sum(fan_in * fan_out for fan_in, fan_out in pairwise(layers)))
    hidden = sum(layers[1:-1])
    every = getattr(work.parameters, "ntk_steps", "last") == "all"
    kernels = work.records + 1 if every else 2
    one_pass = 2.0 * sizes.n_train * weights
    flops = kernels * 2 * one_pass
    if wanted & (FORMING_KERNEL | LINEARIZED):
        signals = 2.0 * rows * (weights - layers[0] * layers[1] if len(layers) > 2 else weights)
        flops += kernels * (signals + 2.0 * rows**2 * hidden + 4.0 * len(layers) * rows**2)
    if "largest_eigenvalue" in wanted:
        flops += kernels * _LANCZOS * _PRODUCT * one_pass
    if "smallest_eigenvalue" in wanted:
        flops += kernels * _EIGEN * float(rows) ** 3
    if "weight_norm" in wanted:
        flops += _SINGULAR * sum(max(pair) * min(pair) ** 2 for pair in pairwise(layers[1:-1]))
    if "ntk_slice" in wanted:
        flops += kernels * _PRODUCT * 2.0 * sizes.n_test * weights
    flops += len(wanted & {"cost_rate", "component_learning"}) * work.records * _PRODUCT * one_pass
    if wanted & BETWEEN:
        flops += work.records * one_pass
    if wanted & LINEARIZED:
        flops += _EIGEN * float(rows) ** 3 + work.records * (
            4.0 * rows**2 + 6.0 * (sizes.n_test + sizes.n_train) * weights
        )
    return Estimate(flops=flops, bytes=_bytes(work, layers, wanted))


def _bytes(work: Workload, layers: tuple[int, ...], wanted: frozenset[str]) -> float:
    """Return the bytes of a group's initial kernels and activations, and of those measured in one pass.

    Moments need the kernels of all members at the end.
    """
    rows, number = work.sizes.n_train * work.sizes.n_outputs, _BYTES[work.dtype]
    group = min(work.members, group_size(layers, "cpu"))
    at_once = max(1, min(group, _KERNEL_FLOATS // rows**2))
    activations = number * 2 * work.sizes.n_train * sum(layers[1:-1])
    signals = number * 2 * rows * max(layers[1:])
    held = (group + at_once) * activations + at_once * signals
    if wanted & (FORMING_KERNEL | LINEARIZED):
        held += 8 * rows**2 * (group + _KERNELS * at_once)
    if wanted & LINEARIZED:
        held += 8 * rows**2 * (group + _WORKSPACE)
        held += at_once * number * 3 * min(work.sizes.n_test, _BLOCK) * sum(layers[1:-1])
    if OBSERVABLE_OF_ALL in wanted:
        tangent, nngp = _MOMENTS
        held += 8 * work.members * (tangent * rows**2 + nngp * work.sizes.n_train**2)
    return float(held)
