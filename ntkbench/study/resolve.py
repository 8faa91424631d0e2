"""Validate a study against the registry: names, plugins' parameters and backends' capabilities; report all mistakes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import NtkbenchError, PluginError, PluginWarning, UnknownNameError, suggestion
from ..plugin.availability import unavailable_reason
from ..plugin.guard import blaming, watching
from ..plugin.registry import is_strict
from ..plugin.targets import target_mistake
from ..theory.claims import JUDGED
from .load import Overrides, edited, read_study
from .model import WIDTH_TWICE, ControlPair, FractionOfMaxStable, ReferenceEntry, Study, SubjectEntry, TaskEntry
from .validation import ValidationErrors

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from ..plugin.named_registry import NamedRegistry
    from ..plugin.registry import Registry
    from ..plugin.specs import BackendSpec, MethodFacts, MetricSpec, TaskSpec
    from ..theory.losses import Loss


@dataclass(frozen=True)
class ResolvedTask:
    """A task entry with its spec and its validated parameters."""

    entry: TaskEntry
    spec: TaskSpec
    parameters: Any


@dataclass(frozen=True)
class ResolvedMethod:
    """A reference or subject entry with its backend and its validated parameters."""

    entry: ReferenceEntry | SubjectEntry
    backend: BackendSpec
    parameters: Any
    facts: MethodFacts
    observe: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResolvedStudy:
    """A study whose names and values are all valid."""

    study: Study
    tasks: tuple[ResolvedTask, ...]
    references: tuple[ResolvedMethod, ...]
    subjects: tuple[ResolvedMethod, ...]
    metrics: tuple[MetricSpec, ...]

    @property
    def anchor(self) -> str | None:
        """The label of the reference whose eigenvalues set the learning rate; None if the rate is absolute."""
        rate = self.study.training.learning_rate
        if not isinstance(rate, FractionOfMaxStable):
            return None
        tangent = [method for method in self.references if method.facts.kernel == "ntk"]
        return rate.reference or (tangent or list(self.references))[0].entry.label


def resolve_study(
    source: str | Path | Mapping[str, Any] | Study, registry: Registry, overrides: Overrides | None = None
) -> ResolvedStudy:
    """Read, edit and validate a study.

    :raises StudyError: listing every mistake with its path in the TOML.
    """
    data, where = read_study(source, registry)
    errors = ValidationErrors(where)
    data = edited(data, overrides or Overrides())
    resolver = _Resolver(registry, errors)
    with watching():
        if (study := errors.validate(Study, data)) is None:
            resolver.check_entries(data)
            errors.raise_if_any()
            raise AssertionError("a study that failed to validate reported no mistake")
        result = resolver.resolved(study)
    errors.raise_if_any()
    return result


def resolve_task(data: Mapping[str, Any], registry: Registry) -> ResolvedTask:
    """Validate a task's entry on its own, outside a study.

    :raises StudyError: listing every mistake.
    """
    errors = ValidationErrors(f'task "{data["name"]}"')
    entry = errors.validate(TaskEntry, data)
    task = entry and _Resolver(registry, errors).task(entry, "task")
    errors.raise_if_any()
    assert task
    return task


def _no_quantity(name: str) -> str:
    return f'no quantity is called "{name}"{suggestion(name, JUDGED)} (known: {", ".join(sorted(JUDGED))})'


def _warn_of_drawings(study: Study) -> None:
    """Warn of figures and pages that cannot be made; a run's tables do not depend on them."""
    for what, targets in (("figure", study.figures), ("page", study.pages)):
        for target in targets:
            if mistake := target_mistake(target):
                message = f'study "{study.name}": {what} {target} will not be made: {mistake}'
                warnings.warn(message, PluginWarning, stacklevel=2)


