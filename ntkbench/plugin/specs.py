"""The specs that plugins register: frozen and cheap to import, they name heavy code by ``"module:attribute"``."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from ..errors import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ..architecture.nodes import Architecture
    from ..theory.losses import Loss
    from ..theory.optimizers import Optimizer


# The fields of ``types.Solution``: a metric may need them. They are listed here because ``types`` imports numpy.
SOLUTION_FIELDS = (
    "times",
    "steps",
    "training",
    "mean_train",
    "mean_test",
    "variance_train",
    "variance_test",
    "members_train",
    "members_test",
    "kernel_train",
    "kernel_test",
    "eigenvalues",
    "eigenvectors",
    "rho",
    "covariance_test",
    "time_scale",
    "mode_residuals",
    "stopped_at",
    "diverged_at",
    "measurements",
    "parameters",
    "compile_seconds",
)


def common_width(hidden_widths: tuple[int, ...] | None) -> int | None:
    """Return the width that all hidden layers share; None if they differ or are infinite, or without hidden layers."""
    distinct = set(hidden_widths or ())
    return distinct.pop() if len(distinct) == 1 else None


class Sizes(NamedTuple):
    """The size of a task, known without loading it."""

    n_train: int
    n_test: int
    n_features: int
    n_outputs: int
    splits: int


class Workload(NamedTuple):
    """Everything that the cost of a cell depends on: ``steps`` of training, recorded ``records`` times, and so on.

    ``hidden_widths`` has one width per hidden layer, None for infinite width; ``observe`` names what a subject
    observes; ``batch_size`` None means all points; ``parameters`` is an instance of the backend's model, None for its
    defaults.
    """

    sizes: Sizes
    architecture: Architecture
    hidden_widths: tuple[int, ...] | None = None
    members: int = 0
    steps: int = 0
    records: int = 1
    optimizer: Optimizer = "gradient-descent"
    batch_size: int | None = None
    dtype: Literal["float32", "float64"] = "float64"
    observe: tuple[str, ...] = ()
    parameters: Any = None

    @property
    def width(self) -> int | None:
        """The width that all hidden layers share, or None."""
        return common_width(self.hidden_widths)


class Estimate(NamedTuple):
    """The expected cost of a cell: floating-point operations, and peak memory in bytes."""

    flops: float
    bytes: float


@dataclass(frozen=True, kw_only=True)
class MethodFacts:
    """The facts about a method that the core and its analysis use, independent of the backend's parameter names.

    :param kernel: the kernel of a law, or of the functions that a subject is linear in; None if it has none.
    :param ridge: relative to the kernel's mean diagonal; None if the method has no single ridge.
    :param output_scale: the factor on the networks' output.
    :param trained_layers: which layers are trained.
    :param learning_rate_multiplier: the factor on the study's learning rate: for a subject, the rate it is trained at;
        for a law, the rate it assumes for the networks (:attr:`ntkbench.plugin.types.Solution.time_scale`).
    :param deviations: how a law differs from the one that theory states for these networks, one clause each, such as
        "the reference follows gradient flow; the networks took steps". Claims are not judged by such a law. For a
        subject: how its networks differ from those whose law it is, beside what the other facts say.
    """

    kernel: Literal["ntk", "nngp"] | None = None
    ridge: float | None = None
    output_scale: float = 1.0
    trained_layers: Literal["all", "last"] = "all"
    learning_rate_multiplier: float = 1.0
    deviations: tuple[str, ...] = ()


def import_target(target: str) -> Any:
    """Import ``"module:attribute"`` and return the attribute.

    :raises AttributeError: if the module has no such attribute, with the nearest name.
    """
    name, _, attribute = target.partition(":")
    module = import_module(name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        near = suggestion(attribute, vars(module))
        raise AttributeError(f'{name} has no "{attribute}"{near}') from None


def _always() -> None:
    return None


def _no_summary(parameters: Any) -> Sequence[str]:
    return ()


def _no_facts(parameters: Any) -> MethodFacts:
    return MethodFacts()


class Inapplicable(Protocol):
    """A function that returns why an observable does not apply to a kind of training, or None."""

    def __call__(
        self, name: str, /, *, optimizer: Optimizer, loss: Loss, batch_size: int | None, non_gradient: float = 0.0
    ) -> str | None:
        """Return the reason, or None; ``non_gradient`` is passed only where it is not 0."""
        ...


def _applicable(
    name: str, /, *, optimizer: Optimizer, loss: Loss, batch_size: int | None, non_gradient: float = 0.0
) -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A supervised problem: its data, its size, and how to load it.

    :param name: namespaced, such as ``synthetic/circle``.
    :param version: raise it when the same parameters give other data; part of ``cell_id``.
    :param parameters: ``"module:Model"``, a pydantic model of the task's own keys in a study.
    :param target: ``"module:load"``; ``load(parameters, split_index, seed)`` returns an unscaled
        :class:`~ntkbench.plugin.types.Problem`.
    :param sizes: ``sizes(parameters)``, light.
    :param fingerprint: ``fingerprint(parameters)``, a hash of the data (not of the parameters), light; "" if the
        parameters and the seed determine the data.
    :param data_summary: ``data_summary(parameters)``, what was read from a user's own data, in lines, for ``plan``
        and ``show``; light.
    :param available: returns None, or why the data is not available here; light.
    :param standardise_inputs: whether the core scales inputs by training statistics.
    :param standardise_targets: whether the core scales targets by training statistics.
    :param requires: distributions it needs, such as ``scikit-learn>=1.4``.
    :param requires_plugins: plugins whose public names it imports, such as ``jax``; ``jax|torch`` for at least one.
    :param install: the command that installs them.
    """

    name: str
    version: int
    summary: str
    parameters: str
    target: str
    sizes: Callable[[Any], Sizes]
    fingerprint: Callable[[Any], str]
    data_summary: Callable[[Any], Sequence[str]] = _no_summary
    available: Callable[[], str | None] = _always
    standardise_inputs: bool = True
    standardise_targets: bool = True
    requires: tuple[str, ...] = ()
    requires_plugins: tuple[str, ...] = ()
    install: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """A method that turns a problem, an architecture and a training into predictions at given steps.

    :param role: ``reference`` (infinite width, closed form) or ``subject`` (finite width, trained).
    :param parameters: ``"module:Model"``, a pydantic model of the backend's own keys in a study.
    :param target: ``"module:solve"``; ``solve(request)`` returns a :class:`~ntkbench.plugin.types.Solution`.
    :param supports: ``supports(architecture)`` returns None, or why the backend cannot handle it; light.
    :param estimate: ``estimate(work)``, light.
    :param facts: ``facts(parameters)`` returns the method's :class:`MethodFacts`; light.
    :param observables: the observables that a study may list under ``observe``: their names, with a line about each.
    :param observed_by_default: the observables recorded if a study lists none; None for all.
    :param inapplicable: an :class:`Inapplicable`: why an observable does not apply to a kind of training; light.
    :param optimizers: the optimizers that it supports.
    :param losses: the costs that it supports.
    :param batches: whether it trains in mini-batches.
    :param stops: whether it stops networks early (``stop_loss``, ``stop_patience``).
    :param supports_non_gradient: whether it can train along a direction that is not a gradient.
    :param requires_plugins: plugins whose public names it imports, such as ``jax``; ``jax|torch`` for at least one.
    """

    name: str
    version: int
    summary: str
    role: Literal["reference", "subject"]
    parameters: str
    target: str
    supports: Callable[[Architecture], str | None]
    estimate: Callable[[Workload], Estimate]
    facts: Callable[[Any], MethodFacts] = _no_facts
    observables: Mapping[str, str] = field(default_factory=dict, hash=False)
    observed_by_default: tuple[str, ...] | None = None
    inapplicable: Inapplicable = _applicable
    optimizers: tuple[Optimizer, ...] = ("gradient-descent",)
    losses: tuple[Loss, ...] = ("squared-error",)
    batches: bool = False
    stops: bool = False
    supports_non_gradient: bool = False
    requires: tuple[str, ...] = ()
    requires_plugins: tuple[str, ...] = ()
    install: str = ""
    citation: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """A number computed from a solution, a reference and the targets.

    :param needs: fields of the measured :class:`~ntkbench.plugin.types.Solution` that must be present.
    :param needs_reference: True for comparisons: ``measure`` is then called once per reference.
    :param target: ``"module:measure"``; ``measure(problem, solution, reference)`` yields
        :class:`~ntkbench.plugin.types.Measurement`.
    :param measures: names of its rows beside its own. Each of these names may have endings, such as
        ``rmse_standard_error``.
    :param default: whether studies that list no metrics measure it.
    """

    name: str
    version: int
    summary: str
    unit: str
    goal: Literal["min", "max", "none"]
    target: str
    needs: tuple[str, ...] = ()
    needs_reference: bool = False
    measures: tuple[str, ...] = ()
    default: bool = True


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec:
    """A place where cells run: processes of this machine, a cluster.

    :param target: ``"module:start"``; ``start(context)`` takes an
        :class:`~ntkbench.plugin.executor.ExecutorContext` and returns an :class:`~ntkbench.plugin.executor.Executor`.
    :param parameters: ``"module:Model"``, a pydantic model of the executor's own options.
    :param shares_memory: whether its cells share this machine's memory, so that only as many run as fit into it.
    """

    name: str
    version: int
    summary: str
    target: str
    parameters: str = "ntkbench.plugin.executor:NoOptions"
    shares_memory: bool = True
    requires: tuple[str, ...] = ()
    install: str = ""


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """A study shipped by a plugin: a name, a line about it, and its TOML file."""

    name: str
    summary: str
    path: Path
