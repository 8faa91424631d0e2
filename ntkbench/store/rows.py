"""The row of a cell in the table ``cells``: its plan and its outcome."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from ..plugin.hashing import canonical_json

if TYPE_CHECKING:
    from ..plugin.cell import Cell
    from ..plugin.outcome import Outcome

_INPUTS = ("distinct_inputs", "input_norm", "antipodal_pairs")
_KNOWN_ONCE_SOLVED = ("parameters", "loss", "target_scale", "compile_seconds", *_INPUTS)


class SolvedOn(Protocol):
    """The worker that solved a cell, for the cell's row."""

    @property
    def device(self) -> str:
        """Return the device that the backend computed on."""

    @property
    def threads(self) -> int:
        """Return how many threads the numerical libraries used."""


def cell_row(cell: Cell, outcome: Outcome, config: SolvedOn, env_id: str) -> dict[str, Any]:
    """Return a row of ``cells`` without its key columns."""
    started = outcome.started_at
    row = {
        **_planned(cell),
        "device": config.device,
        "threads": config.threads,
        "status": outcome.status,
        "reason": outcome.reason,
        "exception_type": outcome.exception_type,
        "exception_message": outcome.exception_message,
        "exit_signal": outcome.exit_signal,
        "wall_seconds": outcome.wall_seconds,
        "peak_memory_bytes": outcome.peak_memory_bytes,
        "started_at": None if started is None else datetime.fromtimestamp(started, UTC),
        "env_id": env_id,
    }
    unknown = dict.fromkeys(_KNOWN_ONCE_SOLVED)
    return {**unknown, **row, **{key: value for key, value in outcome.facts.items() if value is not None}}


def _planned(cell: Cell) -> dict[str, Any]:
    """Return the columns that are known before a cell runs."""
    architecture, sizes, facts, training = cell.architecture, cell.sizes, cell.facts, cell.training
    widths = cell.hidden_widths
    return {
        "study": cell.study,
        "label": cell.label,
        "role": cell.role,
        "task": cell.task,
        "task_version": cell.task_version,
        "split_index": cell.split_index,
        "backend": cell.backend,
        "backend_version": cell.backend_version,
        "kernel": facts.kernel,
        "ridge": facts.ridge,
        "depth": architecture.depth,
        "width": min(widths) if widths else None,
        "widths": list(widths) if widths else None,
        "activation": architecture.activation,
        "parameterization": architecture.parameterization,
        "weight_std": architecture.weight_std,
        "bias_std": architecture.bias_std,
        "output_scale": facts.output_scale,
        "trained_layers": facts.trained_layers,
        "learning_rate_multiplier": facts.learning_rate_multiplier,
        "deviations": list(facts.deviations),
        "members": cell.members or None,
        "n_train": sizes.n_train,
        "n_test": sizes.n_test,
        "n_features": sizes.n_features,
        "n_outputs": sizes.n_outputs,
        "loss": cell.loss,
        "optimizer": training.optimizer,
        "learning_rate": training.learning_rate,
        "steps": int(training.steps[-1]),
        "task_params_json": canonical_json(cell.task_parameters),
        "backend_params_json": canonical_json(cell.parameters),
        "training_json": canonical_json(training.as_json()),
        "seed": cell.seed,
        "dtype": cell.dtype,
    }
