"""A cell: the unit that is planned, cached, retried and recorded. Each has its own identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .specs import common_width

if TYPE_CHECKING:
    from ..architecture import Architecture
    from ..theory.losses import Loss
    from .specs import Estimate, MethodFacts, Sizes
    from .types import Training


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One task, split, architecture, method and, for a subject, widths; with all its members, steps and metrics.

    ``hidden_widths`` has one width per hidden layer; it is None for infinite width and () without hidden layers.
    ``references`` maps labels to the cells whose solutions this one reads. ``anchor`` is the label of the reference
    whose eigenvalues set the learning rate (one of those, or the cell's own); None if the rate is absolute.
    """

    study: str
    task: str
    task_version: int
    fingerprint: str
    task_parameters: dict[str, Any]
    loss: Loss | None
    split_index: int
    architecture: Architecture
    label: str
    role: Literal["reference", "subject"]
    backend: str
    backend_version: int
    parameters: dict[str, Any]
    facts: MethodFacts
    dtype: Literal["float32", "float64"]
    hidden_widths: tuple[int, ...] | None
    members: int
    seed: int
    training: Training
    anchor: str | None
    compare_with: tuple[str, ...]
    references: dict[str, str]
    observe: tuple[str, ...]
    metrics: dict[str, int]
    store: dict[str, Any]
    sizes: Sizes
    estimate: Estimate
    skip: str | None = None
    cell_id: str = ""

    @property
    def width(self) -> int | None:
        """The width that all hidden layers share, or None."""
        return common_width(self.hidden_widths)

    def identity(self) -> dict[str, Any]:
        """Return everything that the numbers of this cell depend on, and nothing else: ``cell_id`` is its hash."""
        widths = None if self.hidden_widths is None else list(self.hidden_widths)
        return {
            "task": [self.task, self.task_version, self.fingerprint, self.task_parameters, self.loss, self.split_index],
            "architecture": self.architecture.model_dump(mode="json"),
            "method": [self.label, self.role, self.backend, self.backend_version, self.parameters, self.dtype],
            "ensemble": [widths, self.members, self.seed],
            "training": [self.training.as_json(), self.anchor],
            "measured": [sorted(self.compare_with), self.references, list(self.observe), self.metrics, self.store],
        }
