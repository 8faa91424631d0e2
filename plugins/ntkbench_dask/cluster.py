"""The Dask cluster of a run: a connection to it, and what its workers have room for."""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed import Client, LocalCluster
from distributed.versions import VersionMismatchWarning

from ntkbench.plugin import NtkbenchError, memory_bytes

from .prepare_worker import PrepareWorker, Resources

if TYPE_CHECKING:
    from pathlib import Path

    from ntkbench.plugin.executor import ExecutorContext

_CONNECT_SECONDS = 10
_CLOSE_SECONDS = 5
_LOOK_SECONDS = 0.5
_WORKERS_PER_SECOND = 500  # of whom we ask the scheduler


@dataclass(frozen=True)
class Capacity:
    """The workers that run cells: how many cells at a time, and the most threads and bytes that one of them has."""

    workers: tuple[str, ...] = ()
    cells: int = 0
    threads: float = 1.0
    memory: float = 1.0


class Cluster:
    """A connection to a scheduler, and for a cluster in this process that cluster."""

    def __init__(self, context: ExecutorContext, name: str) -> None:
        """Connect to the scheduler that the options name, or start a cluster in this process.

        :raises NtkbenchError: if no scheduler answers.
        """
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its losses are rows and messages of ours
        self._context, self.name = context, name
        self.address = context.options.scheduler
        self._local = None if self.address else _local_cluster(context.jobs * context.config.threads, context.folder)
        self.client = _connect(self.address, self._local)
        expected = dict(context.software(context.config))
        self.resources = Resources(expected)
        self._plugin = PrepareWorker(
            name, context.config, expected, context.software, strict=not context.options.any_software
        )
        self.known_capacity, self._asked_at, self._pause = Capacity(), 0.0, _LOOK_SECONDS

    @property
    def is_local(self) -> bool:
        """Whether the workers are in this process, with its files."""
        return self._local is not None

    def prepare(self) -> None:
        """Prepare all workers, those that join later too."""
        with suppress(Exception):  # a worker that cannot import ntkbench: it declares nothing, so it gets no cells
            self.client.register_plugin(self._plugin)

    def is_lost(self) -> bool:
        """Return whether the scheduler has gone."""
        return bool(self.client.status != "running")

    def capacity(self) -> Capacity:
        """Return the room on the workers, as the scheduler said lately."""
        if time.monotonic() - self._asked_at >= self._pause:
            self.known_capacity = self._asked()
            self._asked_at = time.monotonic()
        return self.known_capacity

    def _asked(self) -> Capacity:
        try:
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
        except Exception:  # the scheduler has gone; is_lost() says so
            return Capacity()
        self._pause = max(_LOOK_SECONDS, len(workers) / _WORKERS_PER_SECOND)
        resources = {address: worker["resources"] for address, worker in workers.items()}
        declared = {address: found for address, found in resources.items() if self.resources.threads in found}
        threads = [found[self.resources.threads] for found in declared.values()]
        each = self._context.config.threads
        return Capacity(
            workers=tuple(declared),
            cells=sum(max(1, int(found // each)) for found in threads),
            threads=max(threads, default=1.0),
            memory=max((found[self.resources.memory] for found in declared.values()), default=1.0),
        )

    def close(self) -> None:
        """Leave the cluster; end it if it is in this process."""
        if not self.is_lost():
            with suppress(Exception):
                self.client.unregister_worker_plugin(self.name)
        with suppress(Exception):
            self.client.close(timeout=_CLOSE_SECONDS)
        if self._local is not None:
            with suppress(Exception):
                self._local.close(timeout=_CLOSE_SECONDS)


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
            warnings.simplefilter("ignore", VersionMismatchWarning)  # we compare more, and say what follows
            return Client(local or address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except Exception as error:
        raise NtkbenchError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}: {error}); "
            "start one with `dask scheduler`, or leave the address out for a cluster on this machine"
        ) from None
