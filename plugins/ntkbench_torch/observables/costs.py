"""What observing costs, so that a plan can say it; light: no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ntkbench.plugin import Estimate

from ..networks.layout import group_size
from .catalogue import BETWEEN, FORMING_KERNEL, LINEARIZED, OBSERVABLE_OF_ALL

if TYPE_CHECKING:
    from ntkbench.plugin import Workload

_LANCZOS = 30  # products with the kernel for one eigenvalue
_PRODUCT = 3  # passes that a product with the tangent kernel takes
_GATHERED = (2, 4)  # copies of all members' tangent kernels, and of their NNGP kernels, where moments are made of them
_EIGEN = 10  # flops of an eigendecomposition, by rows cubed
_TOGETHER = 2**23  # numbers of the kernels looked at together
_KERNELS = 4  # as large as a kernel: that of the moment, and what is made of it
_WORKSPACE = 4  # of an eigendecomposition, likewise
_BLOCK = 4096  # test points at a time
_BYTES = {"float32": 4, "float64": 8}


def observing(work: Workload, layers: tuple[int, ...]) -> Estimate:
    """Return the flops of all looks at all members, and the bytes held beside what training needs.

    A kernel is formed at the first step and the last, or at every recorded one, where something needs it; what is
    looked at between is a pass over the points.
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
    if "ntk_slice" in wanted:
        flops += kernels * _PRODUCT * 2.0 * sizes.n_test * weights
    if "cost_rate" in wanted:
        flops += work.records * _PRODUCT * one_pass
    if wanted & BETWEEN:
        flops += work.records * one_pass
    if wanted & LINEARIZED:
        flops += _EIGEN * float(rows) ** 3 + work.records * (
            4.0 * rows**2 + 6.0 * (sizes.n_test + sizes.n_train) * weights
        )
    return Estimate(flops=work.members * flops, bytes=_bytes(work, layers, wanted))


def _bytes(work: Workload, layers: tuple[int, ...], wanted: frozenset[str]) -> float:
    """Return the bytes held: of a group's initial kernels and activations, and of those looked at together.

    Moments of an ensemble need the kernels of all its members at the end.
    """
    rows, number = work.sizes.n_train * work.sizes.n_outputs, _BYTES[work.dtype]
    group = min(work.members, group_size(layers, "cpu"))
    together = max(1, min(group, _TOGETHER // rows**2))
    activations = number * 2 * work.sizes.n_train * sum(layers[1:-1])
    signals = number * 2 * rows * max(layers[1:])
    held = (group + together) * activations + together * signals
    if wanted & (FORMING_KERNEL | LINEARIZED):
        held += 8 * rows**2 * (group + _KERNELS * together)
    if wanted & LINEARIZED:
        held += 8 * rows**2 * (group + _WORKSPACE)
        held += together * number * 3 * min(work.sizes.n_test, _BLOCK) * sum(layers[1:-1])
    if OBSERVABLE_OF_ALL in wanted:
        tangent, nngp = _GATHERED
        held += 8 * work.members * (tangent * rows**2 + nngp * work.sizes.n_train**2)
    return float(held)
