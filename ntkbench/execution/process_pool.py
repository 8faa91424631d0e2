"""Worker slots on this machine: child processes that outlive cells, and whose death costs one cell only."""

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
from typing import IO, TYPE_CHECKING

from ..errors import NtkbenchError
from ..plugin.outcome import Outcome
from .executor import Event, Finished, Progressed
from .threads import thread_environment

if TYPE_CHECKING:
    from ..plugin.outcome import Status
    from .job import Job, WorkerConfig

_LOG_BYTES = 1_000_000
_DEATH_SECONDS = 10.0
_START_SECONDS = 60.0
_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")


@dataclass
class _Slot:
    process: subprocess.Popen[bytes]
    connection: Connection
    log: IO[bytes]
    ready: bool = False
    job: Job | None = None
    started_at: float = 0.0
    clock: float = 0.0
    log_start: int = 0
    oom_kills: int = field(default=0)


class SlotPool:
    """Up to ``jobs`` slots, started when there is work for them."""

    def __init__(self, jobs: int, config: WorkerConfig, timeout: float | None, folder: Path) -> None:
        self._jobs, self._setting, self._timeout, self._folder = jobs, config, timeout, folder
        self._slots: list[_Slot] = []

    def free(self) -> int:
        """Return how many more jobs can be submitted now."""
        return self._jobs - sum(slot.job is not None for slot in self._slots)

    def submit(self, job: Job) -> None:
        """Send a job to an idle slot, starting one if need be."""
        slot = next((slot for slot in self._slots if slot.job is None), None) or self._start()
        slot.job, slot.started_at, slot.clock = job, time.time(), time.monotonic()
        slot.log_start, slot.oom_kills = slot.log.seek(0, os.SEEK_END), _oom_kills()
        try:
            slot.connection.send(job)
        except OSError:
            return  # it died while idle: the next events() finds that out

    def events(self, timeout: float) -> list[Event]:
        """Return progress and outcomes; a slot that died or ran out of time has ended its cell."""
        found: list[Event] = []
        busy = {slot.connection: slot for slot in self._slots if slot.job}
        for connection in wait(list(busy), self._patience(timeout)):
            found += self._receive(busy[connection])  # type: ignore[index]
        for slot in [slot for slot in self._slots if slot.job and self._overdue(slot)]:
            found.append(self._end(slot, "timeout", f"still running after --timeout {self._timeout:g} s"))
        return found

    def close(self) -> None:
        """Kill all slots."""
        for slot in self._slots:
            _kill(slot)
            slot.log.close()
        self._slots.clear()

    def _start(self) -> _Slot:
        ours, theirs = Pipe()
        log = (self._folder / f"slot-{len(self._slots)}-{time.monotonic_ns()}.log").open("a+b", buffering=0)
        process = subprocess.Popen(
            [sys.executable, "-m", "ntkbench.execution.worker_process", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env=os.environ | thread_environment(self._setting.threads) | {"PYTHONUNBUFFERED": "1"},
        )
        theirs.close()
        slot = _Slot(process, ours, log)
        ours.send(self._setting)
        self._slots.append(slot)
        return slot

    def _patience(self, timeout: float) -> float:
        """Return how long to wait, not past the first deadline."""
        if self._timeout is None:
            return timeout
        left = [self._deadline(slot, self._timeout) - time.monotonic() for slot in self._slots if slot.job]
        return max(0.0, min([timeout, *left]))

    def _deadline(self, slot: _Slot, timeout: float) -> float:
        """Return when a slot's cell has had its time; a process that only starts is given more."""
        return slot.clock + (timeout if slot.ready else max(timeout, _START_SECONDS))

    def _overdue(self, slot: _Slot) -> bool:
        return self._timeout is not None and time.monotonic() >= self._deadline(slot, self._timeout)

    def _receive(self, slot: _Slot) -> list[Event]:
        found: list[Event] = []
        try:
            while slot.job and slot.connection.poll():
                kind, content = slot.connection.recv()
                if kind == "ready":
                    slot.ready, slot.clock = True, time.monotonic()
                elif kind == "progress":
                    done, total = content
                    found.append(Progressed(slot.job.cell.cell_id, done / (total or 1)))
                else:
                    found.append(self._finish(slot, content))
        except (EOFError, OSError):
            found.append(self._died(slot))
        return found

    def _finish(self, slot: _Slot, outcome: Outcome) -> Finished:
        assert slot.job is not None
        cell_id, slot.job = slot.job.cell.cell_id, None
        printed = _log_of(slot)
        log = "\n".join(text for text in (printed, outcome.log) if text)
        return Finished(cell_id, _with_log(outcome, log))

    def _died(self, slot: _Slot) -> Event:
        """Tell how a slot died from its exit code; one that never was ready would never be."""
        try:
            code = slot.process.wait(_DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            return self._end(slot, "crashed", "its worker closed the connection and hung")
        if not slot.ready:
            raise NtkbenchError(f"a worker could not start (exit code {code}):\n{_log_of(slot).strip()[-2000:]}")
        if code == -signal.SIGKILL and _oom_kills() > slot.oom_kills:
            return self._end(slot, "out_of_memory", "its worker was killed by the system for want of memory", -code)
        if code < 0:
            return self._end(slot, "crashed", f"its worker died of {_signal_name(-code)}", -code)
        return self._end(slot, "crashed", f"its worker exited with code {code}")

    def _end(self, slot: _Slot, status: Status, reason: str, exit_signal: int | None = None) -> Finished:
        """Kill a slot for good, and end the cell it was at."""
        assert slot.job is not None
        self._slots.remove(slot)
        _kill(slot)
        outcome = Outcome(
            status=status,
            reason=reason,
            exit_signal=exit_signal,
            started_at=slot.started_at,
            wall_seconds=time.monotonic() - slot.clock,
            log=_log_of(slot),
        )
        slot.log.close()
        return Finished(slot.job.cell.cell_id, outcome)


def _with_log(outcome: Outcome, log: str) -> Outcome:
    from dataclasses import replace

    return replace(outcome, log=log) if log != outcome.log else outcome


def _kill(slot: _Slot) -> None:
    """Kill a slot's whole process group, and wait for it to be gone."""
    try:
        os.killpg(slot.process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        slot.process.kill()
    slot.process.wait()
    slot.connection.close()


def _log_of(slot: _Slot) -> str:
    """Return what was printed during the slot's present cell, its end if it is long."""
    end = slot.log.seek(0, os.SEEK_END)
    slot.log.seek(max(slot.log_start, end - _LOG_BYTES))
    return slot.log.read(_LOG_BYTES).decode(errors="replace")


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"


def _oom_kills() -> int:
    """Return how often Linux has killed for want of memory: in our control group if it counts them, else at all."""
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
