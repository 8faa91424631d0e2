"""Run a plan: start cells that are ready, commit their outcomes, stop cleanly on an interrupt."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from ..errors import StoreError
from ..plugin.executor import Executor, Progressed, Started
from ..plugin.job import Job
from ..plugin.outcome import Outcome
from ..store.arrow import with_constant
from .progress import Progress
from .schedule import FAILURES, RunWork

if TYPE_CHECKING:
    from ..plugin.cell import Cell
    from ..plugin.job import WorkerConfig
    from ..plugin.registry import Registry
    from ..store.finished import Done
    from ..store.folder import RunFolder
    from ..study.plan import Plan

_TICK_SECONDS = 0.5
_GOES_ON = ("interrupted", "timeout", "crashed")  # after these a cell keeps its checkpoint


class CellListener(Protocol):
    """Follows a run; the command line draws its progress."""

    def tick(self, progress: Progress, running: tuple[Cell, ...]) -> None:
        """React to progress, several times a second."""

    def finished(self, cell: Cell, outcome: Outcome, progress: Progress) -> None:
        """React to a cell that has been committed."""


@dataclass
class RunSummary:
    """The result of a session: the number of cells by status, and of cells kept from earlier sessions."""

    counts: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    kept_failures: int = 0
    problems: list[tuple[Cell, str, str]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def failures(self) -> int:
        """The number of cells that failed or were skipped, in this session or an earlier one."""
        return sum(self.counts[status] for status in FAILURES) + self.counts["skipped"] + self.kept_failures


class Runner:
    """One session of a run."""

    def __init__(
        self,
        plan: Plan,
        work: RunWork,
        done: dict[str, Done],
        folder: RunFolder,
        executor: Executor,
        registry: Registry,
        config: WorkerConfig,
        env_id: str,
        listener: CellListener,
        *,
        fail_fast: bool = False,
    ) -> None:
        self.work, self.schedule, self.done = work, work.schedule, done
        self.folder, self.executor, self.registry = folder, executor, registry
        self.config, self.env_id, self.listener, self.fail_fast = config, env_id, listener, fail_fast
        self.cells = plan.by_id()
        self.refill = {cell.cell_id for cell in work.refill}
        self.progress = Progress([*work.pending, *work.refill])
        self.submitted: dict[str, Cell] = {}
        self.starts: Counter[str] = Counter()
        self.summary = RunSummary()

    def run(self) -> RunSummary:
        """Run until nothing is left; an interrupt ends the running cells and commits them as ``interrupted``.

        :raises StoreError: if the run's folder cannot be written or read; cells that have not been committed are left
            for the next session.
        """
        self._keep()
        try:
            while self.schedule.left() and not (self.fail_fast and self.summary.failures):
                self._skip_blocked()
                self._start_ready()
                self._take_events()
        except KeyboardInterrupt:
            self.summary.interrupted = True
        finally:
            try:
                self.executor.close()
            finally:
                self._interrupt_running()
        return self.summary

    def _keep(self) -> None:
        """Count the cells that are kept, and commit those that must not run."""
        for cell_id, decision in self.work.decisions.items():
            cell = self.cells[cell_id]
            if decision == "skip":
                self._skip(cell, str(cell.skip))
            elif decision == "failed before":
                self.summary.kept_failures += 1
                self.summary.problems.append((cell, self.done[cell_id].status, "in an earlier session"))
            elif decision == "done":
                self.summary.kept += 1

    def _skip_blocked(self) -> None:
        for cell, reason in self.schedule.take_blocked():
            self._skip(cell, reason)
            self.progress.progress(cell.cell_id, 1.0)
            self.schedule.finish(cell.cell_id, ok=False, outcome=f"is skipped: {reason}")

    def _skip(self, cell: Cell, reason: str) -> None:
        self._commit(cell, Outcome(status="skipped", reason=reason))

    def _start_ready(self) -> None:
        while self.executor.free() and (cell := self.schedule.take()):
            self.submitted[cell.cell_id] = cell
            key = None if cell.cell_id in self.refill else self.folder.key(cell, self._attempt(cell))
            paths = {"solutions": str(self.folder.solutions), "scratch": str(self.folder.scratch(cell))}
            readers = self.schedule.readers(cell.cell_id)
            begun = self.executor.submit(Job(cell=cell, key=key, readers=readers, **paths))
            self.starts[cell.cell_id] = int(begun)

    def _take_events(self) -> None:
        events = self.executor.events(_TICK_SECONDS) if self.submitted else []
        ended: list[tuple[Cell, Outcome]] = []
        for event in events:
            if isinstance(event, Started):
                self.starts[event.cell_id] += 1
            elif isinstance(event, Progressed):
                self.progress.progress(event.cell_id, event.fraction)
            else:
                cell = self.submitted.pop(event.cell_id)
                if event.outcome.exception_type == StoreError.__name__:
                    raise StoreError(event.outcome.exception_message)
                self.schedule.finish(cell.cell_id, ok=event.outcome.status == "ok", outcome=_past(event.outcome))
                ended.append((cell, event.outcome))
        self._start_ready()  # workers compute while the tables are written
        for cell, outcome in ended:
            self.progress.progress(cell.cell_id, 1.0)
            if cell.cell_id not in self.refill:
                self._commit(cell, outcome)
            elif outcome.status != "ok":
                self.summary.problems.append((cell, outcome.status, f"recomputed for the cache: {outcome.reason}"))
        for cell_id in self.schedule.take_unread():
            self.executor.release(cell_id)
        self.listener.tick(self.progress, self._running())

    def _running(self) -> tuple[Cell, ...]:
        """Return the cells that have started; others may wait in the executor's own queue."""
        return tuple(cell for cell in self.submitted.values() if self.starts[cell.cell_id])

    def _commit(self, cell: Cell, outcome: Outcome) -> None:
        before = self.done.get(cell.cell_id)
        if before is None or (before.status, outcome.status) != ("skipped", "skipped"):
            attempt = self._attempt(cell)
            if self.starts[cell.cell_id] > 1:  # the tables were keyed when the cell was submitted
                outcome = _numbered(outcome, attempt)
            self.folder.commit(cell, outcome, attempt, self.config, self.env_id)
        if outcome.status not in _GOES_ON:
            self.folder.clear_scratch(cell)
        self.summary.counts[outcome.status] += 1
        if outcome.status != "ok" or outcome.reason:
            self.summary.problems.append((cell, outcome.status, outcome.reason or ""))
        self.listener.finished(cell, outcome, self.progress)
        for _ in self.registry.call("ntkbench_cell_finished", cell=cell, outcome=outcome):
            pass  # a failing listener does not end the run

    def _attempt(self, cell: Cell) -> int:
        """Return the number of a cell's attempt: each start counts, also of one that was lost with its machine."""
        before = self.done.get(cell.cell_id)
        return (before.attempt if before else 0) + max(1, self.starts[cell.cell_id])

    def _interrupt_running(self) -> None:
        reason = "stopped by the user" if self.summary.interrupted else "the run stopped"
        for cell in self._running():
            if cell.cell_id not in self.refill:
                with suppress(StoreError):  # it may be why the run stopped
                    self._commit(cell, Outcome(status="interrupted", reason=reason))
        self.submitted.clear()


def _numbered(outcome: Outcome, attempt: int) -> Outcome:
    tables = {name: with_constant(table, "attempt", attempt) for name, table in outcome.tables.items()}
    return replace(outcome, tables=tables)


def _past(outcome: Outcome) -> str:
    return f"ended as {outcome.status}: {outcome.reason}"
