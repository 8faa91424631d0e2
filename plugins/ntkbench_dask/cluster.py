"""The Dask cluster of a run: a connection to its scheduler, and the workers that are prepared for cells."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed import Client, LocalCluster
from distributed.versions import VersionMismatchWarning

from ntkbench.plugin import NtkbenchError, memory_bytes

from .prepare_worker import GPU, MEMORY, THREADS, PreparedWorker, leave_worker, permit, prepare_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from distributed import Future

    from ntkbench.plugin.executor import ExecutorContext

_CONNECT_SECONDS = 10
_CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 30.0
_NOTHING = PreparedWorker(1.0, 1.0, gpu=False, differences=())


@dataclass(frozen=True)
class Need:
    """What a cell takes of its worker while it runs."""

    threads: float
    memory: float


class Cluster:
    """A connection to a scheduler, and for a cluster in this process that cluster."""

    def __init__(self, context: ExecutorContext, name: str) -> None:
        """Connect to the scheduler that the options name, or start a cluster in this process.

        :raises NtkbenchError: if no scheduler answers.
        """
        self._context, self.name = context, name
        self.address = context.options.scheduler
        self._expected = dict(context.software(context.config))
        self._permit = permit(self._expected)
        self._connected: tuple[str, ...] = ()
        self._prepared: dict[str, PreparedWorker | None] = {}  # None: asked, no answer yet
        self.refused: dict[str, str] = {}
        self._workers: dict[str, PreparedWorker] = {}
        self._remarks: list[str] = []  # about workers, not told to the user yet
        self._asked_at = 0.0
        self._levels = _silenced()
        self._local = None if self.address else _local_cluster(context.jobs * context.config.threads, context.folder)
        try:
            self.client = _connect(self.address, self._local)
        except BaseException:
            self._end_local()
            raise

    @property
    def is_local(self) -> bool:
        """Whether the workers are in this process, with its files."""
        return self._local is not None

    def is_lost(self) -> bool:
        """Return whether the scheduler has gone."""
        return bool(self.client.status != "running")

    def look(self) -> None:
        """Ask the scheduler, now and then, which workers it has, and prepare those that are new."""
        if time.monotonic() - self._asked_at < _LOOK_SECONDS or self.is_lost():
            return
        workers = self._within(_CLOSE_SECONDS, lambda: self.client.nthreads())
        self._asked_at = time.monotonic()
        self._connected = tuple(workers or ())
        for address in set(self._connected) - self._prepared.keys():
            self._prepared[address] = None
            self.client.loop.add_callback(self._prepare, address)
        self._update()

    def warn(self) -> None:
        """Warn of workers that get no cells, or whose software differs, once each."""
        while self._remarks:
            warnings.warn(self._remarks.pop(0), stacklevel=2)

    async def _prepare(self, address: str) -> None:
        """Prepare a worker; runs in the client's event loop. One that does not answer is asked again later."""
        strict = not self._context.options.any_software
        arguments = (self._context.config, self._expected, self._context.software, strict)
        answer: Any = None
        with suppress(Exception):
            asked = self.client.run(prepare_worker, *arguments, workers=[address], on_error="return")
            answer = (await asyncio.wait_for(asked, _ANSWER_SECONDS)).get(address)
        if answer is None:
            self._prepared.pop(address, None)
        elif not isinstance(answer, PreparedWorker):
            self._refuse(address, f"it cannot load ntkbench ({answer})")
        else:
            differing = "its software differs: " + "; ".join(answer.differences)
            if answer.differences and strict:
                self._refuse(address, differing)
            elif answer.differences:
                self._remarks.append(f"the Dask worker {address} gets cells although {differing}")
            self._prepared[address] = answer
        self._update()

    def _refuse(self, address: str, why: str) -> None:
        self.refused[address] = why
        self._remarks.append(f"the Dask worker {address} gets no cells: {why}")

    def workers(self) -> Mapping[str, PreparedWorker]:
        """Return the workers that can run this run's cells, by address; the same object while they are the same."""
        return self._workers

    def _update(self) -> None:
        """Note the workers that are connected, prepared and of use."""
        needs_gpu = self._context.config.device.startswith("cuda")
        found = {address: self._prepared.get(address) for address in self._connected if address not in self.refused}
        usable = {address: worker for address, worker in found.items() if worker and (worker.gpu or not needs_gpu)}
        if usable != self._workers:
            self._workers = usable

    def is_unsuitable(self) -> bool:
        """Return whether there are workers, all have answered, and none can run cells."""
        answered = all(self._prepared.get(address) or address in self.refused for address in self._connected)
        return bool(self._connected) and answered and not self._workers

    def idle_reason(self) -> str:
        """Return why no worker can run cells."""
        here = [address for address in self._connected if address in self.refused]
        if here:
            listed = "".join(f"\n  {address}: {self.refused[address]}" for address in here[:4])
            return f"{listed}\ninstall the same software everywhere, or allow others with any_software=true"
        if self._connected and self._context.config.device.startswith("cuda"):
            return "none sees a GPU"
        return "start some with `dask worker`, and rerun the command"

    def cells(self) -> int:
        """Return how many cells the workers can run at a time."""
        return sum(max(1, int(worker.threads // self._context.config.threads)) for worker in self.workers().values())

    def need(self, memory: float) -> Need:
        """Return what a cell asks for: threads and ``memory`` bytes, or all of the largest worker if none has that."""
        wanted, workers = Need(float(self._context.config.threads), max(1.0, memory)), self.workers().values()
        if self.fits(wanted):
            return wanted
        largest = max(workers, key=lambda worker: (worker.memory, worker.threads), default=_NOTHING)
        return Need(min(wanted.threads, largest.threads), min(wanted.memory, largest.memory))

    def fits(self, need: Need) -> bool:
        """Return whether some worker has that much."""
        workers = self.workers().values()
        return any(worker.threads >= need.threads and worker.memory >= need.memory for worker in workers)

    def resources(self, need: Need) -> dict[str, float]:
        """Return the need as Dask's resources."""
        gpu = {GPU: 1.0} if self._context.config.device.startswith("cuda") else {}
        return {self._permit: 1.0, THREADS: need.threads, MEMORY: need.memory, **gpu}

    def cancel(self, futures: list[Future[Any]]) -> None:
        """Cancel tasks, which ends their processes."""
        if futures and not self.is_lost():
            self._within(_CLOSE_SECONDS, lambda: self.client.cancel(futures, asynchronous=True, force=True))

    def close(self) -> None:
        """Leave the cluster; end it if it is in this process."""
        workers = [*self.workers()]
        if workers and not self.is_lost() and not self.is_local:
            leave = lambda: self.client.run(leave_worker, self.name, workers=workers, on_error="ignore")  # noqa: E731
            self._within(_CLOSE_SECONDS, leave)
        with suppress(Exception):
            self.client.close(timeout=_CLOSE_SECONDS)
        self._end_local()
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

    def _end_local(self) -> None:
        if self._local is not None:
            with suppress(Exception):
                self._local.close(timeout=_CLOSE_SECONDS)

    def _within(self, seconds: float, call: Callable[[], Awaitable[Any]]) -> Any:
        """Return what a call gives in the client's event loop; None if it fails or takes too long."""

        async def awaited() -> Any:
            return await call()

        future = asyncio.run_coroutine_threadsafe(awaited(), self.client.loop.asyncio_loop)
        try:
            return future.result(seconds)
        except (Exception, CancelledError):
            future.cancel()
            return None


def _silenced() -> dict[str, int]:
    """Silence Dask's loggers, whose errors are rows and messages of ntkbench's; return their levels."""
    names = ["distributed", *(name for name in logging.root.manager.loggerDict if name.startswith("distributed."))]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return levels


def _local_cluster(threads: int, folder: Path) -> LocalCluster:
    return LocalCluster(
        n_workers=1,
        threads_per_worker=threads,
        processes=False,  # each cell has a process of its own
        memory_limit=memory_bytes() or 0,
        local_directory=str(folder),
        dashboard_address="127.0.0.1:0",  # its HTTP server cannot be left out; any free port will do
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.CRITICAL,
    )


def _connect(address: str | None, local: LocalCluster | None) -> Client:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # prepare_worker compares more versions
            return Client(local or address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except Exception as error:
        raise NtkbenchError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}: {error}); "
            "start one with `dask scheduler`, or leave the address out for a cluster on this machine"
        ) from None
