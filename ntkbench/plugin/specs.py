"""What plugins register: frozen descriptions, cheap to import, that name their heavy code by ``"module:attribute"``."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..architecture.nodes import Architecture
    from ..theory.losses import Loss
    from ..theory.optimizers import Optimizer

Width = int | tuple[int, ...] | None


class Sizes(NamedTuple):
    """How large a task is, known without loading it."""

    n_train: int
    n_test: int
    n_features: int
    n_outputs: int
    splits: int


class Workload(NamedTuple):
    """What a cell is asked to do, as far as its cost depends on it: ``steps`` of training, looked at ``records`` times.

    ``width`` is None for infinite; ``observe`` names what a subject observes; ``batch_size`` None is all points a step;
    ``parameters`` is the backend's validated model, None for its defaults.
    """

    sizes: Sizes
    architecture: Architecture
    width: Width = None
    members: int = 0
    steps: int = 0
    records: int = 1
    optimizer: Optimizer = "gradient-descent"
    batch_size: int | None = None
    dtype: Literal["float32", "float64"] = "float64"
    observe: tuple[str, ...] = ()
    parameters: Any = None


class Estimate(NamedTuple):
    """What a cell will cost: floating-point operations, and bytes of memory at its peak."""

    flops: float
    bytes: float


def import_target(target: str) -> Any:
    """Import ``"module:attribute"`` and return the attribute."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def _always() -> None:
    return None


class Inapplicable(Protocol):
    """Says why an observable has nothing to observe in training of this kind, or None."""

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
    """A supervised problem: where its data comes from, how large it is, and how to load it.

    :param name: namespaced, such as ``synthetic/circle``.
    :param version: raised when the same parameters would give other data; enters ``cell_id``.
    :param parameters: ``"module:Model"``, a pydantic model of the task's own keys in a study.
    :param target: ``"module:load"``; ``load(parameters, split_index, seed)`` returns an unscaled
        :class:`~ntkbench.plugin.types.Problem`.
    :param sizes: ``sizes(parameters)``, light.
    :param fingerprint: ``fingerprint(parameters)``, a hash of the data (not of the parameters), light; "" where the
        parameters and the seed say it all.
    :param available: None, or the reason why the data cannot be had here; light.
    :param standardise_inputs: whether the core scales inputs by training statistics.
    :param standardise_targets: whether the core scales targets by training statistics.
    :param requires: distributions it needs, such as ``scikit-learn>=1.4``.
    :param requires_plugins: plugins whose public names it imports, such as ``jax``; ``jax|torch`` for at least one.
    :param install: what to type where they are missing.
    """

    name: str
    version: int
    summary: str
    parameters: str
    target: str
    sizes: Callable[[Any], Sizes]
    fingerprint: Callable[[Any], str]
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
    """A way to turn a problem, an architecture and a training into predictions at given steps.

    :param role: ``reference`` (infinite width, closed form) or ``subject`` (finite width, trained).
    :param parameters: ``"module:Model"``, a pydantic model of the backend's own keys in a study.
    :param target: ``"module:solve"``; ``solve(request)`` returns a :class:`~ntkbench.plugin.types.Solution`.
    :param supports: ``supports(architecture)`` is None, or the reason why not; light.
    :param estimate: ``estimate(work)``, light.
    :param observables: what a study may list under ``observe``, by name, with a line about each.
    :param observed_by_default: those of them that are observed where a study lists none; None for all.
    :param inapplicable: why an observable has nothing to observe in some kind of training; light.
    :param optimizers: what a study's training may ask of it; ``losses``, the costs it knows; ``batches``, whether a
        step may see some of the points; ``stops``, whether networks are left as they are once they are done;
        ``supports_non_gradient``, whether the direction of training may be no gradient.
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
    """A named number computed from a subject, a reference and the targets.

    :param needs: fields of the measured :class:`~ntkbench.plugin.types.Solution` that must be present.
    :param needs_reference: True for comparisons: ``measure`` is then called once per reference.
    :param target: ``"module:measure"``; ``measure(problem, solution, reference)`` yields
        :class:`~ntkbench.plugin.types.Measurement`.
    :param default: whether studies that list no metrics have it.
    """

    name: str
    version: int
    summary: str
    unit: str
    goal: Literal["min", "max", "none"]
    target: str
    needs: tuple[str, ...] = ()
    needs_reference: bool = False
    default: bool = True


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """A study shipped by a plugin: a name, a line about it, and its TOML file."""

    name: str
    summary: str
    path: Path
