"""Solve one cell, from its problem to the columns of its tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NtkbenchError, PluginError
from ..plugin.availability import require_available
from ..plugin.outcome import Outcome
from ..plugin.types import Request
from ..store.solution_cache import load_solution, save_solution
from ..theory.input_geometry import input_geometry
from .check import check_solution
from .data import load_problem
from .memory import peak_memory_bytes, reset_peak_memory
from .tables import all_tables

if TYPE_CHECKING:
    from ..plugin.cell import Cell
    from ..plugin.job import Job, WorkerConfig
    from ..plugin.registry import Registry
    from ..plugin.types import Problem, Solution, Training

ProgressCallback = Callable[[float, float], None]


def run_job(job: Job, registry: Registry, config: WorkerConfig, progress: ProgressCallback) -> Outcome:
    """Solve a job's cell. An exception, exits included, becomes the outcome's status and reason."""
    started, clock = time.time(), time.perf_counter()
    reset_peak_memory()
    try:
        status, reason, facts, tables = _solve(job, registry, config, progress)
        outcome: dict[str, Any] = {"status": status, "reason": reason, "facts": facts, "tables": tables}
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        outcome = _failure(error)
        if outcome["log"] and job.cell.backend in registry.backends:
            blamed = str(error) if isinstance(error, PluginError) else registry.backends.origin(job.cell.backend)
            outcome["log"] = f"{blamed}\n{outcome['log']}"
    return Outcome(
        **outcome,
        started_at=started,
        wall_seconds=time.perf_counter() - clock,
        peak_memory_bytes=peak_memory_bytes(),
    )


def _solve(job: Job, registry: Registry, config: WorkerConfig, progress: ProgressCallback) -> tuple[Any, ...]:
    cell: Cell = job.cell
    problem = load_problem(cell, registry)
    references = {label: load_solution(Path(job.solutions), key) for label, key in cell.references.items()}
    spec = registry.backends.get(cell.backend)
    require_available(spec, registry)
    model, solve = registry.backends.parameters_of(cell.backend), registry.backends.imported(cell.backend)
    request = _request(job, problem, references, model, config, progress)
    with redirect_stdout(sys.stderr):
        solution: Solution = solve(request)
    check_solution(registry.backends.origin(cell.backend), cell.role, request, solution)
    if cell.role == "subject" and solution.training is None:
        solution = replace(solution, training=request.training)
    if cell.role == "reference":
        save_solution(Path(job.solutions), cell.cell_id, solution)
    status, reason = _verdict(cell, solution)
    facts = _facts(problem, solution)
    tables = {} if job.key is None else all_tables(cell, problem, solution, references, registry, job.key)
    return status, reason, facts, tables


def _request(
    job: Job,
    problem: Problem,
    references: dict[str, Solution],
    model: Any,
    config: WorkerConfig,
    progress: ProgressCallback,
) -> Request:
    cell: Cell = job.cell
    return Request(
        problem=problem,
        architecture=cell.architecture,
        training=_training(cell, references),
        parameters=model.model_validate(cell.parameters),
        hidden_widths=cell.hidden_widths,
        members=cell.members,
        seed=cell.seed,
        observe=frozenset(cell.observe),
        references={label: references[label] for label in cell.compare_with},
        device=config.device,
        dtype=cell.dtype,
        threads=config.threads,
        scratch=Path(job.scratch),
        progress=progress,
    )


def _training(cell: Cell, references: dict[str, Solution]) -> Training:
    """Return the training with the rate that the anchor's solution reached; the anchor itself resolves its own."""
    if cell.anchor is None or cell.anchor not in references:
        return cell.training
    rate = references[cell.anchor].learning_rate
    if rate is None:
        raise NtkbenchError(
            f'reference "{cell.anchor}" cannot set the learning rate: its backend reports no largest eigenvalue; '
            "give an absolute learning_rate, or another reference in training.learning_rate"
        )
    return replace(cell.training, learning_rate=rate, fraction_of_max_stable=None)


def _verdict(cell: Cell, solution: Solution) -> tuple[str, str | None]:
    if solution.diverged_at is None or cell.members == 0:
        return "ok", None
    lost = np.asarray(solution.diverged_at)
    count = int((lost >= 0).sum())
    if count == cell.members:
        return "diverged", f"all {count} members diverged, the last by step {int(lost.max())}"
    return "ok", f"{count} of {cell.members} members diverged" if count else None


def _facts(problem: Problem, solution: Solution) -> dict[str, Any]:
    """Return the columns of the ``cells`` row that are known only after solving."""
    return {
        "n_train": len(problem.x_train),
        "n_test": len(problem.x_test),
        "n_features": problem.x_train.shape[1],
        "n_outputs": problem.y_train.shape[1],
        **input_geometry(problem.x_train)._asdict(),
        "loss": problem.loss,
        "target_scale": None if problem.target_std is None else problem.target_std.tolist(),
        "learning_rate": None if solution.learning_rate is None else float(solution.learning_rate),
        "parameters": None if solution.parameters is None else index(solution.parameters),
        "compile_seconds": None if solution.compile_seconds is None else float(solution.compile_seconds),
    }


def _failure(error: BaseException) -> dict[str, Any]:
    """Return an exception as status, reason and log; the log has its traceback, unless it is a user's mistake."""
    import traceback

    cause = error.__cause__ if isinstance(error, PluginError) and error.__cause__ else error
    memory = isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError" or _names_memory(cause)
    text = (str(error) or type(error).__name__).encode(errors="backslashreplace").decode()
    return {
        "status": "out_of_memory" if memory else "failed",
        "reason": text.splitlines()[0] if isinstance(error, NtkbenchError) else f"{type(error).__name__}: {text}",
        "exception_type": type(error).__name__,
        "exception_message": text,
        "log": "" if isinstance(cause, NtkbenchError) else "".join(traceback.format_exception(cause)),
    }


def _names_memory(error: BaseException) -> bool:
    """Return whether a RuntimeError of torch or XLA means that an allocation failed."""
    text = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "RESOURCE_EXHAUSTED" in text)
