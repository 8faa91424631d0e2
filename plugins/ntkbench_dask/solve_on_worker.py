"""The task of a cell on a Dask worker: solve it in a process of its own, and report how it goes."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
from dask.sizeof import sizeof
from distributed import get_worker

from ntkbench.plugin import Finished, NtkbenchError, Outcome, Progressed

from .slots import slot_of_thread
from .solution_files import SolutionFiles

if TYPE_CHECKING:
    from distributed import Worker

    from ntkbench.plugin.cell import Cell
    from ntkbench.plugin.executor import Slot
    from ntkbench.plugin.job import Job, WorkerConfig

_TICK_SECONDS = 0.2
_PROGRESS_SECONDS = 1.0


class TaskCancelledError(Exception):
    """Dask has cancelled the task; its process has ended."""


class LostSolutionError(Exception):
    """A reference's solution was lost with its worker, and could not be computed again."""


@dataclass(frozen=True)
class RunOnWorker:
    """What all cells of a run share. ``local``: the worker is the runner's own process and has its files."""

    name: str
    config: WorkerConfig
    timeout: float | None
    slot: Slot
    local: bool


@dataclass(frozen=True)
class Solved:
    """A cell's outcome, its tables as Arrow bytes; and the solution of a reference, which stays with Dask."""

    outcome: Outcome
    tables: dict[str, bytes]
    solution: SolutionFiles | None = None

    def whole(self) -> Outcome:
        """Return the outcome with its tables."""
        tables = {name: pa.ipc.open_stream(data).read_all() for name, data in self.tables.items()}
        return replace(self.outcome, tables=tables)


def solutions_read(cell: Cell) -> tuple[str, ...]:
    """Return the references whose solutions a cell reads, each once."""
    return tuple(dict.fromkeys(cell.references.values()))


def solve_on_worker(run: RunOnWorker, job: Job, *read: Solved | SolutionFiles) -> Solved:
    """Solve a cell; ``read`` are the solutions named by :func:`solutions_read`, as Dask has them.

    :raises TaskCancelledError: if Dask cancels the task.
    :raises LostSolutionError: if a reference was lost, and did not end well when Dask computed it again.
    """
    worker = get_worker()
    _tell(worker, run, "started", job)
    folder = _folder(worker, run)
    if run.local:
        outcome = _solve(worker, run, job, folder)
        solution = SolutionFiles(Path(job.solutions) / job.cell.cell_id) if _keeps(job, outcome) else None
        return _solved(outcome, solution)
    own = folder / uuid4().hex
    try:
        own.mkdir()
        outcome = _solve(worker, run, _on_this_machine(folder, own, job, read), folder)
        kept = folder / uuid4().hex
        if _keeps(job, outcome):
            (own / job.cell.cell_id).rename(kept)
        return _solved(outcome, SolutionFiles(kept, owned=True) if kept.exists() else None)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _keeps(job: Job, outcome: Outcome) -> bool:
    return job.readers > 0 and job.cell.role == "reference" and outcome.status == "ok"


def _solved(outcome: Outcome, solution: SolutionFiles | None) -> Solved:
    tables = {name: _arrow_bytes(table) for name, table in outcome.tables.items()}
    return Solved(replace(outcome, tables={}), tables, solution)


def read_outcome(key: str, dask_worker: Worker) -> Outcome:
    """Return the outcome of a cell whose solution is on this worker.

    :raises KeyError: if it is not.
    """
    solved: Solved = dask_worker.data[key]
    return solved.whole()


def _solve(worker: Worker, run: RunOnWorker, job: Job, folder: Path) -> Outcome:
    """Return the outcome of a cell, solved in a process of its own."""
    key = worker.get_current_task()
    new_slot = partial(run.slot, _config_here(run.config), run.timeout, folder)
    try:
        with slot_of_thread(run.name, new_slot) as slot:
            slot.submit(job)
            told = time.monotonic()
            while True:
                for event in slot.events(_TICK_SECONDS):
                    if isinstance(event, Finished):
                        return event.outcome
                    if isinstance(event, Progressed) and time.monotonic() - told > _PROGRESS_SECONDS:
                        told = time.monotonic()
                        _tell(worker, run, "progressed", job, fraction=event.fraction)
                task = worker.state.tasks.get(key)
                if task is None or task.state == "cancelled":
                    raise TaskCancelledError(key)
    except NtkbenchError as error:  # no process could start
        return Outcome(status="crashed", reason=str(error))


def _tell(worker: Worker, run: RunOnWorker, event: str, job: Job, **details: Any) -> None:
    worker.log_event(run.name, {"event": event, "cell_id": job.cell.cell_id, "worker": worker.address, **details})


def _folder(worker: Worker, run: RunOnWorker) -> Path:
    folder = Path(worker.local_directory) / run.name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _on_this_machine(folder: Path, own: Path, job: Job, read: tuple[Solved | SolutionFiles, ...]) -> Job:
    """Return the job with ``own`` as its folder, in which the solutions that it reads are."""
    for cell_id, found in zip(solutions_read(job.cell), read, strict=True):
        files = found.solution if isinstance(found, Solved) else found
        if files is None:
            assert isinstance(found, Solved)
            raise LostSolutionError(f"computed again, it ended as {found.outcome.status}: {found.outcome.reason}")
        (own / cell_id).symlink_to(files.folder(folder / uuid4().hex), target_is_directory=True)
    return replace(job, solutions=str(own), scratch=str(own / "checkpoints"))


def _config_here(config: WorkerConfig) -> WorkerConfig:
    """Return the configuration without the runner's folder of data, unless this machine has it, too."""
    there = config.data_dir is None or Path(config.data_dir).is_dir()
    return config if there else replace(config, data_dir=None)


def _arrow_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


@sizeof.register(Solved)  # type: ignore[untyped-decorator]
def _sizeof(solved: Solved) -> int:
    return sum(map(len, solved.tables.values())) + (sizeof(solved.solution) if solved.solution else 0)
