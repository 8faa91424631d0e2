"""What this package registers: the backend ``jax``, without importing JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import BackendSpec, Estimate, MethodFacts, hookimpl
from ntkbench.theory.losses import LOSSES

from .activations import unsupported
from .regression.suitable import cost_at_rest, suitable
from .tuned import TUNING_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from ntkbench.plugin import Workload


_FLOPS_PER_PAIR = {"relu": 150, "erf": 500}  # per layer; transcendental functions counted as 20
_BYTES = 8
_TRIDIAGONAL = 5.0  # times N^3: 4/3 of operations, half of which go at the memory's speed


def estimate(work: Workload) -> Estimate:
    """Return what kernels, one eigendecomposition and the law at the recorded times will cost."""
    (n, m, features, outputs, _), architecture, records = work.sizes, work.architecture, work.records
    pairs = n * (n + 1) / 2 + n * m
    kernels = pairs * (4 * features + architecture.depth * _FLOPS_PER_PAIR.get(architecture.activation, 500))
    law = records * (n + m) * n * (2 * n + 2 * outputs)
    held = 8 * n * n + 5 * n * m + records * (n + m) * outputs * 5
    if getattr(work.parameters, "covariance", False):
        kernels += (
            m * (m + 1) / 2 * (4 * features + architecture.depth * _FLOPS_PER_PAIR.get(architecture.activation, 500))
        )
        law += records * 2 * m * n * m
        held += (records + 4) * m * m
    return Estimate(flops=kernels + 10.0 * n**3 + law, bytes=float(_BYTES * held))


def estimate_tuned(work: Workload) -> Estimate:
    """Return what a tridiagonal form per candidate costs, and fits to the rows for tuning and to all rows.

    Sizes do not tell how many problems there are to choose on: one is counted.
    """
    sizes, parameters = work.sizes, work.parameters
    rows, solver, depths, others = min(sizes.n_train, TUNING_ROWS), "auto", (work.architecture.depth,), 1
    if parameters is not None:
        rows, solver = min(sizes.n_train, parameters.tuning_rows), parameters.solver
        depths = parameters.depth or depths
        others = len(parameters.weight_std or "1") * len(parameters.bias_std or "1")
    per_layer = _FLOPS_PER_PAIR.get(work.architecture.activation, 500)
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


@hookimpl
def ntkbench_register_backends() -> Iterable[BackendSpec]:
    """Register the closed-form predictions of infinitely wide networks."""
    yield BackendSpec(
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

    yield BackendSpec(
        name="jax-tuned",
        version=2,
        summary="kernel regression at t = inf whose ridge and architecture are chosen on the training rows",
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


@hookimpl
def ntkbench_register_commands(cli: click.Group) -> None:
    """Add ``ntkbench kernel``."""
    from .kernel_command.command import kernel_command

    cli.add_command(kernel_command)
