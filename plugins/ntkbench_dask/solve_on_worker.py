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
from distributed import get_worker

from ntkbench.plugin import Finished, NtkbenchError, Outcome, Progressed

from .slots import slot_of_thread
from .solution_files import SolutionFiles

if TYPE_CHECKING:
    from distributed import Worker

    from ntkbench.plugin.cell import Cell
    from ntkbench.plugin.executor import Executor, Slot
    from ntkbench.plugin.job import Job, WorkerConfig

_TICK_SECONDS = 0.2
_PROGRESS_SECONDS = 1.0


class TaskCancelledError(Exception):
    """Dask has cancelled the task; its process has ended."""


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
    """
    worker = get_worker()
    _tell(worker, run, "started", job)
    folder = _folder(worker, run)
    if not run.local:
        job = _on_this_machine(folder, job, [each.solution if isinstance(each, Solved) else each for each in read])
    with slot_of_thread(run.name, partial(run.slot, _config_here(run.config), run.timeout, folder)) as slot:
        outcome = _solve(worker, run, job, slot)
    solution = None
    if job.cell.role == "reference" and outcome.status == "ok":
        solution = SolutionFiles(Path(job.solutions) / job.cell.cell_id, owned=not run.local)
    elif not run.local:
        shutil.rmtree(job.solutions, ignore_errors=True)
    tables = {name: _arrow_bytes(table) for name, table in outcome.tables.items()}
    return Solved(replace(outcome, tables={}), tables, solution)


def read_outcome(key: str, dask_worker: Worker) -> Outcome:
    """Return the outcome of a cell whose solution is on this worker.

    :raises KeyError: if it is not.
    """
    solved: Solved = dask_worker.data[key]
    return solved.whole()


def _solve(worker: Worker, run: RunOnWorker, job: Job, slot: Executor) -> Outcome:
    """Wait for the outcome of a cell in its process."""
    key, told = worker.get_current_task(), time.monotonic()
    try:
        slot.submit(job)
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


def _on_this_machine(folder: Path, job: Job, solutions: list[SolutionFiles | None]) -> Job:
    """Return the job with folders of this machine, in which the solutions that it reads are."""
    own = folder / uuid4().hex
    own.mkdir()
    for cell_id, files in zip(solutions_read(job.cell), solutions, strict=True):
        assert files is not None  # only a reference that has ended well has readers
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