class _Resolver:
    def __init__(self, registry: Registry, errors: ValidationErrors) -> None:
        self.registry, self.errors = registry, errors

    def check_entries(self, data: Mapping[str, Any]) -> None:
        """Report wrong names and plugins' parameters in a study that also has other mistakes."""
        kinds: tuple[tuple[str, type[Any], str, NamedRegistry[Any]], ...] = (
            ("task", TaskEntry, "name", self.registry.tasks),
            ("reference", ReferenceEntry, "backend", self.registry.backends),
            ("subject", SubjectEntry, "backend", self.registry.backends),
        )
        for key, model, naming, known in kinds:
            for i, entry in enumerate(data[key] if isinstance(data.get(key), list) else ()):
                path, name = f"{key}[{i}]", entry.get(naming) if isinstance(entry, dict) else None
                if isinstance(name, str) and (spec := self._lookup(known, name, f"{path}.{naming}")):
                    own = {k: value for k, value in entry.items() if k not in model.model_fields}
                    self._parameters(known, spec, own, model, path)

    def resolved(self, study: Study) -> ResolvedStudy:
        """Return the study with its specs and parameters, without the entries that have mistakes."""
        tasks = [self.task(entry, f"task[{i}]") for i, entry in enumerate(study.task)]
        references = [self._method(study, e, f"reference[{i}]", "reference") for i, e in enumerate(study.reference)]
        subjects = [self._method(study, e, f"subject[{i}]", "subject") for i, e in enumerate(study.subject)]
        self._check_labels(study)
        self._check_tasks(study)
        self._check_quantities(study)
        self._check_claim(study)
        self._check_rate(study)
        self._check_layers(study)
        self._check_optimizer(study, (*references, *subjects))
        self._check_training(study, (*references, *subjects))
        _warn_of_drawings(study)
        return ResolvedStudy(
            study,
            tuple(task for task in tasks if task),
            tuple(method for method in references if method),
            tuple(method for method in subjects if method),
            self._metrics(study),
        )

    def _lookup(self, known: NamedRegistry[Any], name: str, path: str) -> Any:
        try:
            return known.get(name)
        except UnknownNameError as error:
            self.errors.add(path, str(error))
            return None

    def _parameters(
        self, known: NamedRegistry[Any], spec: Any, own: dict[str, Any], entry: type[BaseModel], path: str
    ) -> Any:
        """Return the validated parameters of a task or backend, or None; report a target that does not exist."""
        model = known.parameters_of(spec.name)
        if unavailable_reason(spec, self.registry) is None and (mistake := target_mistake(spec.target)):
            self.errors.add(path, f"{known.origin(spec.name)} cannot be used: {mistake}")
        with blaming(f"{known.origin(spec.name)}: the validation of its parameters"):
            return self.errors.validate(model, own, path, also_known=entry.model_fields)

    def task(self, entry: TaskEntry, path: str) -> ResolvedTask | None:
        """Return an entry with its spec and parameters, or record its mistakes."""
        if (spec := self._lookup(self.registry.tasks, entry.name, f"{path}.name")) is None:
            return None
        parameters = self._parameters(self.registry.tasks, spec, entry.parameters, type(entry), path)
        if parameters is None:
            return None
        try:
            offered = self.registry.tasks.call(spec.name, "sizes", parameters).splits
        except PluginError:
            raise
        except NtkbenchError as error:
            self.errors.add(path, str(error))
            return None
        if entry.splits > offered:
            self.errors.add(f"{path}.splits", f"asks for {entry.splits}, but {entry.name} has {offered}")
        return ResolvedTask(entry, spec, parameters)

    def _method(self, study: Study, entry: Any, path: str, role: str) -> ResolvedMethod | None:
        if (spec := self._lookup(self.registry.backends, entry.backend, f"{path}.backend")) is None:
            return None
        if spec.role != role:
            self.errors.add(f"{path}.backend", f'"{spec.name}" is a {spec.role}, not a {role}')
            return None
        parameters = self._parameters(self.registry.backends, spec, entry.parameters, type(entry), path)
        observe = self._observe(study, entry, spec, path) if isinstance(entry, SubjectEntry) else ()
        if parameters is None:
            return None
        facts = self.registry.backends.call(spec.name, "facts", parameters)
        return ResolvedMethod(entry, spec, parameters, facts, observe)

    def _observe(self, study: Study, entry: SubjectEntry, spec: BackendSpec, path: str) -> tuple[str, ...]:
        for name in entry.observe or ():
            if name not in spec.observables:
                known = ", ".join(spec.observables) or "nothing"
                self.errors.add(f"{path}.observe", f'"{name}" is not an observable of {spec.name} ({known})')
            elif reason := self._inapplicable(study, spec, name):
                self.errors.add(f"{path}.observe", reason)
        usual = spec.observables if spec.observed_by_default is None else spec.observed_by_default
        return tuple(sorted(usual if entry.observe is None else entry.observe))

    def _inapplicable(self, study: Study, spec: BackendSpec, name: str) -> str | None:
        """Return why an observable has no rows on any task of the study, or None."""
        training = study.training
        non_gradient = (
            {"non_gradient": training.non_gradient} if training.non_gradient and spec.supports_non_gradient else {}
        )
        losses: set[Loss] = {entry.loss or "squared-error" for entry in study.task}
        reasons = [
            self.registry.backends.call(
                spec.name,
                "inapplicable",
                name,
                optimizer=training.optimizer,
                loss=loss,
                batch_size=training.batch_size,
                **non_gradient,
            )
            for loss in sorted(losses)
        ]
        return reasons[0] if reasons and all(reasons) else None

    def _check_labels(self, study: Study) -> None:
        labels = [reference.label for reference in study.reference]
        for i, entry in enumerate(study.subject):
            for label in entry.compare_with:
                if label not in labels:
                    message = f'no reference is labelled "{label}" (labels: {labels})'
                    self.errors.add(f"subject[{i}].compare_with", message)

    def _check_tasks(self, study: Study) -> None:
        names = [name for entry in study.task for name in (entry.name, entry.label) if name is not None]
        for i, entry in enumerate(study.subject):
            for j, name in enumerate(entry.tasks or ()):
                if name not in names:
                    message = f'the study has no task "{name}"{suggestion(name, names)} (tasks: {", ".join(names)})'
                    self.errors.add(f"subject[{i}].tasks[{j}]", message)

    def _check_quantities(self, study: Study) -> None:
        for i, name in enumerate(study.quantities or ()):
            if name not in JUDGED:
                self.errors.add(f"quantities[{i}]", _no_quantity(name))
        if study.quantities is not None and study.claim is not None:
            self.errors.add("quantities", "a study of a claim lists its quantities in claim.judge")

    def _check_claim(self, study: Study) -> None:
        """Report quantities that the theory does not predict, and controls that name no label."""
        if study.claim is None:
            return
        for i, name in enumerate(study.claim.judge):
            if name not in JUDGED:
                self.errors.add(f"claim.judge[{i}]", _no_quantity(name))
        references, subjects = ({entry.label for entry in entries} for entries in (study.reference, study.subject))
        for what, grades in study.claim.graded_controls.items():
            for label in grades.keys() - references:
                path = f"claim.graded_controls.{what}.{label}"
                self.errors.add(path, f"no reference has this label (labels: {sorted(references)})")
        for i, control in enumerate(study.claim.negative_controls):
            pair = isinstance(control, ControlPair)
            wanted: dict[str, tuple[str, set[str]]] = (
                {"subject": (control.subject, subjects), "reference": (control.reference, references)}
                if isinstance(control, ControlPair)
                else {"reference or subject": (control, references | subjects)}
            )
            for what, (label, labels) in wanted.items():
                if label not in labels:
                    path = f"claim.negative_controls[{i}]" + (f".{what}" if pair else "")
                    self.errors.add(path, f'no {what} is labelled "{label}" (labels: {sorted(labels)})')

    def _check_rate(self, study: Study) -> None:
        rate = study.training.learning_rate
        if not isinstance(rate, FractionOfMaxStable):
            return
        labels = [reference.label for reference in study.reference]
        if not labels:
            self.errors.add(
                "training.learning_rate.fraction_of_max_stable", "needs a [[reference]] whose kernel sets the limit"
            )
        elif rate.reference is not None and rate.reference not in labels:
            message = f'no reference is labelled "{rate.reference}" (labels: {labels})'
            self.errors.add("training.learning_rate.reference", message)

    def _check_layers(self, study: Study) -> None:
        depths = {architecture.depth for architecture in study.architecture}
        for i, entry in enumerate(study.subject):
            for width in entry.widths:
                if isinstance(width, tuple) and depths != {len(width)}:
                    message = f"{list(width)} gives {len(width)} widths, but depth is {sorted(depths)}"
                    self.errors.add(f"subject[{i}].widths", message)
            expanded = [entry.hidden_widths(depth) for depth in depths]
            if any(len({*widths}) < len(widths) for widths in expanded):
                self.errors.add(f"subject[{i}].widths", WIDTH_TWICE)

    def _check_optimizer(self, study: Study, methods: tuple[ResolvedMethod | None, ...]) -> None:
        wanted, offered = study.training.optimizer, {m.backend.name: m.backend.optimizers for m in methods if m}
        for name, known in offered.items():
            if wanted not in known:
                message = f'the backend "{name}" does not know "{wanted}" (known to it: {", ".join(known)})'
                self.errors.add("training.optimizer", message)

    def _check_training(self, study: Study, methods: tuple[ResolvedMethod | None, ...]) -> None:
        """Report costs, batches and early stopping that a backend does not support; a law need not stop early."""
        training = study.training
        for spec in {method.backend.name: method.backend for method in methods if method}.values():
            for i, entry in enumerate(study.task):
                if entry.loss is not None and entry.loss not in spec.losses:
                    known = ", ".join(spec.losses)
                    message = f'the backend "{spec.name}" does not know "{entry.loss}" (known to it: {known})'
                    self.errors.add(f"task[{i}].loss", message)
            if training.batch_size is not None and not spec.batches:
                self.errors.add("training.batch_size", f'the backend "{spec.name}" takes all points at every step')
            if training.non_gradient and not spec.supports_non_gradient:
                self.errors.add("training.non_gradient", f'the backend "{spec.name}" trains along gradients only')
            if (training.stop_loss or training.stop_patience) and spec.role == "subject" and not spec.stops:
                self.errors.add("training.stop_loss", f'the backend "{spec.name}" trains to the last step')

    def _metrics(self, study: Study) -> tuple[MetricSpec, ...]:
        """Return the metrics that a study lists, or else the usual ones.

        A usual one that cannot be imported is left out with a warning: no study has asked for it.
        """
        metrics = self.registry.metrics
        if study.metrics is None:
            usual = {spec: target_mistake(spec.target) for spec in metrics if spec.default}
            for spec, mistake in usual.items():
                if mistake and is_strict():
                    self.errors.add("metrics", f"{metrics.origin(spec.name)} cannot be used: {mistake}")
                elif mistake:
                    warnings.warn(f"{metrics.origin(spec.name)} is left out: {mistake}", PluginWarning, stacklevel=2)
            return tuple(spec for spec, mistake in usual.items() if not mistake)
        found = [spec for name in study.metrics if (spec := self._lookup(metrics, name, "metrics")) is not None]
        for spec in found:
            if mistake := target_mistake(spec.target):
                self.errors.add("metrics", f"{metrics.origin(spec.name)} cannot be used: {mistake}")
        return tuple(found)
