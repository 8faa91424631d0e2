"""Expand a study to cells: the units that are computed, cached, retried and recorded.

Nothing is loaded or computed here: a plan uses only the light parts of the specs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..plugin.availability import unavailable_reason
from ..plugin.cell import Cell
from ..plugin.guard import watching
from ..plugin.hashing import digest
from ..plugin.specs import Workload
from .model import SubjectEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..architecture.nodes import Architecture
    from ..plugin.registry import Registry
    from ..plugin.specs import Estimate, Sizes
    from ..theory.losses import Loss
    from .resolve import ResolvedMethod, ResolvedStudy, ResolvedTask


@dataclass(frozen=True)
class Plan:
    """The cells of a study, references before the subjects that need them, and the name of the run."""

    study: ResolvedStudy
    cells: tuple[Cell, ...]
    run_id: str
    resolved: dict[str, Any]

    def by_id(self) -> dict[str, Cell]:
        """Return the cells by their ``cell_id``."""
        return {cell.cell_id: cell for cell in self.cells}


def make_plan(study: ResolvedStudy, registry: Registry) -> Plan:
    """Expand a study to its cells."""
    expansion = _Expansion(study, registry)
    with watching():
        cells = tuple({cell.cell_id: cell for cell in expansion.cells()}.values())
    resolved = _resolved_text(study)
    return Plan(study, cells, f"{study.study.name}-{digest(resolved, 8)}", resolved)


def _resolved_text(study: ResolvedStudy) -> dict[str, Any]:
    """Return the study with every default filled in, without the keys that change no number: title, figures, pages."""
    text = study.study.model_dump(
        mode="json", by_alias=True, include={"schema_", "name", "seed", "architecture", "training", "store"}
    )
    text["task"] = [
        {**task.entry.core(), "parameters": task.parameters.model_dump(mode="json")} for task in study.tasks
    ]
    for key, methods in (("reference", study.references), ("subject", study.subjects)):
        text[key] = [
            {
                **method.entry.core(),
                "parameters": method.parameters.model_dump(mode="json"),
                **({"observe": list(method.observe)} if key == "subject" else {}),
            }
            for method in methods
        ]
    text["metrics"] = [metric.name for metric in study.metrics]
    if study.study.quantities is not None:
        text["quantities"] = list(study.study.quantities)
    if claim := study.study.claim:
        text["claim"] = claim.model_dump(mode="json", include={"id", "judge", "negative_controls"})
        if claim.graded_controls:
            text["claim"]["graded_controls"] = claim.graded_controls
    return text


@dataclass(frozen=True)
class _TaskFacts:
    """Facts that all cells of one task entry share, looked up once."""

    name: str
    label: str | None
    version: int
    fingerprint: str
    parameters: dict[str, Any]
    loss: Loss | None
    sizes: Sizes
    unavailable: str | None


def _task_facts(task: ResolvedTask, registry: Registry) -> _TaskFacts:
    spec = task.spec
    return _TaskFacts(
        name=spec.name,
        label=task.entry.label,
        version=spec.version,
        fingerprint=registry.tasks.call(spec.name, "fingerprint", task.parameters),
        parameters=task.parameters.model_dump(mode="json"),
        loss=task.entry.loss,
        sizes=registry.tasks.call(spec.name, "sizes", task.parameters),
        unavailable=unavailable_reason(spec, registry),
    )


@dataclass(frozen=True)
class _Place:
    """A cell's position in the study's product: its problem, architecture and widths."""

    task: _TaskFacts
    split_index: int
    architecture: Architecture
    hidden_widths: tuple[int, ...] | None = None


def _members(place: _Place, method: ResolvedMethod) -> int:
    return method.entry.members_at(place.hidden_widths) if isinstance(method.entry, SubjectEntry) else 0


class _Expansion:
    def __init__(self, study: ResolvedStudy, registry: Registry) -> None:
        self.study, self.registry = study, registry
        self.training = study.study.training.as_training(batch_seed=study.study.seed)

    def cells(self) -> Iterator[Cell]:
        for resolved in self.study.tasks:
            task = _task_facts(resolved, self.registry)
            for split_index in range(resolved.entry.splits):
                for architecture in self.study.study.architecture:
                    yield from self._problem_cells(_Place(task, split_index, architecture))

    def _problem_cells(self, place: _Place) -> Iterator[Cell]:
        """Yield the cells of one problem: the anchor first, then the other references, then the subjects."""
        solved: dict[str, str] = {}
        ordered = sorted(self.study.references, key=lambda method: method.entry.label != self.study.anchor)
        for reference in ordered:
            cell = self._cell(place, reference, self._anchor_of(solved))
            solved[reference.entry.label] = cell.cell_id
            yield cell
        for subject in self.study.subjects:
            assert isinstance(subject.entry, SubjectEntry)
            if not subject.entry.learns(place.task.name, place.task.label):
                continue
            needed = {label: solved[label] for label in subject.entry.compare_with}
            for widths in subject.entry.hidden_widths(place.architecture.depth):
                here = replace(place, hidden_widths=widths)
                yield self._cell(here, subject, self._anchor_of(solved) | needed)

    def _anchor_of(self, solved: dict[str, str]) -> dict[str, str]:
        anchor = self.study.anchor
        return {anchor: solved[anchor]} if anchor in solved else {}

    def _cell(self, place: _Place, method: ResolvedMethod, references: dict[str, str]) -> Cell:
        study, task, entry, backend = self.study.study, place.task, method.entry, method.backend
        cell = Cell(
            study=study.name,
            task=task.name,
            task_version=task.version,
            fingerprint=task.fingerprint,
            task_parameters=task.parameters,
            loss=task.loss,
            split_index=place.split_index,
            architecture=place.architecture,
            label=entry.label,
            role=backend.role,
            backend=backend.name,
            backend_version=backend.version,
            parameters=method.parameters.model_dump(mode="json"),
            facts=method.facts,
            dtype=entry.dtype,
            hidden_widths=place.hidden_widths,
            members=_members(place, method),
            seed=study.seed,
            training=self.training,
            anchor=self.study.anchor,
            compare_with=tuple(getattr(entry, "compare_with", ())),
            references=references,
            observe=method.observe,
            metrics={metric.name: metric.version for metric in self.study.metrics},
            store=study.store.model_dump(mode="json"),
            sizes=task.sizes,
            estimate=self._estimate(place, method),
        )
        cell = replace(cell, cell_id=digest(cell.identity(), 16))
        reason = task.unavailable or unavailable_reason(backend, self.registry)
        reason = reason or self.registry.backends.call(backend.name, "supports", place.architecture)
        return replace(cell, skip=reason or self._skip_reason(cell))

    def _estimate(self, place: _Place, method: ResolvedMethod) -> Estimate:
        training = self.training
        workload = Workload(
            sizes=place.task.sizes,
            architecture=place.architecture,
            hidden_widths=place.hidden_widths,
            members=_members(place, method),
            steps=int(training.steps[-1]),
            records=len(training.steps),
            optimizer=training.optimizer,
            batch_size=training.batch_size,
            dtype=method.entry.dtype,
            observe=method.observe,
            parameters=method.parameters,
        )
        estimate: Estimate = self.registry.backends.call(method.backend.name, "estimate", workload)
        return estimate

    def _skip_reason(self, cell: Cell) -> str | None:
        """Return the first reason that a plugin has; one that fails is passed over, unless it is the user's own."""
        for _, reason in self.registry.call("ntkbench_skip_cell", raising=True, cell=cell):
            return str(reason)
        return None
