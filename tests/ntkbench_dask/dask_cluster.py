"""A Dask scheduler and workers, started as processes on the loopback interface."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from toy_runs import alive, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class DaskProcesses:
    """A scheduler, and workers that can be added and killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", self._file
        )
        self.address = wait_for(self._address)

    def _address(self) -> str | None:
        assert self.scheduler.poll() is None, "the scheduler has ended"
        try:
            return json.loads(self._file.read_text())["address"]
        except (OSError, ValueError):
            return None

    def _start(self, kind: str, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, arguments)]
        changed = os.environ | environment
        with (self._folder / f"{kind}-{len(self.workers)}.log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, env=changed, start_new_session=True
            )

    def add_worker(self, threads: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker with its own folder, and wait until the scheduler knows it."""
        place = self._folder / f"worker-{len(self.workers)}"
        place.mkdir()
        arguments = ("--nthreads", threads, "--no-nanny", "--no-dashboard", "--local-directory", place)
        number = len(self.workers)
        worker = self._start("worker", self.address, "--host", "127.0.0.1", *arguments, **environment)
        self.workers.append(worker)
        wait_for(lambda: "Registered to" in self.log("worker", number))
        return worker

    def log(self, kind: str, number: int = 0) -> str:
        return (self._folder / f"{kind}-{number}.log").read_text()

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process as the kernel would, without any goodbye."""
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not alive(process.pid)


@contextmanager
def dask_processes(folder: Path, workers: int = 1, threads: int = 1) -> Iterator[DaskProcesses]:
    """Run a scheduler with some workers while the context lasts."""
    folder.mkdir(exist_ok=True)
    found = DaskProcesses(folder)
    try:
        for _ in range(workers):
            found.add_worker(threads)
        yield found
    finally:
        found.close()
