"""The executor ``dask``: submit cells to a cluster, follow them, and run again what was lost with a worker."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from distributed import KilledWorker

from ntkbench.plugin import Finished, NtkbenchError, Outcome, Progressed, Started

from .cluster import Cluster
from .solve_on_worker import LostSolutionError, RunOnWorker, TaskCancelledError
from .tasks import EndedTask, Tasks

if TYPE_CHECKING:
    from ntkbench.plugin.executor import Event, ExecutorContext
    from ntkbench.plugin.job import Job

_TRIES = 3
_PAUSE_SECONDS = 0.2
_SHORT_SECONDS = 5.0
# What ended a task says nothing about its cell: Dask cancelled it, or lost what it reads.
_LOSSES = (asyncio.CancelledError, concurrent.futures.CancelledError, TaskCancelledError, KilledWorker)


def start(context: ExecutorContext) -> DaskExecutor:
    """Return the executor, connected to a cluster that has at least one worker for cells.

    :raises NtkbenchError: if there is no scheduler, or no such worker.
    """
    executor = DaskExecutor(context)
    try:
        executor.wait_for_worker()
    except BaseException:
        executor.close()
        raise
    return executor


class DaskExecutor:
    """Submits each cell as one task; what Dask and its workers say arrives in one queue."""

    def __init__(self, context: ExecutorContext) -> None:
        self._options = context.options
        name = f"ntkbench-{uuid4().hex[:12]}"
        self._cluster = Cluster(context, name)
        self._news: queue.SimpleQueue[dict[str, Any] | EndedTask] = queue.SimpleQueue()
        run = RunOnWorker(name, context.config, context.timeout, context.slot, self._cluster.is_local)
        self._tasks = Tasks(self._cluster, run, self._news.put)
        self._jobs: dict[str, Job] = {}  # submitted and not ended
        self._starts: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._ended_cells, self._seconds = 0, 0.0  # how many have ended, and the time they took
        self._without_worker: float | None = None
        self._cluster.client.subscribe_topic(name, lambda event: self._news.put(event[1]))

    def wait_for_worker(self) -> None:
        """Wait until a worker can run cells.

        :raises NtkbenchError: if there is none in time, or all that are there cannot.
        """
        while True:
            self._check_cluster()
            if self._cluster.cells():
                return
            if self._cluster.is_unsuitable():
                raise NtkbenchError(f"{self._no_worker()}: {self._cluster.idle_reason()}")
            time.sleep(_PAUSE_SECONDS)

    def _no_worker(self) -> str:
        return f"no worker of the Dask cluster at {self._cluster.address} can run cells"

    def free(self) -> int:
        """Return how many more cells to submit. While cells are short, workers find the next one waiting."""
        cells = self._cluster.cells()
        short = self._ended_cells > 0 and self._seconds < _SHORT_SECONDS * self._ended_cells
        return max(0, cells + (cells // 4 + 1 if short else 0) - len(self._jobs))

    def submit(self, job: Job) -> bool:
        """Submit a cell; it starts when a worker has room for it."""
        cell_id = job.cell.cell_id
        self._starts[cell_id] = self._losses[cell_id] = 0
        self._jobs[cell_id] = job
        self._tasks.send_missing([job])
        return False

    def events(self, timeout: float) -> list[Event]:
        """Return what happened.

        :raises NtkbenchError: if nothing happened, and the scheduler has gone, or all workers for too long.
        """
        self._cluster.look()
        self._cluster.warn()
        found = [event for news in self._taken(timeout) for event in self._event_of(news)]
        if not found:
            self._check_cluster()
        self._tasks.send_missing(self._jobs.values())
        return found

    def _taken(self, timeout: float) -> list[dict[str, Any] | EndedTask]:
        """Return all news, after waiting for the first up to ``timeout`` seconds."""
        found = []
        try:
            found.append(self._news.get(timeout=timeout))
            while True:
                found.append(self._news.get_nowait())
        except queue.Empty:
            return found

    def _event_of(self, news: dict[str, Any] | EndedTask) -> list[Event]:
        if isinstance(news, EndedTask):
            return self._ended(news)
        cell_id = news["cell_id"]
        if cell_id not in self._jobs:
            return []
        if news["event"] == "progressed":
            return [Progressed(cell_id, news["fraction"])]
        self._starts[cell_id] += 1
        return [Started(cell_id)] if self._starts[cell_id] <= _TRIES else self._end(cell_id, _lost(_TRIES))

    def _ended(self, ended: EndedTask) -> list[Event]:
        cell_id, error = ended.cell_id, ended.error
        if not self._tasks.is_current(ended):
            return []
        if ended.outcome is not None:
            return self._end(cell_id, ended.outcome)
        if isinstance(error, LostSolutionError | FileNotFoundError):
            return self._end(cell_id, Outcome(status="failed", reason=f"a solution that it reads was lost: {error}"))
        if not isinstance(error, _LOSSES):
            first = (str(error).splitlines() or [""])[0]
            return self._end(cell_id, Outcome(status="failed", reason=f"Dask: {type(error).__name__}: {first}"))
        self._tasks.drop(cell_id)  # it is sent again
        if self._cluster.is_lost():
            return []
        self._losses[cell_id] += 1
        return self._end(cell_id, _lost(_TRIES)) if self._losses[cell_id] >= _TRIES else []

    def _end(self, cell_id: str, outcome: Outcome) -> list[Event]:
        del self._jobs[cell_id]
        self._tasks.drop(cell_id)
        self._ended_cells, self._seconds = self._ended_cells + 1, self._seconds + (outcome.wall_seconds or 0.0)
        if outcome.status != "ok":
            self._tasks.release(cell_id)
        return [Finished(cell_id, outcome)]

    def _check_cluster(self) -> None:
        """Raise if no cell can finish any more."""
        if self._cluster.is_lost():
            raise NtkbenchError(
                f"the Dask scheduler at {self._cluster.address} was lost; rerun the command to continue"
            )
        self._cluster.look()
        if self._cluster.cells():
            self._without_worker = None
            return
        self._without_worker = self._without_worker or time.monotonic()
        if time.monotonic() - self._without_worker > self._options.wait:
            waited = f", after {self._options.wait:g} s"
            raise NtkbenchError(f"{self._no_worker()}{waited}: {self._cluster.idle_reason()}")

    def release(self, cell_id: str) -> None:
        """Let Dask free a solution."""
        self._tasks.release(cell_id)

    def close(self) -> None:
        """Cancel all tasks, which ends their processes, and leave the cluster."""
        self._jobs.clear()
        self._tasks.cancel()
        self._cluster.close()


def _lost(times: int) -> Outcome:
    return Outcome(status="crashed", reason=f"its Dask worker was lost, {times} times in a row")
