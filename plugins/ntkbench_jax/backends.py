"""The backends ``jax`` and ``jax-tuned`` and what a cell of each costs, without importing JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ntkbench.plugin import BackendSpec, Estimate, MethodFacts
from ntkbench.theory.losses import LOSSES

from .activations import unsupported
from .regression.suitable import cost_at_rest, suitable
from .tuned import TUNING_ROWS

if TYPE_CHECKING:
    from ntkbench.architecture.nodes import Architecture
    from ntkbench.plugin import Workload

    from .regression.suitable import Solver


_FLOPS_PER_PAIR = {"relu": 150}  # per layer; transcendental functions counted as 20
_FLOPS_PER_PAIR_OF_OTHERS = 500
_BYTES = 8
_TRIDIAGONAL = 5.0  # times N^3: 4/3 for the operations, half of which run at memory bandwidth


def estimate(work: Workload) -> Estimate:
    """Return the cost of the kernels, one eigendecomposition and the law at the recorded times."""
    (n, m, features, outputs, _), architecture, records = work.sizes, work.architecture, work.records
    pairs = n * (n + 1) / 2 + n * m
    kernels = pairs * (4 * features + architecture.depth * _flops_per_pair(architecture))
    law = records * (n + m) * n * (2 * n + 2 * outputs)
    held = 8 * n * n + 5 * n * m + records * (n + m) * outputs * 5
    if getattr(work.parameters, "covariance", False):
        kernels += m * (m + 1) / 2 * (4 * features + architecture.depth * _flops_per_pair(architecture))
        law += records * 2 * m * n * m
        held += (records + 4) * m * m
    return Estimate(flops=kernels + 10.0 * n**3 + law, bytes=float(_BYTES * held))


def _flops_per_pair(architecture: Architecture) -> int:
    name = architecture.activation if isinstance(architecture.activation, str) else ""
    return _FLOPS_PER_PAIR.get(name, _FLOPS_PER_PAIR_OF_OTHERS)


def estimate_tuned(work: Workload) -> Estimate:
    """Return the cost of a tridiagonal form per candidate, and of fits to the tuning rows and to all rows.

    Sizes do not include the number of tuning problems, so one is counted.
    """
    sizes, parameters = work.sizes, work.parameters
    solver: Solver | Literal["auto"] = "auto"
    rows, depths, others = min(sizes.n_train, TUNING_ROWS), (work.architecture.depth,), 1
    if parameters is not None:
        rows, solver = min(sizes.n_train, parameters.tuning_rows), parameters.solver
        depths = parameters.depth or depths
        others = len(parameters.weight_std or "1") * len(parameters.bias_std or "1")
    per_layer = _flops_per_pair(work.architecture)
    per_pair = [4.0 * sizes.n_features + depth * per_layer for depth in depths]
    choice = others * sum(_TRIDIAGONAL * rows**3 + 1.5 * rows * rows * pair for pair in per_pair)
    noise, whole = (
        cost_at_rest(suitable(n, at_rest=True) if solver == "auto" else solver, n, sizes.n_test)
        for n in (rows, sizes.n_train)
    )
    return Estimate(
        flops=choice + noise.flops + whole.flops + max(per_pair) * (noise.pairs + whole.pairs),
        bytes=max(_BYTES * 4.0 * rows * rows, noise.bytes, whole.bytes),
    )


JAX = BackendSpec(
    name="jax",
    version=1,
    summary="infinitely wide networks in closed form: NNGP or NTK, gradient descent or flow, mean and variance",
    role="reference",
    parameters="ntkbench_jax.parameters:Parameters",
    target="ntkbench_jax.solve:solve",
    supports=unsupported,
    estimate=estimate,
    facts=lambda parameters: parameters.facts(),
    optimizers=("gradient-descent", "heavy-ball", "nesterov"),
    losses=LOSSES,
    batches=True,
    supports_non_gradient=True,
    requires=("jax>=0.4.31",),
    install='pip install "ntkbench[jax]"',
    citation=(
        "Jacot, Gabriel and Hongler 2018 (arXiv:1806.07572); Lee et al. 2019 (arXiv:1902.06720); "
        "Cho and Saul 2009 (relu); Williams 1997 (erf)"
    ),
)

JAX_TUNED = BackendSpec(
    name="jax-tuned",
    version=2,
    summary="kernel regression at t = inf, with ridge and architecture chosen on the training rows",
    role="reference",
    parameters="ntkbench_jax.tuned.parameters:Parameters",
    target="ntkbench_jax.tuned.solve:solve",
    supports=unsupported,
    estimate=estimate_tuned,
    facts=lambda parameters: MethodFacts(kernel=parameters.kernel),
    requires=("jax>=0.4.31",),
    install='pip install "ntkbench[jax]"',
    citation="Lee et al. 2018 (arXiv:1711.00165), Lee et al. 2019 (arXiv:1902.06720), eqs. 14-16",
)
