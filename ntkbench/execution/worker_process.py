"""A worker: a process that lives as long as the run and solves one cell after another.

``python -m ntkbench.execution.worker_process FD`` talks over the socket it inherited as descriptor FD: it receives a
:class:`WorkerConfig`, answers ``ready``, then receives :class:`Job` after :class:`Job` and answers each with progress
and one outcome. It exits when the other end closes, even in the middle of a cell. It writes no tables. What it and its
libraries print goes to its standard output and error, which the parent redirects.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import queue
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ..errors import NtkbenchError
from ..plugin.loading import load_registry
from .solve_cell import run_job

if TYPE_CHECKING:
    from ..plugin.job import WorkerConfig

_PROGRESS_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Serve jobs until the connection closes."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    connection = Connection(descriptor)
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    config: WorkerConfig = inbox.get()
    _apply(config)
    try:
        registry = load_registry(config.plugins)
    except NtkbenchError as error:
        raise SystemExit(str(error)) from None
    connection.send(("ready", os.getpid()))
    while True:
        job = inbox.get()
        outcome = run_job(job, registry, config, _Reporter(connection))
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(("outcome", outcome))


def _apply(config: WorkerConfig) -> None:
    if config.data_dir is not None:
        os.environ["NTKBENCH_DATA"] = config.data_dir


def _listen(connection: Connection, inbox: queue.SimpleQueue[Any]) -> None:
    """Pass messages on; exit when the other end is gone."""
    while True:
        try:
            inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)


def _die_with_parent() -> None:
    """Ask Linux to end this process with its parent, even if it is stuck in code that never releases the GIL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _Reporter:
    """Sends progress, at most ten times a second."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._next = connection, 0.0

    def __call__(self, done: float, total: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_SECONDS
            self._connection.send(("progress", (float(done), float(total))))


if __name__ == "__main__":
    main(int(sys.argv[1]))
