"""The package's backend, the architectures it supports, and its cost. Light: neither JAX nor torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import BackendSpec, Estimate, MethodFacts, Workload, hookimpl

from .sources import SOURCES, unsupported

if TYPE_CHECKING:
    from ntkbench.architecture.nodes import Architecture

OBSERVABLES = {"ntk_distance": "distance of the functions' kernel to each reference's kernel (C11)"}
_FLOPS_PER_DRAW = 30  # of a Gaussian number
_BLOCK_BYTES = 2.5e7  # of one block of draws, in float64 and rounded
_PROCESS_BYTES = 3.5e8  # of a process that has imported JAX or torch


def supports(architecture: Architecture) -> str | None:
    """Return why no random functions can be drawn for this architecture, or None if either kind can.

    Which kind a study uses is known only when a cell is solved.
    """
    if architecture.depth == 0:
        return "networks without hidden layers have no width, and the width is the number of random functions"
    reasons = {kind: unsupported(kind, architecture) for kind in SOURCES}
    if all(reasons.values()):
        return "; ".join(f"functions = {kind}: {reason}" for kind, reason in reasons.items())
    return None


def estimate(work: Workload) -> Estimate:
    """Return the cost of ``width`` functions drawn from a kernel; tangent features of that width cost less.

    It is that of the draws and their products, two eigendecompositions, and the outputs.
    """
    sizes, members, records = work.sizes, work.members, work.records
    count = float(work.width or sum(work.hidden_widths or ()))
    rows, points = sizes.n_train * sizes.n_outputs, sizes.n_train + sizes.n_test
    columns = points * sizes.n_outputs + 1
    draws = count * columns * (_FLOPS_PER_DRAW + 2.0 * columns)
    dynamics = 20.0 * rows**3 + 2.0 * records * columns * rows
    outputs = 2.0 * members * records * columns
    held = _PROCESS_BYTES + _BLOCK_BYTES + 8 * (2.0 * columns**2 + 2 * points**2 + 4 * columns * rows + outputs)
    return Estimate(flops=10.0 * points**3 + members * (draws + dynamics), bytes=held)


@hookimpl
def ntkbench_register_backends() -> tuple[BackendSpec, ...]:
    """Register the backend ``features``."""
    return (
        BackendSpec(
            name="features",
            version=1,
            summary="linear models in random functions, of a kernel or of a network's tangent space, trained in closed "
            "form; the width is the number of functions, or the network's",
            role="subject",
            parameters="ntkbench_features.parameters:Parameters",
            target="ntkbench_features.solve:solve",
            supports=supports,
            estimate=estimate,
            facts=lambda parameters: MethodFacts(kernel=parameters.kernel),
            observables=OBSERVABLES,
            requires_plugins=("jax|torch",),
            install='pip install "ntkbench[jax]" for functions = kernel, "ntkbench[torch]" for functions = tangent',
            citation="Jacot, Gabriel and Hongler 2018 (arXiv:1806.07572), section 3.1",
        ),
    )
