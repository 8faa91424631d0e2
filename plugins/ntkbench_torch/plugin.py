"""The package's backends, the architectures they support, and their costs. Light: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ntkbench.plugin import BackendSpec, Estimate, MethodFacts, Workload, hookimpl
from ntkbench.theory.losses import LOSSES
from ntkbench.theory.optimizers import OPTIMIZERS

from .names import unsupported_activation
from .networks.layout import group_size, layer_sizes, parameter_count, widths_at
from .observables.catalogue import OBSERVABLES, OBSERVED_BY_DEFAULT, THRESHOLDS, inapplicable
from .observables.costs import observation_cost

if TYPE_CHECKING:
    from ntkbench.architecture.nodes import Architecture

    from .parameters import Parameters
    from .stability.parameters import Parameters as StabilityParameters

_BYTES = {"float32": 4, "float64": 8}
_BUFFERS = {"gradient-descent": 0, "heavy-ball": 1, "nesterov": 1, "adam": 3}  # per parameter that an optimizer keeps
_RUNS = 30  # training runs to find both thresholds
_BLOCK = 4096  # points evaluated per block
_PROCESS_BYTES = 3.5e8  # of a process that has imported torch


def unsupported(architecture: Architecture) -> str | None:
    """Return why networks of this architecture cannot be trained, or None."""
    if reason := unsupported_activation(architecture.activation):
        return reason
    if architecture.global_rate and architecture.depth == 0:
        return "a global learning rate leaves the first layer untrained, so nothing is trained at depth 0"
    return None


def estimate(work: Workload) -> Estimate:
    """Return the floating-point operations and the peak bytes of a cell.

    A step takes three products per weight matrix (forward, backward except for the first layer, update) of 2 flops per
    weight and point; a record takes a forward pass of the test points. Only one group of members is in memory at once.
    """
    sizes = work.sizes
    layers = layer_sizes(sizes.n_features, work.hidden_widths, work.architecture.depth, sizes.n_outputs)
    parameters = parameter_count(layers)
    first = (layers[0] + 1) * layers[1]
    step = 2 * min(work.batch_size or sizes.n_train, sizes.n_train) * (3 * parameters - first)
    recording = work.records * 2 * sizes.n_test * parameters + observation_cost(work, layers).flops
    return Estimate(flops=float(work.members * (work.steps * step + recording)), bytes=_peak_bytes(work, layers))


def _peak_bytes(work: Workload, layers: tuple[int, ...]) -> float:
    """Return the peak bytes of networks, optimizer buffers, activations, kernels and outputs."""
    sizes, number = work.sizes, _BYTES[work.dtype]
    group = group_size(layers, "cpu")
    points = min(work.batch_size or sizes.n_train, sizes.n_train)
    observed_points = sizes.n_test if points == sizes.n_train else max(sizes.n_test, sizes.n_train)
    activations = points * sum(layers) * 3 + 2 * min(observed_points, _BLOCK) * sum(layers)
    copies = 1 + _BUFFERS[work.optimizer] + bool(work.observe)  # the networks, and a copy as drawn
    outputs = 2 * 8 * work.members * work.records * (sizes.n_train + sizes.n_test) * sizes.n_outputs
    held = group * (copies * parameter_count(layers) + activations)
    return _PROCESS_BYTES + number * float(held) + outputs + observation_cost(work, layers).bytes


def estimate_stability(work: Workload) -> Estimate:
    """Return the cost of about thirty training runs, if a threshold needs them, and of the kernels as drawn."""
    trained = frozenset(work.observe) - {"linearization_onset"}
    steps = _RUNS * getattr(work.parameters, "steps", 1) if trained else 0
    return estimate(work._replace(steps=steps, records=1, observe=("ntk_distance",)))


def estimate_tuned(work: Workload) -> Estimate:
    """Return the cost of training every candidate once and the most expensive one once more."""
    parameters = work.parameters
    depths = (work.architecture.depth,) if parameters is None else parameters.depth or (work.architecture.depth,)
    rates = 1 if parameters is None else len(parameters.rates)
    each = [estimate(_at_depth(work, depth)) for depth in depths]
    largest = max(each, key=lambda found: found.flops)
    flops = rates * sum(found.flops for found in each) + largest.flops
    return Estimate(flops=flops, bytes=max(found.bytes for found in each))


def _at_depth(work: Workload, depth: int) -> Workload:
    architecture = work.architecture.model_copy(update={"depth": depth})
    return work._replace(architecture=architecture, hidden_widths=widths_at(depth, work.hidden_widths), observe=())


def stability_facts(parameters: StabilityParameters) -> MethodFacts:
    """Return the facts that the core uses about networks of the backend ``torch-stability``."""
    return MethodFacts(
        output_scale=parameters.output_scale,
        deviations=("the networks' initial functions are subtracted",) if parameters.subtract_init else (),
    )


def facts(parameters: Parameters) -> MethodFacts:
    """Return the facts that the core uses about networks trained by the backend ``torch``."""
    return MethodFacts(
        output_scale=parameters.output_scale,
        trained_layers=parameters.trained_layers,
        learning_rate_multiplier=parameters.learning_rate_multiplier,
        deviations=("the networks' initial functions are subtracted",) if parameters.subtract_init else (),
    )


def _trained() -> BackendSpec:
    return BackendSpec(
        name="torch",
        version=1,
        summary="ensembles of finite networks trained by gradient descent, and their empirical tangent kernels",
        role="subject",
        parameters="ntkbench_torch.parameters:Parameters",
        target="ntkbench_torch.solve:solve",
        supports=unsupported,
        estimate=estimate,
        facts=facts,
        observables=OBSERVABLES,
        observed_by_default=OBSERVED_BY_DEFAULT,
        inapplicable=inapplicable,
        optimizers=OPTIMIZERS,
        losses=LOSSES,
        batches=True,
        stops=True,
        supports_non_gradient=True,
        requires=("torch>=2.4",),
        install='pip install "ntkbench[torch]"',
        citation="Jacot, Gabriel and Hongler 2018 (arXiv:1806.07572)",
    )


def _tuned() -> BackendSpec:
    return BackendSpec(
        name="torch-tuned",
        version=1,
        summary="networks whose depth, learning rate and number of steps are tuned on the task's tuning problems",
        role="subject",
        parameters="ntkbench_torch.tuned.parameters:Parameters",
        target="ntkbench_torch.tuned.solve:solve",
        supports=unsupported,
        estimate=estimate_tuned,
        optimizers=OPTIMIZERS,
        losses=LOSSES,
        batches=True,
        requires=("torch>=2.4",),
        install='pip install "ntkbench[torch]"',
        citation="Arora, Du, Li, Salakhutdinov, Wang and Yu 2019 (arXiv:1910.01663)",
    )


def _stability() -> BackendSpec:
    return BackendSpec(
        name="torch-stability",
        version=2,
        summary="largest learning rates at which networks follow the kernel, and at which they learn, by bisection",
        role="subject",
        parameters="ntkbench_torch.stability.parameters:Parameters",
        target="ntkbench_torch.stability.solve:solve",
        supports=unsupported,
        estimate=estimate_stability,
        facts=stability_facts,
        observables=THRESHOLDS,
        requires=("torch>=2.4",),
        install='pip install "ntkbench[torch]"',
        citation="Lewkowycz et al. 2020 (arXiv:2003.02218)",
    )


@hookimpl
def ntkbench_register_backends() -> tuple[BackendSpec, ...]:
    """Register the backends ``torch``, ``torch-tuned`` and ``torch-stability``."""
    return _trained(), _tuned(), _stability()
