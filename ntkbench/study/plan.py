"""A study becomes cells: what is computed, cached, retried and recorded, each with an identity of its own.

Nothing is loaded or computed here: a plan is made from the light parts of the specs alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import PluginError
from ..hashing import digest
from ..plugin.cell import Cell
from ..plugin.registry import unavailable_reason
from ..plugin.specs import Workload
from .model import FractionOfMaxStable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..architecture.nodes import Architecture
    from ..plugin.registry import Registry
    from ..plugin.specs import Sizes, Width
    from ..theory.losses import Loss
    from .resolve import ResolvedMethod, ResolvedStudy, ResolvedTask


_LATER_KEYS = ("momentum", "batch_size", "non_gradient", "stop_loss", "stop_patience")


@dataclass(frozen=True)
class Plan:
    """The cells of a study, references before the subjects that need them, and the run's own name."""

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
    cells = tuple({cell.cell_id: cell for cell in expansion.cells()}.values())
    resolved = _resolved_text(study)
    return Plan(study, cells, f"{study.study.name}-{digest(resolved, 8)}", resolved)


def _resolved_text(study: ResolvedStudy) -> dict[str, Any]:
    """Return the study with every default filled in; title, description, figures and pages do not change what it is."""
    text = study.study.model_dump(
        mode="json", by_alias=True, include={"schema_", "name", "seed", "architecture", "training", "store"}
    )
    for name in (*_LATER_KEYS, "time"):  # as in the cells: runs from before they were known keep their name
        if not getattr(study.study.training, name):
            del text["training"][name]
    if study.study.training.spacing == "linear":
        del text["training"]["spacing"]
    text["task"] = [
        {
            **{key: value for key, value in task.entry.core().items() if key != "loss" or value is not None},
            "parameters": task.parameters.model_dump(mode="json"),
        }
        for task in study.tasks
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
    if claim := study.study.claim:
        text["claim"] = claim.model_dump(mode="json", include={"id", "judge", "negative_controls"})
    return text


@dataclass(frozen=True)
class _TaskFacts:
    """What all cells of one task entry share, asked for once."""

    name: str
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
        version=spec.version,
        fingerprint=spec.fingerprint(task.parameters),
        parameters=task.parameters.model_dump(mode="json"),
        loss=task.entry.loss,
        sizes=spec.sizes(task.parameters),
        unavailable=unavailable_reason(spec, registry),
    )


class _Expansion:
    def __init__(self, study: ResolvedStudy, registry: Registry) -> None:
        self.study, self.registry = study, registry
        training = study.study.training
        self.steps = training.recorded_steps()
        rate = training.learning_rate
        self.training = {
            "optimizer": training.optimizer,
            "learning_rate": None if isinstance(rate, FractionOfMaxStable) else rate,
            "fraction_of_max_stable": rate.fraction_of_max_stable if isinstance(rate, FractionOfMaxStable) else None,
        }
        for name in _LATER_KEYS:  # keys only where they say something: cell_ids from before they were known stay
            if value := getattr(training, name):
                self.training[name] = value

    def cells(self) -> Iterator[Cell]:
        for resolved in self.study.tasks:
            task = _task_facts(resolved, self.registry)
            for split_index in range(resolved.entry.splits):
                for architecture in self.study.study.architecture:
                    yield from self._problem_cells(task, split_index, architecture)

    def _problem_cells(self, task: _TaskFacts, split_index: int, architecture: Architecture) -> Iterator[Cell]:
        """Yield the cells of one problem: the anchor first, then the other references, then the subjects."""
        solved: dict[str, str] = {}
        ordered = sorted(self.study.references, key=lambda method: method.entry.label != self.study.anchor)
        for reference in ordered:
            cell = self._cell(task, split_index, architecture, reference, None, self._anchor_of(solved))
            solved[reference.entry.label] = cell.cell_id
            yield cell
        for subject in self.study.subjects:
            needed = {label: solved[label] for label in subject.entry.compare_with}  # type: ignore[union-attr]
            for width in dict.fromkeys(subject.entry.widths if architecture.depth else (None,)):  # type: ignore[union-attr]
                yield self._cell(task, split_index, architecture, subject, width, self._anchor_of(solved) | needed)

    def _anchor_of(self, solved: dict[str, str]) -> dict[str, str]:
        anchor = self.study.anchor
        return {anchor: solved[anchor]} if anchor in solved else {}

    def _cell(
        self,
        task: _TaskFacts,
        split_index: int,
        architecture: Architecture,
        method: ResolvedMethod,
        width: Width,
        references: dict[str, str],
    ) -> Cell:
        study, entry, backend = self.study.study, method.entry, method.backend
        members = getattr(entry, "members", 0)
        cell = Cell(
            study=study.name,
            task=task.name,
            task_version=task.version,
            fingerprint=task.fingerprint,
            task_parameters=task.parameters,
            loss=task.loss,
            split_index=split_index,
            architecture=architecture,
            label=entry.label,
            role=backend.role,
            backend=backend.name,
            backend_version=backend.version,
            parameters=method.parameters.model_dump(mode="json"),
            dtype=entry.dtype,
            width=width,
            members=members,
            seed=study.seed,
            training=self.training,
            steps=self.steps,
            anchor=self.study.anchor,
            compare_with=tuple(getattr(entry, "compare_with", ())),
            references=references,
            observe=method.observe,
            metrics={metric.name: metric.version for metric in self.study.metrics},
            store=study.store.model_dump(mode="json"),
            sizes=task.sizes,
            estimate=backend.estimate(
                Workload(
                    sizes=task.sizes,
                    architecture=architecture,
                    width=width,
                    members=members,
                    steps=self.steps[-1],
                    records=len(self.steps),
                    optimizer=study.training.optimizer,
                    batch_size=study.training.batch_size,
                    dtype=entry.dtype,
                    observe=method.observe,
                    parameters=method.parameters,
                )
            ),
        )
        reason = task.unavailable or unavailable_reason(backend, self.registry) or backend.supports(architecture)
        cell = replace(cell, cell_id=digest(cell.identity(), 16))
        return replace(cell, skip=reason or self._skip_reason(cell))

    def _skip_reason(self, cell: Cell) -> str | None:
        try:
            reason = self.registry.hook.ntkbench_skip_cell(cell=cell)
        except Exception as error:
            raise PluginError(f"a plugin's ntkbench_skip_cell failed: {error!r}") from error
        return None if reason is None else str(reason)
