"""A cell: what is planned, cached, retried and recorded, with an identity of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ..architecture import Architecture
    from ..theory.losses import Loss
    from .specs import Estimate, Sizes, Width


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One task, split, architecture, method and (for a subject) width, with all its members, steps and metrics.

    ``references`` maps labels to the cells whose solutions this one reads; ``anchor`` is the label among them (or the
    cell's own) whose eigenvalues set the learning rate, None if the rate is absolute.
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
    dtype: Literal["float32", "float64"]
    width: Width
    members: int
    seed: int
    training: dict[str, Any]
    steps: tuple[int, ...]
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

    def identity(self) -> dict[str, Any]:
        """Return what the numbers of this cell depend on, and nothing else: see ``cell_id`` in the contract."""
        return {
            "task": [
                *(self.task, self.task_version, self.fingerprint, self.task_parameters, self.split_index),
                *(() if self.loss is None else (self.loss,)),
            ],
            "architecture": self.architecture.model_dump(mode="json"),
            "method": [self.label, self.role, self.backend, self.backend_version, self.parameters, self.dtype],
            "ensemble": [self.width, self.members, self.seed],
            "training": [self.training, list(self.steps), self.anchor],
            "measured": [sorted(self.compare_with), self.references, list(self.observe), self.metrics, self.store],
        }
