"""The executor ``dask``: submit cells to a cluster, follow them, and run again what was lost with a worker."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from distributed import KilledWorker, wait

from ntkbench.plugin import Finished, NtkbenchError, Outcome, Progressed, Started

from .cluster import Cluster, Need
from .solution_files import SolutionFiles
from .solve_on_worker import (
    LostSolutionError,
    RunOnWorker,
    TaskCancelledError,
    read_outcome,
    solutions_read,
    solve_on_worker,
)

if TYPE_CHECKING:
    from distributed import Future

    from ntkbench.plugin.executor import Event, ExecutorContext
    from ntkbench.plugin.job import Job

_TRIES = 3
_PAUSE_SECONDS = 0.2
_SCATTER_SECONDS = 5
_SHORT_SECONDS = 5.0
_GONE = ("cancelled", "lost", "error")
# What ended a task says nothing about its cell: Dask cancelled it, or lost what it reads.
_LOSSES = (asyncio.CancelledError, concurrent.futures.CancelledError, TaskCancelledError, KilledWorker)


@dataclass(frozen=True)
class _Sent:
    """A job as Dask has it: a task, and what it asks for of its worker."""

    job: Job
    future: Future[Any]
    need: Need


@dataclass(frozen=True)
class _Ended:
    """A task has ended with an outcome, or has failed as a task."""

    cell_id: str
    future: Future[Any]
    outcome: Outcome | None
    error: BaseException | None = None


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
        self._client = self._cluster.client
        self._run = RunOnWorker(name, context.config, context.timeout, context.slot, self._cluster.is_local)
        self._news: queue.SimpleQueue[dict[str, Any] | _Ended] = queue.SimpleQueue()
        self._jobs: dict[str, Job] = {}  # submitted and not ended
        self._sent: dict[str, _Sent] = {}  # of these, those that Dask has
        self._references: dict[str, _Sent] = {}  # solved in this session, with readers left
        self._scattered: dict[str, Future[Any]] = {}  # solutions of earlier sessions
        self._starts: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._seconds: list[float] = []
        self._without_worker: float | None = None
        self._client.subscribe_topic(name, lambda event: self._news.put(event[1]))

    def wait_for_worker(self) -> None:
        """Wait until a worker can run cells.

        :raises NtkbenchError: if there is none in time.
        """
        while True:
            self._check_cluster()
            if self._cluster.cells():
                return
            time.sleep(_PAUSE_SECONDS)

    def free(self) -> int:
        """Return how many more cells to submit. While cells are short, workers find the next one waiting."""
        cells = self._cluster.cells()
        short = bool(self._seconds) and sum(self._seconds) / len(self._seconds) < _SHORT_SECONDS
        return max(0, cells + (cells // 4 + 1 if short else 0) - len(self._jobs))

    def submit(self, job: Job) -> bool:
        """Submit a cell; it starts when a worker has room for it."""
        cell_id = job.cell.cell_id
        self._starts[cell_id] = self._losses[cell_id] = 0
        self._jobs[cell_id] = job
        self._send_all()
        return False

    def _send_all(self) -> None:
        """Send the cells that Dask does not have, if there is a worker; and again those that fit none any more."""
        if self._cluster.is_lost() or not self._cluster.workers():
            return
        for cell_id, sent in [*self._references.items()]:
            if sent.future.status != "finished" and not self._cluster.fits(sent.need):
                self._forget(cell_id)
        for cell_id, sent in [*self._sent.items()]:
            if not self._cluster.fits(sent.need):
                self._cluster.cancel([self._sent.pop(cell_id).future])
        for cell_id in [cell_id for cell_id in self._jobs if cell_id not in self._sent]:
            self._send(self._jobs[cell_id])

    def _forget(self, reference: str) -> None:
        """Give up a reference's task, and the tasks that wait for it: all are sent again."""
        futures = [self._references[reference].future]
        for cell_id, sent in [*self._sent.items()]:
            if reference in (cell_id, *solutions_read(sent.job.cell)):
                futures.append(self._sent.pop(cell_id).future)
        self._cluster.cancel(futures)
        if (again := self._task(self._references[reference].job)) is not None:
            self._references[reference] = again

    def _send(self, job: Job) -> None:
        """Send a cell to Dask, unless a solution that it reads cannot be sent now."""
        sent = self._task(job)
        if sent is None:
            return
        cell_id = job.cell.cell_id
        self._sent[cell_id] = sent
        if job.readers:
            self._references[cell_id] = sent
        self._client.loop.add_callback(self._follow, cell_id, sent.future, job.readers)

    def _task(self, job: Job) -> _Sent | None:
        cell, need = job.cell, self._cluster.need(job.cell.estimate.bytes)
        read = [self._solution(job, cell_id) for cell_id in solutions_read(cell)]
        if None in read:
            return None  # a worker went while it was sent there: at the next look, to others
        future: Future[Any] = self._client.submit(
            solve_on_worker,
            self._run,
            job,
            *read,
            key=f"{self._run.name}-{cell.cell_id}-{uuid4().hex[:8]}",
            resources=self._cluster.resources(need),
            pure=False,
        )
        return _Sent(job, future, need)

    def _solution(self, job: Job, cell_id: str) -> Future[Any] | None:
        """Return a solution as Dask has it: a cell's, or one that an earlier session left; None if that is not sent."""
        if (own := self._references.get(cell_id)) is not None:
            if own.future.status in _GONE and (again := self._task(own.job)) is not None:
                self._references[cell_id] = own = again
            return own.future
        known = self._scattered.get(cell_id)
        if known is None or known.status in _GONE:
            known = self._scatter(Path(job.solutions) / cell_id)
        if known is not None:
            self._scattered[cell_id] = known
        return known

    def _scatter(self, folder: Path) -> Future[Any] | None:
        workers = [*self._cluster.workers()]
        with suppress(KeyError, OSError, TimeoutError, asyncio.TimeoutError):
            return self._client.scatter(
                SolutionFiles(folder), hash=False, broadcast=len(workers) > 1, workers=workers, timeout=_SCATTER_SECONDS
            )
        return None

    async def _follow(self, cell_id: str, future: Future[Any], readers: int) -> None:
        """Report the end of a task; runs in the client's event loop."""
        try:
            outcome = await (self._left_on_worker(future, readers) if readers else self._gathered(future))
            self._news.put(_Ended(cell_id, future, outcome))
        except BaseException as error:
            self._news.put(_Ended(cell_id, future, None, error))

    async def _gathered(self, future: Future[Any]) -> Outcome:
        return (await self._client.gather(future, asynchronous=True)).whole()  # type: ignore[no-any-return]

    async def _left_on_worker(self, future: Future[Any], readers: int) -> Outcome:
        """Return the outcome of a reference; its solution stays on workers, on as many as it has readers.

        Dask places a reader only on a worker that has what it reads.
        """
        while True:
            with self._client.as_current():
                await wait([future])
            if future.status != "finished":
                return await self._gathered(future)  # which raises
            for worker in (await self._client.who_has([future])).get(future.key, ()):
                found = await self._client.run(read_outcome, future.key, workers=[worker], on_error="return")
                if isinstance(found.get(worker), Outcome):
                    await self._copied(future, readers)
                    return found[worker]  # type: ignore[no-any-return]
            await asyncio.sleep(_PAUSE_SECONDS)  # its worker has gone: Dask solves it again

    async def _copied(self, future: Future[Any], readers: int) -> None:
        workers = [*self._cluster.workers()]
        if min(readers, len(workers)) > 1:
            with suppress(KeyError, ValueError, OSError):  # a worker has gone; the others have their copies
                await self._client.replicate([future], n=min(readers, len(workers)), workers=workers)

    def events(self, timeout: float) -> list[Event]:
        """Return what happened.

        :raises NtkbenchError: if nothing happened, and the scheduler has gone, or all workers for too long.
        """
        self._cluster.look()
        found = [event for news in self._taken(timeout) for event in self._event_of(news)]
        if not found:
            self._check_cluster()
        self._send_all()
        return found

    def _taken(self, timeout: float) -> list[dict[str, Any] | _Ended]:
        """Return all news, after waiting for the first up to ``timeout`` seconds."""
        found = []
        try:
            found.append(self._news.get(timeout=timeout))
            while True:
                found.append(self._news.get_nowait())
        except queue.Empty:
            return found

    def _event_of(self, news: dict[str, Any] | _Ended) -> list[Event]:
        if isinstance(news, _Ended):
            return self._ended(news)
        cell_id = news["cell_id"]
        if cell_id not in self._jobs:
            return []
        if news["event"] == "progressed":
            return [Progressed(cell_id, news["fraction"])]
        self._starts[cell_id] += 1
        return [Started(cell_id)] if self._starts[cell_id] <= _TRIES else self._end(cell_id, _lost(_TRIES))

    def _ended(self, ended: _Ended) -> list[Event]:
        cell_id, error = ended.cell_id, ended.error
        sent = self._sent.get(cell_id)
        if sent is None or sent.future is not ended.future:
            return []
        if ended.outcome is not None:
            return self._end(cell_id, ended.outcome)
        if isinstance(error, LostSolutionError | FileNotFoundError):
            return self._end(cell_id, Outcome(status="failed", reason=f"a solution that it reads was lost: {error}"))
        if not isinstance(error, _LOSSES):
            first = (str(error).splitlines() or [""])[0]
            return self._end(cell_id, Outcome(status="failed", reason=f"Dask: {type(error).__name__}: {first}"))
        del self._sent[cell_id]  # it is sent again
        if self._cluster.is_lost():
            return []
        self._losses[cell_id] += 1
        return self._end(cell_id, _lost(_TRIES)) if self._losses[cell_id] >= _TRIES else []

    def _end(self, cell_id: str, outcome: Outcome) -> list[Event]:
        del self._jobs[cell_id]
        sent = self._sent.pop(cell_id, None)
        self._seconds.append(outcome.wall_seconds or 0.0)
        if outcome.status != "ok":
            self.release(cell_id)
            self._cluster.cancel([sent.future] if sent else [])
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
            raise NtkbenchError(
                f"no worker of the Dask cluster at {self._cluster.address} can run cells, after "
                f"{self._options.wait:g} s: {self._cluster.idle_reason()}"
            )

    def release(self, cell_id: str) -> None:
        """Let Dask free a solution."""
        self._references.pop(cell_id, None)
        self._scattered.pop(cell_id, None)

    def close(self) -> None:
        """Cancel all tasks, which ends their processes, and leave the cluster."""
        futures = [sent.future for sent in self._sent.values()]
        self._jobs.clear()
        self._sent.clear()
        self._references.clear()
        self._scattered.clear()
        self._cluster.cancel(futures)
        self._cluster.close()


def _lost(times: int) -> Outcome:
    return Outcome(status="crashed", reason=f"its Dask worker was lost, {times} times in a row")
