"""The tasks of cells as Dask has them, and the solutions that they read: what was lost is sent again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from distributed import wait

from ntkbench.plugin import Outcome

from .solution_files import SolutionFiles
from .solve_on_worker import RunOnWorker, read_outcome, solutions_read, solve_on_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from distributed import Future

    from ntkbench.plugin.job import Job

    from .cluster import Cluster, Need
    from .prepare_worker import PreparedWorker

_PAUSE_SECONDS = 0.2
_SCATTER_SECONDS = 5
_GONE = ("cancelled", "lost", "error")


@dataclass(frozen=True)
class _Sent:
    """A job as Dask has it: a task, and what it asks for of its worker."""

    job: Job
    future: Future[Any]
    need: Need


@dataclass(frozen=True)
class EndedTask:
    """A task has ended with an outcome, or has failed as a task."""

    cell_id: str
    future: Future[Any]
    outcome: Outcome | None
    error: BaseException | None = None


class Tasks:
    """Sends cells to a cluster, and reports how their tasks end to ``ended``, in another thread."""

    def __init__(self, cluster: Cluster, run: RunOnWorker, ended: Callable[[EndedTask], None]) -> None:
        self._cluster, self._client, self._run, self._ended = cluster, cluster.client, run, ended
        self._sent: dict[str, _Sent] = {}
        self._references: dict[str, _Sent] = {}  # solved in this session, with readers left
        self._scattered: dict[str, Future[Any]] = {}  # solutions of earlier sessions
        self._checked: Mapping[str, PreparedWorker] = {}  # the workers that all tasks were last seen to fit

    def is_current(self, ended: EndedTask) -> bool:
        """Return whether an ended task is the last that was sent of its cell."""
        sent = self._sent.get(ended.cell_id)
        return sent is not None and sent.future is ended.future

    def drop(self, cell_id: str) -> None:
        """Forget a cell's task, which has ended or is not wanted any more."""
        if (sent := self._sent.pop(cell_id, None)) is not None and sent.future.status == "pending":
            self._cluster.cancel([sent.future])

    def release(self, cell_id: str) -> None:
        """Let Dask free a solution."""
        self._references.pop(cell_id, None)
        self._scattered.pop(cell_id, None)

    def cancel(self) -> None:
        """Cancel all tasks, which ends their processes."""
        futures = [sent.future for sent in self._sent.values()]
        self._sent.clear()
        self._references.clear()
        self._scattered.clear()
        self._cluster.cancel(futures)

    def send_missing(self, jobs: Iterable[Job]) -> None:
        """Send the jobs that Dask does not have; if workers have changed, also those that fit none any more."""
        workers = self._cluster.workers()
        if self._cluster.is_lost() or not workers:
            return
        if workers is not self._checked:
            self._forget_what_fits_none()
            self._checked = workers
        for job in [job for job in jobs if job.cell.cell_id not in self._sent]:
            self.send(job)

    def _forget_what_fits_none(self) -> None:
        for cell_id, sent in [*self._references.items()]:
            if sent.future.status != "finished" and not self._cluster.fits(sent.need):
                self._forget(cell_id)
        for cell_id, sent in [*self._sent.items()]:
            if not self._cluster.fits(sent.need):
                self._cluster.cancel([self._sent.pop(cell_id).future])

    def _forget(self, reference: str) -> None:
        """Give up a reference's task, and the tasks that wait for it: all are sent again."""
        known, unfinished = self._references.pop(reference), reference in self._sent
        futures = [known.future]
        for cell_id, sent in [*self._sent.items()]:
            if reference in (cell_id, *solutions_read(sent.job.cell)):
                futures.append(self._sent.pop(cell_id).future)
        self._cluster.cancel(futures)
        if not unfinished and (again := self._task(known.job)) is not None:
            self._references[reference] = again

    def send(self, job: Job) -> None:
        """Send a cell to Dask, unless there is no worker or a solution that it reads cannot be sent now."""
        sent = self._task(job) if self._cluster.workers() else None
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
            self._ended(EndedTask(cell_id, future, outcome))
        except BaseException as error:
            self._ended(EndedTask(cell_id, future, None, error))

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
