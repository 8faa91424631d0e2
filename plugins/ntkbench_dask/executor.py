"""The executor ``dask``: submit cells to a cluster, follow them, and run again what was lost with a worker."""

from __future__ import annotations

import asyncio
import queue
import time
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from distributed import KilledWorker, wait

from ntkbench.plugin import Finished, NtkbenchError, Outcome, Progressed, Started

from .cluster import Cluster
from .solution_files import SolutionFiles
from .solve_on_worker import RunOnWorker, TaskCancelledError, read_outcome, solutions_read, solve_on_worker

if TYPE_CHECKING:
    from distributed import Future

    from ntkbench.plugin.executor import Event, ExecutorContext
    from ntkbench.plugin.job import Job

_TRIES = 3
_PAUSE_SECONDS = 0.2
_SHOWN = 4
_SHORT_SECONDS = 5.0


@dataclass(frozen=True)
class _Sent:
    job: Job
    future: Future[Any]
    memory: float
    tries: int


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
        self._context, self._options = context, context.options
        name = f"ntkbench-{uuid4().hex[:12]}"
        self._cluster = Cluster(context, name)
        self._client = self._cluster.client
        self._run = RunOnWorker(name, context.config, context.timeout, context.slot, self._cluster.is_local)
        self._news: queue.SimpleQueue[dict[str, Any] | _Ended] = queue.SimpleQueue()
        self._sent: dict[str, _Sent] = {}
        self._solutions: dict[str, Future[Any]] = {}
        self._starts: Counter[str] = Counter()
        self._refused: dict[str, str] = {}
        self._without_worker: float | None = None
        self._count, self._seconds = 0, 0.0
        self._client.subscribe_topic(name, lambda event: self._news.put(event[1]))
        self._cluster.prepare()

    def wait_for_worker(self) -> None:
        """Wait until a worker can run cells.

        :raises NtkbenchError: if there is none in time.
        """
        while not self._cluster.capacity().cells:
            self._check_cluster()
            for news in self._taken(_PAUSE_SECONDS):
                self._event_of(news)

    def free(self) -> int:
        """Return how many more cells to submit. While cells are short, workers find the next one waiting."""
        cells = self._cluster.capacity().cells
        waiting = cells // 4 + 1 if self._seconds / max(1, self._count) < _SHORT_SECONDS and self._count else 0
        return max(0, cells + waiting - len(self._sent))

    def submit(self, job: Job) -> bool:
        """Submit a cell; it starts when a worker has room for it."""
        self._starts[job.cell.cell_id] = 0
        self._send(job, tries=1)
        return False

    def _send(self, job: Job, tries: int) -> None:
        cell, room, names = job.cell, self._cluster.capacity(), self._cluster.resources
        read = [self._solution(job, cell_id) for cell_id in solutions_read(cell)]
        memory = min(max(1.0, cell.estimate.bytes), room.memory)  # a larger one runs alone on the largest worker
        resources = {names.threads: min(float(self._context.config.threads), room.threads), names.memory: memory}
        if self._context.config.device.startswith("cuda"):
            resources[names.gpu] = 1.0
        future: Future[Any] = self._client.submit(
            solve_on_worker,
            self._run,
            job,
            *read,
            key=f"{self._run.name}-{cell.cell_id}-{tries}",
            resources=resources,
            pure=False,
        )
        self._sent[cell.cell_id] = _Sent(job, future, memory, tries)
        if cell.role == "reference":
            self._solutions[cell.cell_id] = future
        self._client.loop.add_callback(self._follow, cell.cell_id, future, job.readers)

    def _solution(self, job: Job, cell_id: str) -> Future[Any]:
        """Return a solution as Dask has it: that of a cell, or one that an earlier session has left in the run."""
        known = self._solutions.get(cell_id)
        if known is None or known.status in ("cancelled", "lost"):
            files, workers = SolutionFiles(Path(job.solutions) / cell_id), self._cluster.capacity().workers
            known = self._client.scatter(files, hash=False, broadcast=len(workers) > 1, workers=list(workers))
            self._solutions[cell_id] = known
        return known

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
        workers = self._cluster.known_capacity.workers
        if min(readers, len(workers)) > 1:
            with suppress(KeyError, ValueError, OSError):  # a worker has gone; the others have their copies
                await self._client.replicate([future], n=min(readers, len(workers)), workers=list(workers))

    def events(self, timeout: float) -> list[Event]:
        """Return what happened.

        :raises NtkbenchError: if the scheduler has gone, or all workers for too long.
        """
        self._check_cluster()
        found = [event for news in self._taken(timeout) for event in self._event_of(news)]
        self._check_cluster()
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
        if news["event"] == "differs":
            self._differs(news["worker"], news["what"])
            return []
        cell_id = news["cell_id"]
        if cell_id not in self._sent:
            return []
        if news["event"] == "progressed":
            return [Progressed(cell_id, news["fraction"])]
        self._starts[cell_id] += 1
        if self._starts[cell_id] > _TRIES:
            return self._end(cell_id, _lost(_TRIES))
        return [Started(cell_id)]

    def _differs(self, worker: str, what: list[str]) -> None:
        text = "; ".join(what[:_SHOWN]) + (f" and {len(what) - _SHOWN} more" if len(what) > _SHOWN else "")
        if self._options.any_software:
            warnings.warn(f"the Dask worker {worker} has other software: {text}", stacklevel=2)
        else:
            self._refused[worker] = text
            warnings.warn(f"the Dask worker {worker} gets no cells, its software differs: {text}", stacklevel=2)

    def _ended(self, ended: _Ended) -> list[Event]:
        sent = self._sent.get(ended.cell_id)
        if sent is None or sent.future is not ended.future:
            return []
        error = ended.error
        if ended.outcome is not None:
            return self._end(ended.cell_id, ended.outcome)
        if isinstance(error, KilledWorker):
            return self._end(ended.cell_id, _lost(self._starts[ended.cell_id]))
        if not isinstance(error, asyncio.CancelledError | TaskCancelledError):
            first = (str(error).splitlines() or [""])[0]
            return self._end(ended.cell_id, Outcome(status="failed", reason=f"Dask: {type(error).__name__}: {first}"))
        self._check_cluster()
        if sent.tries >= _TRIES:
            return self._end(ended.cell_id, _lost(sent.tries))
        self._send(sent.job, sent.tries + 1)  # a solution that it reads was lost
        return []

    def _end(self, cell_id: str, outcome: Outcome) -> list[Event]:
        sent = self._sent.pop(cell_id)
        self._count, self._seconds = self._count + 1, self._seconds + (outcome.wall_seconds or 0.0)
        if outcome.status != "ok":
            self._solutions.pop(cell_id, None)
            sent.future.cancel()
        return [Finished(cell_id, outcome)]

    def _check_cluster(self) -> None:
        """Raise if no cell can finish any more; submit again what has become too large for every worker."""
        if self._cluster.is_lost():
            raise NtkbenchError(
                f"the Dask scheduler at {self._cluster.address} was lost; rerun the command to continue"
            )
        room = self._cluster.capacity()
        if room.cells:
            self._without_worker = None
            return
        self._without_worker = self._without_worker or time.monotonic()
        if time.monotonic() - self._without_worker > self._options.wait:
            raise NtkbenchError(self._why_no_worker())

    def _why_no_worker(self) -> str:
        where = f"no worker of the Dask cluster at {self._cluster.address} runs cells"
        if self._refused:
            listed = "".join(f"\n  {worker}: {text}" for worker, text in list(self._refused.items())[:_SHOWN])
            return (
                f"{where}: their software differs{listed}\n"
                "install the same on all machines, or allow it with --executor-option any_software=true"
            )
        return f"{where} after {self._options.wait:g} s; start some with `dask worker`, and rerun the command"

    def release(self, cell_id: str) -> None:
        """Let Dask free a solution."""
        self._solutions.pop(cell_id, None)

    def close(self) -> None:
        """Cancel all tasks, which ends their processes, and leave the cluster."""
        futures = [sent.future for sent in self._sent.values()]
        self._sent.clear()
        self._solutions.clear()
        if futures and not self._cluster.is_lost():
            self._client.cancel(futures, force=True)
        self._cluster.close()


def _lost(times: int) -> Outcome:
    return Outcome(status="crashed", reason=f"its Dask worker was lost, {times} times in a row")
