"""Worker processes on this machine: each solves cell after cell, and if one dies, only its current cell is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import mkstemp
from typing import IO, TYPE_CHECKING

from ..errors import NtkbenchError
from ..plugin.executor import Event, Finished, Progressed
from ..plugin.outcome import Outcome
from .threads import thread_environment

if TYPE_CHECKING:
    from ..plugin.executor import ExecutorContext
    from ..plugin.job import Job, WorkerConfig
    from ..plugin.outcome import Status

_LOG_BYTES = 1_000_000
_DEATH_SECONDS = 10.0
_START_SECONDS = 60.0
_STARTS = 3
_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


@dataclass
class _WorkerProcess:
    process: subprocess.Popen[bytes]
    connection: Connection
    log: IO[bytes]
    ready: bool = False
    job: Job | None = None
    started_at: float = 0.0
    clock: float = 0.0
    log_start: int = 0
    oom_kills: int = field(default=0)


def processes(context: ExecutorContext) -> WorkerPool:
    """Return the executor of ``jobs`` worker processes on this machine."""
    return WorkerPool(context.jobs, context.config, context.timeout, context.folder)


def slot(config: WorkerConfig, timeout: float | None, folder: Path) -> WorkerPool:
    """Return an executor of one worker process, for one job at a time."""
    return WorkerPool(1, config, timeout, folder)


class WorkerPool:
    """Up to ``jobs`` worker processes, each started when there is work for it."""

    def __init__(self, jobs: int, config: WorkerConfig, timeout: float | None, folder: Path) -> None:
        self._jobs, self._config, self._timeout, self._folder = jobs, config, timeout, folder
        self._workers: list[_WorkerProcess] = []
        self._failed_starts = 0

    def free(self) -> int:
        """Return how many more jobs can be submitted now."""
        return self._jobs - sum(worker.job is not None for worker in self._workers)

    def submit(self, job: Job) -> bool:
        """Send a job to an idle worker; start one if there is none."""
        self._send(job)
        return True

    def _send(self, job: Job) -> None:
        worker = next((worker for worker in self._workers if worker.job is None), None) or self._start()
        worker.job, worker.started_at, worker.clock = job, time.time(), time.monotonic()
        worker.log_start, worker.oom_kills = worker.log.seek(0, os.SEEK_END), _oom_kills()
        try:
            worker.connection.send(job)
        except OSError:
            return  # it died while idle: the next events() notices

    def events(self, timeout: float) -> list[Event]:
        """Return progress and outcomes; a worker that died or ran out of time ends its cell."""
        found: list[Event] = []
        busy = {worker.connection: worker for worker in self._workers if worker.job}
        for connection in wait(list(busy), self._patience(timeout)):
            found += self._receive(busy[connection])  # type: ignore[index]
        for worker in [worker for worker in self._workers if worker.job and self._overdue(worker)]:
            found.append(self._end(worker, "timeout", f"still running after --timeout {self._timeout:g} s"))
        return found

    def release(self, cell_id: str) -> None:
        """Do nothing: solutions stay in the run's folder, for later sessions."""

    def close(self) -> None:
        """Kill all workers."""
        for worker in self._workers:
            _kill(worker)
            worker.log.close()
        self._workers.clear()

    def _start(self) -> _WorkerProcess:
        ours, theirs = Pipe()
        descriptor, _ = mkstemp(prefix="worker-", suffix=".log", dir=self._folder)
        log = os.fdopen(descriptor, "a+b", buffering=0)
        process = subprocess.Popen(
            [sys.executable, "-m", "ntkbench.execution.worker_process", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env=os.environ | thread_environment(self._config.threads) | {"PYTHONUNBUFFERED": "1"},
        )
        theirs.close()
        worker = _WorkerProcess(process, ours, log)
        ours.send(self._config)
        self._workers.append(worker)
        return worker

    def _patience(self, timeout: float) -> float:
        """Return how long to wait: at most until the first deadline."""
        if self._timeout is None:
            return timeout
        left = [self._deadline(worker, self._timeout) - time.monotonic() for worker in self._workers if worker.job]
        return max(0.0, min([timeout, *left]))

    def _deadline(self, worker: _WorkerProcess, timeout: float) -> float:
        """Return when a worker's cell times out; a process that is still starting gets longer."""
        return worker.clock + (timeout if worker.ready else max(timeout, _START_SECONDS))

    def _overdue(self, worker: _WorkerProcess) -> bool:
        return self._timeout is not None and time.monotonic() >= self._deadline(worker, self._timeout)

    def _receive(self, worker: _WorkerProcess) -> list[Event]:
        found: list[Event] = []
        try:
            while worker.job and worker.connection.poll():
                kind, content = worker.connection.recv()
                if kind == "ready":
                    worker.ready, worker.clock, self._failed_starts = True, time.monotonic(), 0
                elif kind == "progress":
                    done, total = content
                    found.append(Progressed(worker.job.cell.cell_id, done / (total or 1)))
                else:
                    found.append(self._finish(worker, content))
        except (EOFError, OSError):
            found += self._died(worker)
        return found

    def _finish(self, worker: _WorkerProcess, outcome: Outcome) -> Finished:
        assert worker.job is not None
        cell_id, worker.job = worker.job.cell.cell_id, None
        printed = _log_of(worker)
        log = "\n".join(text for text in (printed, outcome.log) if text)
        return Finished(cell_id, _with_log(outcome, log))

    def _died(self, worker: _WorkerProcess) -> list[Event]:
        """Return how a worker died; one that never started has lost nothing, and another one gets its cell."""
        try:
            code = worker.process.wait(_DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            return [self._end(worker, "crashed", "its worker closed the connection and hung")]
        if worker.ready:
            return [self._killed(worker, code)]
        self._failed_starts += 1
        if self._failed_starts >= _STARTS:
            said = _log_of(worker).strip()[-2000:]
            raise NtkbenchError(f"a worker could not start, {_STARTS} times in a row (exit code {code}):\n{said}")
        job = worker.job
        self._workers.remove(worker)
        _kill(worker)
        worker.log.close()
        if job is not None:
            self._send(job)
        return []

    def _killed(self, worker: _WorkerProcess, code: int) -> Event:
        """Return how a worker died while it solved a cell, by its exit code."""
        if code == -signal.SIGKILL and _oom_kills() > worker.oom_kills:
            return self._end(worker, "out_of_memory", "the system ran out of memory and killed its worker", -code)
        if code < 0:
            return self._end(worker, "crashed", f"its worker died of {_signal_name(-code)}", -code)
        return self._end(worker, "crashed", f"its worker exited with code {code}")

    def _end(self, worker: _WorkerProcess, status: Status, reason: str, exit_signal: int | None = None) -> Finished:
        """Kill a worker, and end the cell it was solving."""
        assert worker.job is not None
        self._workers.remove(worker)
        _kill(worker)
        outcome = Outcome(
            status=status,
            reason=reason,
            exit_signal=exit_signal,
            started_at=worker.started_at,
            wall_seconds=time.monotonic() - worker.clock,
            log=_log_of(worker),
        )
        worker.log.close()
        return Finished(worker.job.cell.cell_id, outcome)


def _with_log(outcome: Outcome, log: str) -> Outcome:
    from dataclasses import replace

    return replace(outcome, log=log) if log != outcome.log else outcome


def _kill(worker: _WorkerProcess) -> None:
    """Kill a worker's whole process group, and wait until it has ended."""
    try:
        os.killpg(worker.process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        worker.process.kill()
    worker.process.wait()
    worker.connection.close()


def _log_of(worker: _WorkerProcess) -> str:
    """Return the output of the worker's current cell; only its end if it is long."""
    end = worker.log.seek(0, os.SEEK_END)
    worker.log.seek(max(worker.log_start, end - _LOG_BYTES))
    return worker.log.read(_LOG_BYTES).decode(errors="replace")


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"


def _oom_kills() -> int:
    """Return how many processes Linux has killed because memory ran out, in our control group if that keeps a count."""
    for path in (*_control_group_counters(), _PROC / "vmstat"):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _control_group_counters() -> list[Path]:
    """Return the files that may count the kills in this process's control group, version 2 before version 1."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for _, controllers, group in sorted(line.split(":", 2) for line in lines):
        for path in (group.lstrip("/"), ""):  # a container may see its own group as the root
            if controllers == "":
                found.append(_GROUPS / path / "memory.events")
            elif "memory" in controllers.split(","):
                found.append(_GROUPS / "memory" / path / "memory.oom_control")
    return found
