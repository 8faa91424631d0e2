"""What observing costs, so that a plan can say it; light: no torch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ntkbench.specs import Estimate

from .catalogue import BETWEEN, FORMING_KERNEL, LINEARIZED

if TYPE_CHECKING:
    from ntkbench.specs import Work

_LANCZOS = 30  # products with the kernel for one eigenvalue
_EIGEN = 10  # flops of an eigendecomposition, by rows cubed
_TOGETHER = 2**23  # numbers of the kernels looked at together, and of signals


def observing(work: Work, layers: tuple[int, ...]) -> Estimate:
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
    held = 8.0 * 2 * sizes.n_train * hidden
    if wanted & (FORMING_KERNEL | LINEARIZED):
        signals = 2.0 * rows * (weights - layers[0] * layers[1] if len(layers) > 2 else weights)
        flops += kernels * (signals + 2.0 * rows**2 * hidden + 4.0 * len(layers) * rows**2)
        held += 8.0 * (4 * max(rows**2, _TOGETHER if work.members > 1 else rows**2) + 2 * rows * hidden)
    if "largest_eigenvalue" in wanted:
        flops += kernels * _LANCZOS * 3 * one_pass
    if wanted & BETWEEN:
        flops += work.records * one_pass
    if wanted & LINEARIZED:
        flops += _EIGEN * float(rows) ** 3 + work.records * (
            4.0 * rows**2 + 6.0 * (sizes.n_test + sizes.n_train) * weights
        )
        held += 8.0 * 2 * rows**2
    return Estimate(flops=work.members * flops, bytes=held)
