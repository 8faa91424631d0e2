"""What this package registers: the backend ``sklearn-svm``, without importing scikit-learn or JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.costs import LOSSES
from ntkbench.hookspecs import hookimpl
from ntkbench.specs import BackendSpec, Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ntkbench.architecture import Architecture
    from ntkbench.specs import Work

_FLOPS_PER_PAIR = 150  # of a kernel, per layer
_FLOPS_PER_FIT = 500  # of a machine, per pair of points
_PROCESS_BYTES = 4e8  # a process that has imported JAX and scikit-learn


def supports(architecture: Architecture) -> str | None:
    """Return why there is no kernel for an architecture, or None."""
    from ntkbench_jax.activations import unsupported

    if architecture.global_rate:
        return "kernels with fixed layers are those of the NTK parameterization; the global rate has others"
    return unsupported(architecture)


def estimate(work: Work) -> Estimate:
    """Return what all kernels up to the architecture's depth, and a machine for each of them and each C, will cost."""
    points, depth = float(work.sizes.n_train), work.architecture.depth
    parameters = work.parameters
    penalties = 7 if parameters is None else len(parameters.c)
    kernels = (
        depth + 1 if parameters is not None and parameters.fixed_layers == "none" else (depth + 1) * (depth + 2) / 2
    )
    flops = kernels * points**2 * (2 * work.sizes.n_features + depth * _FLOPS_PER_PAIR + penalties * _FLOPS_PER_FIT)
    return Estimate(flops=flops, bytes=_PROCESS_BYTES + 8 * 4 * points**2)


@hookimpl
def ntkbench_register_backends() -> Iterable[BackendSpec]:
    """Register the support vector machine whose kernel and penalty are chosen on what the task gives to choose on."""
    yield BackendSpec(
        name="sklearn-svm",
        version=1,
        summary="a support vector machine on the NTK or NNGP of up to the architecture's depth, which is chosen, with "
        "its penalty, on the task's problems to choose on (A19)",
        role="reference",
        parameters="ntkbench_sklearn.parameters:Parameters",
        target="ntkbench_sklearn.solve:solve",
        supports=supports,
        estimate=estimate,
        losses=LOSSES,  # of a task it sees the classes alone
        requires=("scikit-learn>=1.4", "jax>=0.4.31"),
        install='pip install "ntkbench[jax,uci]"',
        citation="Arora, Du, Li, Salakhutdinov, Wang and Yu 2019 (arXiv:1910.01663); libsvm by Chang and Lin 2011",
    )
